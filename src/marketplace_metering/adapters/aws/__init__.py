"""The AWS services around the store: queue, topic, functions and roles."""
