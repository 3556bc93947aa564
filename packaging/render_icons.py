"""Renders `assets/icons/*.svg` to `assets/masks.png`: what the program tints and puts over one another.

`app.svg` also becomes `assets/app.png`, in its own colours.

Every icon is a row of the sheet, every `Layer` a column, a tile 256 by 256 pixels of grey: how much of a pixel the
layer covers. A drawing is 24 by 24 units; the `class` of an element says its layer:

- `paper` white ground under the body, `body` takes the label's colour or the neutral one, `cut` is taken out of the
  bodies before it, `ink` is drawn over the body in the colour that contrasts with it, `letter` is the box the letter
  is fitted into.

resvg draws; the rims around a silhouette are the silhouette, shifted along a circle.
"""

from __future__ import annotations

import io
import math
import sys
from pathlib import Path
from typing import Final

import resvg_py
from PIL import Image, ImageChops

from taskclf_tray.ui.icon_drawing import ICONS, TILE, Layer

ROOT: Final = Path(__file__).resolve().parents[1]
ICON_FOLDER: Final = ROOT / "assets" / "icons"
SHEET: Final = ROOT / "assets" / "masks.png"
APP_PICTURE: Final = ROOT / "assets" / "app.png"
"""The program's own picture, beside its notifications."""
_APP_PIXELS: Final = 96
_UNIT: Final = TILE / 24
_RIM: Final = 0.9 * _UNIT
_OUTLINE: Final = 1.0 * _UNIT
_THIN_OUTLINE: Final = 0.6 * _UNIT
_HIDDEN: Final = ".paper, .body, .cut, .ink, .letter { fill: none; }"
_STYLES: Final = {
    Layer.PAPER: ".paper { fill: #fff; }",
    Layer.BODY: ".body { fill: #fff; } .cut { fill: #000; }",
    Layer.INK: ".ink { fill: #fff; } .body { fill: #000; }",  # a body over ink, as a dial's face over its ring
    Layer.LETTER: ".letter { fill: #fff; }",
}


def rendered() -> Image.Image:
    """The sheet, mode L."""
    sheet = Image.new("L", (len(Layer) * TILE, len(ICONS) * TILE))
    for row, name in enumerate(ICONS):
        for layer, mask in layers((ICON_FOLDER / f"{name}.svg").read_text(encoding="utf-8")).items():
            sheet.paste(mask, (list(Layer).index(layer) * TILE, row * TILE))
    return sheet


def layers(svg: str) -> dict[Layer, Image.Image]:
    """Where each layer of a drawing is."""
    found = {layer: _mask(svg, style) for layer, style in _STYLES.items()}
    silhouette = ImageChops.lighter(found[Layer.PAPER], found[Layer.BODY])
    found[Layer.RIM] = grown(silhouette, _RIM)
    found[Layer.RIM_OUTLINE] = grown(found[Layer.RIM], _OUTLINE)
    found[Layer.OUTLINE] = grown(silhouette, _OUTLINE)
    found[Layer.THIN_OUTLINE] = grown(silhouette, _THIN_OUTLINE)
    return found


def _mask(svg: str, style: str) -> Image.Image:
    png = resvg_py.svg_to_bytes(
        svg_string=svg, style_sheet=f"{_HIDDEN} {style}", width=TILE, background="#000", skip_system_fonts=True
    )
    return Image.open(io.BytesIO(png)).convert("L")


def app_picture() -> bytes:
    """`app.svg` in its own colours, as PNG."""
    svg = (ICON_FOLDER / "app.svg").read_text(encoding="utf-8")
    return bytes(resvg_py.svg_to_bytes(svg_string=svg, width=_APP_PIXELS, skip_system_fonts=True))


def grown(mask: Image.Image, radius: float) -> Image.Image:
    """The mask, wider by `radius` pixels all around."""
    wide = mask
    for step in range(48):
        angle = math.tau * step / 48
        moved = Image.new("L", mask.size)
        moved.paste(mask, (round(radius * math.cos(angle)), round(radius * math.sin(angle))))
        wide = ImageChops.lighter(wide, moved)
    return wide


def main() -> int:
    """Write the sheet; with `--check`, say whether it is the one of the drawings."""
    sheet = rendered()
    if sys.argv[1:] == ["--check"]:
        return int(sheet.tobytes() != Image.open(SHEET).tobytes())
    sheet.save(SHEET, optimize=True)
    APP_PICTURE.write_bytes(app_picture())
    return 0


if __name__ == "__main__":
    sys.exit(main())
