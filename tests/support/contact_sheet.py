"""Every icon on one sheet, to be looked at: `python -m tests.support.contact_sheet OUT.png`."""

from __future__ import annotations

import sys
from pathlib import Path

from PIL import Image, ImageDraw

from taskclf_tray.app.snapshot import IconState
from taskclf_tray.core.types import CoreLabel
from taskclf_tray.ui.icon import IconArt, draw_app_icon, icon_art

SIZES = (16, 22, 24, 32, 48, 64)
GROUNDS = ("#f2f2f2", "#25282c", "#3b6ea5")
CELL = 8


def arts() -> list[IconArt]:
    """All states, the labelled ones with every label."""
    plain = [icon_art(state) for state in IconState]
    return plain + [
        icon_art(state, core_label=label) for state in (IconState.LIVE, IconState.UNSURE) for label in CoreLabel
    ]


def strip(ground: str, *, grey: bool) -> Image.Image:
    """One row per size on one ground."""
    pictures = arts()
    width = (max(SIZES) + CELL) * (len(pictures) + 1)
    sheet = Image.new("RGB", (width, sum(size + CELL for size in SIZES)), ground)
    y = CELL // 2
    for size in SIZES:
        x = CELL // 2
        for drawn in [*(art.at(size) for art in pictures), draw_app_icon(size)]:
            sheet.paste(drawn, (x, y), drawn)
            x += size + CELL
        y += size + CELL
    return sheet.convert("L").convert("RGB") if grey else sheet


def contact_sheet() -> Image.Image:
    """The strips of all grounds, and the first two again in grey."""
    strips = [strip(ground, grey=False) for ground in GROUNDS] + [strip(ground, grey=True) for ground in GROUNDS[:2]]
    sheet = Image.new("RGB", (strips[0].width, sum(part.height for part in strips)))
    y = 0
    for part in strips:
        sheet.paste(part, (0, y))
        y += part.height
    ImageDraw.Draw(sheet).line((0, 0, sheet.width, 0), fill="black")
    return sheet


if __name__ == "__main__":
    contact_sheet().save(Path(sys.argv[1]))
