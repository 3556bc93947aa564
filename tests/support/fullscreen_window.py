"""A window that fills the screen, as a film does: `python -m tests.support.fullscreen_window [plain]`.

Prints a line once it is on the screen. With `plain` it is an ordinary window.
"""

from __future__ import annotations

import sys

from Xlib import X, Xatom, Xutil, display


def main() -> None:
    """Show it until the process ends."""
    screen = display.Display()
    window = screen.screen().root.create_window(
        40, 60, 300, 200, 0, X.CopyFromParent, background_pixel=screen.screen().white_pixel, event_mask=X.ExposureMask
    )
    window.set_wm_name("film")
    window.set_wm_hints(flags=Xutil.InputHint, input=1)
    if "plain" not in sys.argv:
        state = screen.get_atom("_NET_WM_STATE_FULLSCREEN")
        window.change_property(screen.get_atom("_NET_WM_STATE"), Xatom.ATOM, 32, [state])
    window.map()
    while screen.next_event().type != X.Expose:
        pass
    print("ready", flush=True)
    while True:
        screen.next_event()


if __name__ == "__main__":
    main()
