"""Fixtures of the end-to-end tests."""

from tests.support.dbus import notify_daemon, panel, session_bus

__all__ = ["notify_daemon", "panel", "session_bus"]
