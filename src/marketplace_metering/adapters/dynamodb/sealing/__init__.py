"""From pending usage to ledger entries."""
