"""What lies in the tables: each kind of item, written and read."""
