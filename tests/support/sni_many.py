"""Many icons at the same time: `python -m tests.support.sni_many COUNT`, prints a line once a panel took them.

Each is the product's own item on a connection of its own, as if the same program had started as often. With as many new
names Xfce's panel would lose some, as it remembers each name it meets for the first time.
"""

from __future__ import annotations

import signal
import sys
import threading

from taskclf_tray.app.snapshot import IconState
from taskclf_tray.ui.icon import icon_art
from taskclf_tray.ui.sni.base import Menu, MenuItem
from taskclf_tray.ui.sni.icon import SniIcon

COLOR = "#ff00ff"


def main(count: int) -> None:
    """Serve the icons until SIGTERM."""
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    menu = Menu(MenuItem("One", lambda *_: None), MenuItem("Two", lambda *_: None))
    art = icon_art(IconState.LIVE, core_label="Build", color=COLOR)
    icons = [SniIcon("taskclf", art, "Build 87 %", menu) for _ in range(count)]
    for icon in icons:
        icon.run_detached()
    for icon in icons:
        icon.registered.wait(60)
    print("ready", flush=True)
    while not ended.wait(1):
        pass
    for icon in icons:
        icon.stop()
    for icon in icons:
        icon.join(10)


if __name__ == "__main__":
    main(int(sys.argv[1]))
