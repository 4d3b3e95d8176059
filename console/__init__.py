"""What staff see and call: the wall, the findings, their API."""
