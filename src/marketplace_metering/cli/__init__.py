"""The `metering` command. Each command imports what it needs when it runs: `--help` is quick."""

from marketplace_metering.cli.main import main

__all__ = ["main"]
