"""pystray's names, imported in a way that needs no display, a menu entry with an identity, and the desktop's names.

pystray chooses its backend while it is imported, and the one for plain X opens DISPLAY there and raises an Xlib
error without it. On Linux the inert backend is chosen for the import, and the environment is left as it was.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Hashable, Mapping
from typing import Any, Final

_CHOICE: Final = "PYSTRAY_BACKEND"


def _import_pystray() -> Any:
    if sys.platform in ("win32", "darwin"):
        return importlib.import_module("pystray")
    before = os.environ.get(_CHOICE)
    os.environ[_CHOICE] = "dummy"
    try:
        return importlib.import_module("pystray")
    finally:
        if before is None:
            del os.environ[_CHOICE]
        else:
            os.environ[_CHOICE] = before


_pystray = _import_pystray()
Icon: Any = _pystray.Icon
"""On Linux pystray's base class, which every backend inherits; elsewhere the platform's own icon."""
Menu: Any = _pystray.Menu
MenuItem: Any = _pystray.MenuItem


def current_desktops(environ: Mapping[str, str]) -> list[str]:
    """The names in XDG_CURRENT_DESKTOP in capitals, the most special first: `BUDGIE`, `GNOME`."""
    return environ.get("XDG_CURRENT_DESKTOP", "").upper().split(":")


class KeyedItem(MenuItem):  # type: ignore[misc]  # pystray has no types
    """A `MenuItem` that is recognised by `key` among its siblings, whatever stands before it.

    Entries that come and go (a queue, a list of models) need one: an entry without a key is known by its place, so
    an open menu would show the next entry under the pointer when one before it disappears.
    """

    def __init__(
        self,
        key: Hashable,
        text: str | Callable[[Any], str],
        action: Any,
        *,
        swatch: Callable[[], str | None] | None = None,
        **options: Any,
    ) -> None:
        """`swatch`: the colour (`#rrggbb`) of a dot before the entry, where the backend can show one.

        It may return None at times: then the dot is a hollow ring.
        """
        super().__init__(text, action, **options)
        self.key = key
        self.swatch = swatch
