"""Measured speed: each file states its goal, its load and its seed; ``make bench`` runs them all and prints one table."""
