"""Paths, locks, editors: what differs between desktops."""
