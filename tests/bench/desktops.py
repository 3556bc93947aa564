"""Every real desktop that is installed, one after another: `make desktops`, a table as JSON and as Markdown.

What a row says was seen on a virtual screen: in the list of the panel's watcher, in screenshots, and in the log of a
small app whose icon a real mouse clicks.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from taskclf_tray.ui.icon_drawing import parse_color
from tests.support.desktop import XFCE, Desktop, Recipe, bare_desktop, panel_of
from tests.support.processes import ROOT, python_child, ready_child, wait_until
from tests.support.real_desktops import BUSY_LOOPS, CINNAMON, GNOME, KDE, LXQT, MATE, STARTS, SWAY, busy_loops
from tests.support.sni_driver import TrayClient
from tests.support.sni_many import COLOR

RECIPES = (XFCE, GNOME, KDE, MATE, LXQT, CINNAMON, SWAY)
SECONDS = 4.0
"""How long something may take to be seen, on an idle machine."""
ASIDE = (300, 280)
HIGHLIGHT = 24
"""Pixels around the middle of an icon that a panel may colour under the mouse."""
BEGIN, END = "<!-- desktops -->", "<!-- /desktops -->"
COLUMNS = {
    "is_late_panel_enough": "icon comes with a panel that starts later",
    "starts_kept": "icons kept",
    "pictures": "icons drawn",
    "has_icon_after_restart": "comes back after a restart of the panel",
    "has_tooltip": "tooltip",
    "has_label_text": "label as text",
    "left_click": "left click",
    "right_click": "right click",
}


@dataclass
class Seen:
    """What was seen on one desktop; None where the run did not get that far."""

    desktop: str
    versions: dict[str, str]
    is_late_panel_enough: bool | None = None
    starts_kept: int | None = None
    pictures: int | None = None
    has_icon_after_restart: bool | None = None
    has_tooltip: bool | None = None
    has_label_text: bool | None = None
    left_click: str | None = None
    right_click: str | None = None
    problem: str = ""
    seconds: float = field(default=0.0)


def pixels(screen: Path) -> np.ndarray:
    """The picture as numbers, row by row."""
    with Image.open(screen) as picture:
        return np.asarray(picture.convert("RGB")).astype(int)


def near(screen: np.ndarray, color: str) -> np.ndarray:
    """Where a screen has about this colour."""
    return (np.abs(screen - np.array(parse_color(color))) < 60).all(axis=2)


def blobs(marked: np.ndarray) -> int:
    """How many places side by side or one below another are marked, in whatever rows the panel draws them."""
    rows = np.flatnonzero(np.diff(np.concatenate(([0], marked.any(axis=1).astype(int)))) == 1)
    found = 0
    for top in rows:
        height = 0
        while top + height < len(marked) and marked[top + height].any():
            height += 1
        edges = np.flatnonzero(np.diff(marked[top : top + height].any(axis=0).astype(int), prepend=0) == 1)
        found += int(1 + (np.diff(edges) > 8).sum()) if edges.size and height > 6 else 0
    return found


class Visit:
    """One desktop, while it runs, and what has been seen of it."""

    def __init__(self, recipe: Recipe, folder: Path, pictures: Path) -> None:
        self.recipe, self.folder, self.pictures = recipe, folder, pictures
        self.seen = Seen(recipe.name, versions_of(recipe.packages))

    def run(self) -> Seen:
        """Look at everything; what breaks is a sentence in the result."""
        began = time.monotonic()
        try:
            with bare_desktop(self.folder / "home", self.recipe) as desk:
                self._late_panel(desk)
                with panel_of(desk, self.recipe):
                    self._starts(desk)
                self._small_app(desk)
        except Exception as error:  # noqa: BLE001 - the next desktop is still to be looked at
            self.seen.problem = f"{type(error).__name__}: {error}".splitlines()[0][:200]
        self.seen.seconds = round(time.monotonic() - began, 1)
        return self.seen

    def _shot(self, desk: Desktop, name: str) -> np.ndarray:
        path = self.pictures / f"{self.recipe.name.split()[0].lower()}-{name}.png"
        return pixels(desk.screenshot(path))

    def _late_panel(self, desk: Desktop) -> None:
        """The whole app, which starts before there is a panel."""
        env = desk.env | {"TASKCLF_HOME": str(self.folder / "taskclf")}
        log = self.folder / "taskclf/tray/tray.log"
        with python_child("taskclf_tray", ["demo", "--speed", "60"], env) as app:
            wait_until(lambda: log.exists() and "tray icon" in log.read_text(), "the app, which finds no panel")
            with panel_of(desk, self.recipe), TrayClient(desk.env) as tray:
                wait_until(lambda: "%" in str(tray.props()["Title"]), "a live label", 15)
                self.seen.is_late_panel_enough = True
                time.sleep(1)
                self._shot(desk, "app")
                tray.click("Quit")
                app.wait(120)

    def _starts(self, desk: Desktop) -> None:
        """Twenty icons beside busy loops."""
        with (
            busy_loops(BUSY_LOOPS),
            ready_child("tests.support.sni_many", [str(STARTS)], desk.env),
            TrayClient(desk.env) as tray,
        ):

            def drawn() -> bool:
                self.seen.starts_kept = len(tray.items())
                self.seen.pictures = blobs(near(self._shot(desk, "twenty"), COLOR))
                return self.seen.pictures == self.seen.starts_kept == STARTS

            with contextlib.suppress(AssertionError):
                wait_until(drawn, "twenty icons", SECONDS)

    def _small_app(self, desk: Desktop) -> None:
        """An app with one icon, under a mouse."""
        log = self.folder / "demo.jsonl"

        def logged(event: str) -> bool:
            return any(json.loads(line)["event"] == event for line in log.read_text().splitlines())

        def icon() -> tuple[int, int] | None:
            places = np.argwhere(near(self._shot(desk, "icon"), COLOR))
            return None if len(places) < 20 else (int(places[:, 1].mean()), int(places[:, 0].mean()))

        with python_child("tests.support.sni_demo", [str(log), COLOR], desk.env):
            with panel_of(desk, self.recipe):
                wait_until(icon, "the icon", 10)
            with panel_of(desk, self.recipe), TrayClient(desk.env) as tray:
                x, y = wait_until(icon, "the icon after a restart", 10)
                self.seen.has_icon_after_restart = True
                desk.point(*ASIDE)
                self._label_text(desk, tray)
                x, y = wait_until(icon, "the icon")
                self.seen.has_tooltip = self._changes(desk, (x, y), "tooltip", lambda: desk.point(x, y))
                is_menu = self._changes(desk, (x, y), "left", lambda: desk.click(x, y))
                self.seen.left_click = "action" if logged("default") else "menu" if is_menu else "nothing"
                desk.keys("Escape")
                desk.point(*ASIDE)
                time.sleep(1)
                is_menu = self._changes(desk, (x, y), "right", lambda: desk.click(x, y, button=3))
                self.seen.right_click = "menu" if is_menu else "nothing"
                desk.keys("Escape")

    def _label_text(self, desk: Desktop, tray: TrayClient) -> None:
        """The width of what the panel draws, with the label and without."""
        time.sleep(1)
        before = self._shot(desk, "label-off")
        tray.click("Paused")
        time.sleep(SECONDS)
        after = self._shot(desk, "label-on")
        self.seen.has_label_text = changed(before, after) > 40
        tray.click("Paused")
        time.sleep(1)

    def _changes(self, desk: Desktop, icon: tuple[int, int], name: str, act: Callable[[], None]) -> bool:
        """Whether something appears around the icon after something was done."""
        before = self._shot(desk, name)
        act()

        def appears() -> bool:
            return changed(before, self._shot(desk, name), icon) > 300

        with contextlib.suppress(AssertionError):
            wait_until(appears, name, SECONDS / 4)
        return appears()


def changed(before: np.ndarray, after: np.ndarray, around: tuple[int, int] | None = None) -> int:
    """How many pixels differ plainly, not counting a square around one place, which may only be highlighted."""
    differs = np.abs(before - after).sum(axis=2) > 60
    if around is not None:
        x, y = around
        differs[max(0, y - HIGHLIGHT) : y + HIGHLIGHT, max(0, x - HIGHLIGHT) : x + HIGHLIGHT] = False
    return int(differs.sum())


def versions_of(packages: Sequence[str]) -> dict[str, str]:
    """Package to version, of Debian's packages."""
    query = ["dpkg-query", "--show", "--showformat", "${Package} ${Version}\n", *packages]
    answer = subprocess.run(query, capture_output=True, text=True, check=False).stdout
    return dict(line.split(" ", 1) for line in answer.splitlines())


def visited(recipes: Sequence[Recipe], pictures: Path) -> Iterator[Seen]:
    """One desktop after another; one that is not installed is a row that says so."""
    for recipe in recipes:
        absent = [words[0] for words in recipe.programs if shutil.which(words[0]) is None]
        if absent:
            missing = f"not installed here: {', '.join(absent)}"
            yield Seen(recipe.name, versions_of(recipe.packages), problem=missing)
            continue
        with tempfile.TemporaryDirectory(prefix="desktop-", ignore_cleanup_errors=True) as folder:
            yield Visit(recipe, Path(folder), pictures).run()


def table(results: Sequence[dict[str, Any]]) -> str:
    """The results as a Markdown table, one row a desktop."""
    lines = [["", *COLUMNS.values()], ["---"] * (len(COLUMNS) + 1)]
    for result in results:
        versions = ", ".join(f"{name} {version}" for name, version in result["versions"].items())
        lines.append([f"{result['desktop']} ({versions})", *(shown(name, result[name]) for name in COLUMNS)])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def shown(column: str, value: Any) -> str:
    """One cell."""
    if value is None:
        return "not seen"
    if column in ("starts_kept", "pictures"):
        return f"{value} of {STARTS}"
    return {True: "yes", False: "no"}.get(value, str(value)) if isinstance(value, bool) else str(value)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="the beginnings of names of desktops; without any all of them")
    parser.add_argument("--out", type=Path, default=ROOT / ".artefacts/desktops.json", help="the results as JSON")
    parser.add_argument("--packages", action="store_true", help="print the packages of all desktops, and do no more")
    parser.add_argument("--document", type=Path, help="a page whose table is made from the results")
    options = parser.parse_args()
    if options.packages:
        print(" ".join(package for recipe in RECIPES for package in recipe.packages))
        return
    names = [name.lower() for name in options.names]
    chosen = [recipe for recipe in RECIPES if not names or recipe.name.lower().startswith(tuple(names))]
    pictures = ROOT / ".artefacts/desktops"
    pictures.mkdir(parents=True, exist_ok=True)
    known = json.loads(options.out.read_text()) if options.out.exists() else []
    results = {result["desktop"]: result for result in known}
    for seen in visited(chosen, pictures):
        results[seen.desktop] = vars(seen)
        print(json.dumps(vars(seen)), flush=True)
        options.out.write_text(json.dumps(list(results.values()), indent=2) + "\n")
    print(table(list(results.values())))
    if options.document is not None:
        page = options.document.read_text(encoding="utf-8")
        head, _, rest = page.partition(BEGIN)
        tail = rest.partition(END)[2]
        options.document.write_text(
            f"{head}{BEGIN}\n\n{table(list(results.values()))}\n\n{END}{tail}", encoding="utf-8"
        )


if __name__ == "__main__":
    main()
