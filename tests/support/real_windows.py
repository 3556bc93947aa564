"""Windows of programs on a display, without the programs."""

from __future__ import annotations

from typing import Any

from Xlib import X, Xatom, display

from tests.support.processes import wait_until


class Windows:
    """Windows of programs on a display, and the person who switches between them."""

    def __init__(self, name: str) -> None:
        self._display = display.Display(name)
        self._root = self._display.screen().root

    def open(self, program: str, title: str) -> Any:
        """A window in front, by its class."""
        screen = self._display.screen()
        window = self._root.create_window(
            40, 60, 300, 200, 0, X.CopyFromParent, background_pixel=screen.white_pixel, event_mask=X.ExposureMask
        )
        window.set_wm_class(program.lower(), program)
        self.name(window, title)
        window.map()
        self._display.sync()
        return window

    def are_managed(self) -> bool:
        """Whether the window manager takes care of a new window."""
        window = self.open("Probe", "")
        try:
            return wait_until(lambda: window.query_tree().parent != self._root, "a frame", 0.05)
        except AssertionError:
            return False
        finally:
            window.destroy()
            self._display.sync()

    def name(self, window: Any, title: str) -> None:
        """Another title."""
        atom = self._display.get_atom("_NET_WM_NAME")
        window.change_property(atom, self._display.get_atom("UTF8_STRING"), 8, title.encode())
        window.change_property(Xatom.WM_NAME, Xatom.STRING, 8, b"old " + title.encode("latin-1", "replace"))
        self._display.sync()

    def close(self) -> None:
        self._display.close()
