"""Where recorded usage waits for its delivery: in memory or on disk."""
