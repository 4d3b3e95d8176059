"""The gateway: audits for hospitals over HTTP, and nothing else, so that nothing staff do can slow it."""
