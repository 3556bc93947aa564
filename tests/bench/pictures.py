"""Takes the picture of the README from the real app: xfce4-panel under Xvfb, the icon, the menu with Today, a question.

Run by hand after a change of icon, menu or question: `make pictures`. The person is simulated and the clock runs fast,
so no two pictures are alike; look at the new one before you commit it.
"""

from __future__ import annotations

import argparse
import contextlib
import tempfile
import time
from pathlib import Path

from PIL import Image
from Xlib.display import Display

from tests.support.demo_home import FAST, DemoHome, entry_with
from tests.support.desktop import Desktop, desktop
from tests.support.notifyd_desktop import NotifydHand, xfce_notifyd
from tests.support.processes import ROOT, python_child, wait_until
from tests.support.sni_driver import TrayClient

TARGET = ROOT / "docs" / "pictures" / "tray.png"
ICON = (14, 16)
BACKGROUND = 0x3B4252
ASIDE = (700, 350)
"""Where the mouse causes no tooltip."""
COLOURS = 128
UNFOLD_SECONDS = 1.0
LEAST_QUESTIONS = 2
"""By then some of the day is over, so that Today has something to show."""
_NOTICES = """<?xml version="1.0" encoding="UTF-8"?>
<channel name="xfce4-notifyd" version="1.0">
  <property name="notify-location" type="uint" value="3"/>
</channel>
"""
"""At the lower right, where the open menu does not cover them."""


def main() -> None:
    """Write the picture to `--out`."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=TARGET)
    out = parser.parse_args().out
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="taskclf-pictures-") as name:
        save(take(Path(name)), out)
    print(f"{out}: {out.stat().st_size / 1000:.0f} kB")


def take(folder: Path) -> Path:
    """A screenshot with the first question and the menu open at Today."""
    with contextlib.ExitStack() as running:
        desk = running.enter_context(desktop(folder / "desk"))
        settings = folder / "desk/.config/xfce4/xfconf/xfce-perchannel-xml/xfce4-notifyd.xml"
        settings.write_text(_NOTICES)
        hand = running.enter_context(xfce_notifyd(desk))
        paint_background(desk)
        home = DemoHome(folder / "home")
        env = desk.env | {"TASKCLF_HOME": str(folder / "home")}
        with python_child("taskclf_tray", FAST, env) as app, TrayClient(env) as tray:
            wait_until(lambda: entry_with(tray, "Label this as (since "), "a block", 60)
            wait_until(lambda: is_worth_a_picture(home, tray, hand), "a question and a label it is sure of", 600)
            desk.click(*ICON, button=3)
            desk.point(*ASIDE)
            time.sleep(UNFOLD_SECONDS)
            desk.keys(*["Down"] * steps_to(tray, "Today"), "Right")
            time.sleep(UNFOLD_SECONDS)
            picture = desk.screenshot(folder / "screen.png")
            desk.keys("Escape", "Escape")
            tray.click("Quit")
            app.wait(120)
    return picture


def is_worth_a_picture(home: DemoHome, tray: TrayClient, hand: NotifydHand) -> bool:
    """Whether a question is on the screen while the app is sure of the label."""
    return len(home.asks()) >= LEAST_QUESTIONS and " % since" in str(tray.props()["Title"]) and hand.sees_notice()


def paint_background(desk: Desktop) -> None:
    """One colour instead of the bare root window."""
    display = Display(desk.env["DISPLAY"])
    root = display.screen().root
    root.change_attributes(background_pixel=BACKGROUND)
    root.clear_area()
    display.sync()
    display.close()


def steps_to(tray: TrayClient, label: str) -> int:
    """How often Down is pressed until the entry is chosen: what cannot be clicked is passed over."""
    shown = [entry for depth, entry in tray.menu().walk() if depth == 0 and entry.label]
    labels = [entry.label for entry in shown if entry.properties.get("enabled", True)]
    return labels.index(label) + 1


def save(picture: Path, out: Path) -> None:
    """With few colours, so that the file is small."""
    with Image.open(picture) as image:
        image.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE).save(out, optimize=True)


if __name__ == "__main__":
    main()
