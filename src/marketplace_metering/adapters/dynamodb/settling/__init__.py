"""From a sealed entry to its outcome, and to the marks on its usage records."""
