"""The whole pipeline on one machine: an AWS emulator, the metering simulator, the real template."""


class LocalError(Exception):
    """The local pipeline could not be brought to what was asked for; the message says why."""
