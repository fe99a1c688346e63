"""Usage records and ledger in one SQLite file."""

from marketplace_metering.adapters.sqlite.store import SqliteStore, StoreUnusableError

__all__ = ["SqliteStore", "StoreUnusableError"]
