"""Independent answers, one module per rule: ``DETECTOR`` and ``oracle(values, drugs)`` (see tests.detectors.oracle)."""
