"""What travels between the parts: messages, codes, topic names. The only place that knows the national spelling."""

import compiled  # noqa: F401  first of all: from here on compiled modules are found
