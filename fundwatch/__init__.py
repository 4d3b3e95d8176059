"""The entry: settings put together, the command line, the whole system on one machine."""
