"""Texts for a notification service."""

from __future__ import annotations

from taskclf_tray.core.plain_text import plain_text

__all__ = ["escape_markup", "plain_text"]


def escape_markup(text: str) -> str:
    """`text` for a service that reads its body as markup (the freedesktop capability `body-markup`)."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
