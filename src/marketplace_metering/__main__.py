"""`python -m marketplace_metering` is the `metering` command."""

from marketplace_metering.cli import main

main()
