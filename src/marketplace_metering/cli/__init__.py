"""The `metering` command. A command is loaded when it is used: `metering --help` is quick."""

from marketplace_metering.cli.main import main

__all__ = ["main"]
