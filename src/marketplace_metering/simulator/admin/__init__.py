"""The simulator's own HTTP API, for setting it up and looking at it."""
