"""The whole pipeline on one machine: an AWS emulator, the metering simulator, the real template."""
