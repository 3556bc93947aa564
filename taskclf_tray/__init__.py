"""taskclf_tray: a private, live label for what kind of work the last minute was."""

__version__ = "0.1.0"
