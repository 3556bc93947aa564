"""A small app against pystray's names, served over D-Bus: `python -m tests.support.sni_demo LOG [MODE …]`.

Each event is a JSON line in LOG. Modes: `detached`, `storm`, and a colour such as `#ff00ff`.
"""

from __future__ import annotations

import json
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from taskclf_tray.app.snapshot import IconState
from taskclf_tray.ui.icon import icon_art
from taskclf_tray.ui.sni.base import KeyedItem, Menu, MenuItem
from taskclf_tray.ui.sni.icon import SniIcon

LABELS = ("Build", "Meet", "Write")
HOSTILE = "a_b\x00c\u202ed\nе" + "x" * 300


def resident_mib() -> float:
    """Resident memory of this process, in MiB."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return round(int(line.split()[1]) / 1024, 1)
    raise AssertionError("no VmRSS")


class Demo:
    """The app's state and its menu."""

    def __init__(self, log: Path) -> None:
        self._log = log.open("a", buffering=1)
        self.paused = False
        self.label = LABELS[0]
        self.count = 0
        self.is_hideable_shown = True
        self.recent = ["first", "second"]

    def log(self, event: str, **values: Any) -> None:
        """One line of the log."""
        self._log.write(json.dumps({"event": event, "thread": threading.current_thread().name, **values}) + "\n")

    def logs(self, event: str) -> Any:
        """A callback that only logs."""
        return lambda: self.log(event)

    def choose(self, label: str) -> Any:
        """A callback that takes a label."""

        def chosen(icon: Any) -> None:
            self.label = label
            icon.icon = icon_art(IconState.LIVE, core_label=label)
            icon.title = f"{label} 87 %\nsince <14:05> & on"
            self.log("label", label=label)

        return chosen

    def toggle(self, icon: Any) -> None:
        """The check mark."""
        self.paused = not self.paused
        icon.panel_label = "Paused" if self.paused else ""
        self.log("toggle", paused=self.paused)

    def boom(self) -> None:
        """A callback with a bug."""
        raise RuntimeError("boom")

    def hide(self) -> None:
        """Entries come and go."""
        self.is_hideable_shown = False
        self.recent.remove("first")

    def rows(self) -> Iterator[Any]:
        """A menu made anew each time."""
        for name in self.recent:
            yield KeyedItem(name, name, self.logs(f"recent {name}"))
        for name in ("twin", "twin"):
            yield KeyedItem(name, name, None)

    def quit(self, icon: Any) -> None:
        """The last entry."""
        self.log("quit")
        icon.stop()

    def menu(self) -> Any:
        """Every kind of entry."""
        radios = (
            MenuItem(label, self.choose(label), checked=lambda item: item.text == self.label, radio=True)
            for label in LABELS
        )
        return Menu(
            MenuItem(lambda item: f"Now: {self.label}", self.logs("default"), default=True),
            Menu.SEPARATOR,
            MenuItem("Hideable", None, visible=lambda item: self.is_hideable_shown),
            MenuItem("Paused", self.toggle, checked=lambda item: self.paused),
            MenuItem("Label", Menu(*radios)),
            MenuItem("Recent", Menu(self.rows)),
            MenuItem(
                "Advanced",
                Menu(
                    MenuItem("Edit Inference Policy", self.logs("policy")),
                    MenuItem("Disabled", self.logs("BAD"), enabled=False),
                    MenuItem("Boom", self.boom),
                    MenuItem("Hide", self.hide),
                    MenuItem(HOSTILE, self.logs("hostile")),
                    MenuItem("Memory", lambda: self.log("memory", mib=resident_mib())),
                ),
            ),
            MenuItem(lambda item: f"count {self.count}", None, enabled=False),
            Menu.SEPARATOR,
            MenuItem("Quit", self.quit),
        )

    def storm(self, icon: Any) -> None:
        """600 updates from three threads at once, then the end state."""

        def blow(which: int) -> None:
            for number in range(200):
                self.count += 1
                icon.icon = icon_art(IconState.LIVE, core_label=LABELS[number % 3])
                icon.title = f"storm {which} {number}"
                icon.update_menu()

        before, start = resident_mib(), time.monotonic()
        threads = [threading.Thread(target=blow, args=(which,)) for which in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.count = 600
        icon.title = "calm"
        icon.update_menu()
        self.log("storm", seconds=time.monotonic() - start, before=before, after=resident_mib())


def main(log: Path, modes: list[str]) -> None:
    """Run the app until it is told to quit; a lost bus is one line on stderr and exit code 1."""
    demo = Demo(log)
    art = icon_art(IconState.LIVE, core_label="Build", color=next((mode for mode in modes if mode[0] == "#"), None))
    icon = SniIcon("demo", art, "Build 87 %\nsince 14:05", demo.menu())

    def set_up(icon: Any) -> None:
        icon.visible = True
        demo.log("ready", registered=icon.registered.wait(2), host=icon.host_available(), mib=resident_mib())
        if "storm" in modes:
            demo.storm(icon)

    signal.signal(signal.SIGTERM, lambda *_: icon.stop())
    try:
        if "detached" in modes:
            icon.run_detached(set_up)
            demo.log("main is free")
            icon.join()
        else:
            icon.run(set_up)
    except ConnectionError as error:
        sys.exit(f"lost: {error}")
    demo.log("exited", threads=[thread.name for thread in threading.enumerate()], mib=resident_mib())


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
