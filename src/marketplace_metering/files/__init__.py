"""Files of usage: JSON Lines, JSON and CSV into usage records."""
