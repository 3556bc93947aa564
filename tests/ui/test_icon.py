"""The icon: told apart by shape in grey at 16 pixels, by colour for every eye, and the same every time."""

from __future__ import annotations

import io
import itertools
import subprocess
import sys
from collections.abc import Iterator

import numpy as np
import pytest
from PIL import Image

from taskclf_tray.app.snapshot import IconState
from taskclf_tray.core.types import LABEL_LOOKS, CoreLabel
from taskclf_tray.ui.icon import IconArt, draw_app_icon, draw_icon, icon_art
from taskclf_tray.ui.icon_drawing import (
    ICONS,
    TILE,
    Color,
    Layer,
    has_glyph,
    ink_on,
    luminance,
    mask_of,
    parse_color,
)
from tests.support.documents import ROOT, load

GROUNDS = ((242, 242, 242), (37, 40, 44))

# What dichromats see, on linear RGB: Machado, Oliveira and Fernandes, A Physiologically-based Model for Simulation of
# Color Vision Deficiency, IEEE TVCG 15 (2009), severity 1.0
EYES = {
    "normal": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "protan": ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)),
    "deutan": ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.011820, 0.042940, 0.968881)),
    "tritan": ((1.255528, -0.076749, -0.178779), (-0.078411, 0.930809, 0.147602), (0.004733, 0.691367, 0.303900)),
}


def grey(art: IconArt, size: int, ground: Color) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """The icon on a panel, as grey values 0 to 255."""
    sheet = Image.new("RGB", (size, size), ground)
    picture = art.at(size)
    sheet.paste(picture, (0, 0), picture)
    return np.asarray(sheet.convert("L"), dtype=np.float64)


def lab(color: Color, eye: str) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """CIE L*a*b* (D65) of a colour as that eye sees it."""
    part = np.asarray(color) / 255
    linear = np.where(part <= 0.04045, part / 12.92, ((part + 0.055) / 1.055) ** 2.4)
    seen = np.clip(np.asarray(EYES[eye]) @ linear, 0, 1)
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    xyz = to_xyz @ seen / np.array([0.9505, 1.0, 1.089])
    f = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def label_colors() -> dict[CoreLabel, Color]:
    colors = {label: parse_color(look.color) for label, look in LABEL_LOOKS.items()}
    return {label: color for label, color in colors.items() if color is not None}


@pytest.mark.parametrize("ground", GROUNDS)
def test_states_differ_by_shape_in_grey_at_16_pixels(ground: Color) -> None:
    arts = {state: icon_art(state, core_label="Build") for state in IconState}
    apart = {
        (one, other): float(np.abs(grey(arts[one], 16, ground) - grey(arts[other], 16, ground)).mean())
        for one, other in itertools.combinations(IconState, 2)
    }
    assert min(apart.values()) > 20, min(apart, key=apart.__getitem__)


@pytest.mark.parametrize("ground", [*GROUNDS, (59, 110, 165)])
@pytest.mark.parametrize("size", [16, 64])
def test_every_state_stands_out_from_the_panel(size: int, ground: Color) -> None:
    panel = np.full((size, size), float(np.asarray(Image.new("RGB", (1, 1), ground).convert("L"))[0, 0]))
    for state in IconState:
        strong = np.abs(grey(icon_art(state, core_label="Build"), size, ground) - panel) > 60
        assert strong.mean() > 0.06, state


@pytest.mark.parametrize("dark", [True, False])
def test_a_known_panel_gets_a_stronger_contrast(dark: bool) -> None:
    ground = GROUNDS[dark]
    panel = float(np.asarray(Image.new("RGB", (1, 1), ground).convert("L"))[0, 0])

    def contrast(known: bool | None) -> float:
        return float(np.abs(grey(IconArt(IconState.PAUSED, dark=known), 22, ground) - panel).mean())

    assert contrast(dark) > 1.3 * contrast(None)


def test_labels_have_their_own_letter_and_step_of_grey() -> None:
    assert set(LABEL_LOOKS) == set(CoreLabel)
    assert len({look.letter for look in LABEL_LOOKS.values()}) == 8
    steps = sorted(lab(color, "normal")[0] for color in label_colors().values())
    assert min(np.diff(steps)) > 5.5
    assert steps[-1] - steps[0] > 65


@pytest.mark.parametrize("eye", EYES)
def test_label_colors_stay_apart_for_every_eye(eye: str) -> None:
    seen = {label: lab(color, eye) for label, color in label_colors().items()}
    apart = {
        (one, other): float(np.linalg.norm(seen[one] - seen[other])) for one, other in itertools.combinations(seen, 2)
    }
    assert min(apart.values()) > 18, min(apart, key=apart.__getitem__)


def test_letters_can_be_read_on_their_color() -> None:
    for label, color in label_colors().items():
        light, dark = sorted((luminance(color), luminance(ink_on(color))), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 4.5, label


def test_the_same_arguments_give_the_same_bytes() -> None:
    code = (
        "import hashlib, taskclf_tray.ui.icon as i;"
        "print(hashlib.sha256(b''.join(i.icon_art(s, core_label=l).at(z).tobytes()"
        " for s in i.IconState for l in i.LABEL_LOOKS for z in (16, 22, 64))).hexdigest())"
    )

    def runs() -> Iterator[str]:
        for seed in ("0", "1"):
            env = {"PYTHONHASHSEED": seed}
            yield subprocess.run(
                [sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True
            ).stdout

    first, second = runs()
    assert first == second


def test_a_picture_can_be_changed_without_changing_the_next() -> None:
    art = icon_art(IconState.LIVE, core_label="Meet")
    art.at(16).paste((0, 0, 0, 0), (0, 0, 16, 16))
    assert art.at(16).getpixel((8, 2)) != (0, 0, 0, 0)


@pytest.mark.parametrize("size", [16, 22, 24, 32, 48, 64, 256])
def test_the_size_is_the_size(size: int) -> None:
    assert icon_art(IconState.AWAY).at(size).size == (size, size)
    assert draw_app_icon(size).size == (size, size)


def test_what_an_art_shows() -> None:
    paused = icon_art(IconState.PAUSED, core_label="Build", ui_label="Deep Work", color="#123456")
    assert paused == IconArt(IconState.PAUSED)
    assert icon_art(IconState.LIVE, core_label="Review") == IconArt(IconState.LIVE, "V", "#faf87d")
    named = icon_art(IconState.LIVE, core_label="Build", ui_label="«deep» work", color="#123456")
    assert named == IconArt(IconState.LIVE, "D", "#123456")
    assert icon_art(IconState.UNSURE) == IconArt(IconState.UNSURE)
    assert icon_art(IconState.LIVE, core_label="Mixed/Unknown", ui_label="ßa") == IconArt(IconState.LIVE, "S", None)


def test_letter_and_color_are_drawn() -> None:
    def tile(letter: str | None, color: str | None) -> bytes:
        return draw_icon(IconState.LIVE, letter=letter, color=color, size=22).tobytes()

    assert len({tile("B", "#0b52a8"), tile("D", "#0b52a8"), tile("B", "#cf3f12"), tile(None, "#0b52a8")}) == 4
    assert has_glyph("B")
    assert not has_glyph("字")
    assert tile("字", "#0b52a8") == tile(None, "#0b52a8"), "no box for a letter the font lacks"
    assert tile("B", "red; DROP") == tile("B", None)


def test_the_masks_are_those_of_the_drawings() -> None:
    """`packaging/render_icons.py` was run after the last change of a drawing; resvg rounds alike everywhere."""
    drawn = np.asarray(load("render_icons.py").rendered(), dtype=np.int16)
    kept = np.asarray(Image.open(ROOT / "assets" / "masks.png"), dtype=np.int16)
    assert drawn.shape == kept.shape == (len(ICONS) * TILE, len(Layer) * TILE)
    assert np.abs(drawn - kept).max() <= 1
    picture = Image.open(io.BytesIO(load("render_icons.py").app_picture()))
    kept_picture = Image.open(ROOT / "assets" / "app.png")
    assert np.abs(np.asarray(picture, dtype=np.int16) - np.asarray(kept_picture, dtype=np.int16)).max() <= 1
    assert {path.stem for path in (ROOT / "assets" / "icons").iterdir()} == set(ICONS)


def test_a_drawing_becomes_layers_to_the_pixel() -> None:
    svg = (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24"><rect class="ink" width="24" height="12"/>'
        '<rect class="body" x="6" y="6" width="12" height="12" fill="#123456"/>'
        '<rect class="cut" x="12" y="6" width="6" height="12"/>'
        '<rect class="letter" x="3" y="3" width="9" height="9"/></svg>'
    )
    found = load("render_icons.py").layers(svg)
    unit = TILE // 24
    assert found[Layer.BODY].getpixel((9 * unit, 9 * unit)) == 255
    assert found[Layer.BODY].getpixel((15 * unit, 9 * unit)) == 0, "cut out"
    assert found[Layer.INK].getpixel((2 * unit, 2 * unit)) == 255
    assert found[Layer.INK].getpixel((9 * unit, 9 * unit)) == 0, "the body lies over the ink before it"
    assert found[Layer.LETTER].getbbox() == (32, 32, 128, 128)
    assert found[Layer.PAPER].getbbox() is None
    widths = [box[2] - box[0] for box in (found[layer].getbbox() for layer in list(Layer)[4:]) if box is not None]
    assert [width / TILE * 24 for width in widths] == pytest.approx([7.8, 9.8, 8, 7.2], abs=0.15)


def test_every_icon_has_a_body_inside_its_outlines() -> None:
    for name in ICONS:
        masks = {layer: np.asarray(mask_of(name, layer), dtype=np.int16) for layer in Layer}
        assert masks[Layer.BODY].max() == 255, name
        for wider in (Layer.RIM, Layer.OUTLINE, Layer.THIN_OUTLINE):
            assert (masks[wider] >= masks[Layer.BODY]).all(), (name, wider)
        assert (masks[Layer.RIM_OUTLINE] >= masks[Layer.RIM]).all(), name


def test_the_states_load_no_imaging_library() -> None:
    code = "import sys, taskclf_tray.ui.icon; print(any(m.partition('.')[0] in ('PIL', 'numpy') for m in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
