"""What travels between the parts: messages, codes, topic names. The only place that knows the national spelling."""
