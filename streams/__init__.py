"""Everything that runs on Kafka: the worker with its two agents, what publishes to it, the embedded broker."""
