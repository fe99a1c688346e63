"""Where a recorder delivers usage records: a port, and the stores behind it."""
