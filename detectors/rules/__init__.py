"""One rule per file; its module is found by the detector's name in rules.toml."""
