"""The dashboards, one file each: what it shows, from which queries, where a click leads."""
