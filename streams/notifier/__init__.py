"""Brings alerts to the people on call: who gets what, in which form, when, and what became of it."""
