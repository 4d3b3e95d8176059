"""``python -m fundwatch``: the same as the ``fundwatch`` command."""

from fundwatch.cli import main

if __name__ == "__main__":
    main()
