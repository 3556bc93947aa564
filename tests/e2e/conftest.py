"""Fixtures of the end-to-end tests."""

from tests.fakes.dbus import notify_daemon, panel, session_bus

__all__ = ["notify_daemon", "panel", "session_bus"]
