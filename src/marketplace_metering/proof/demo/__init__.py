"""`metering demo`: a shipped day of usage, metered before your eyes. See docs/demo.md."""
