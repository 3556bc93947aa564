"""The art of the tray icon: the state by shape, the label by colour and letter.

Importing this file loads no imaging library: only the tray draws.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from types import ModuleType
from typing import TYPE_CHECKING

from taskclf_tray.app.snapshot import LABELLED_STATES, IconState
from taskclf_tray.core.types import LABEL_LOOKS, CoreLabel

if TYPE_CHECKING:
    from PIL.Image import Image


@dataclass(frozen=True, slots=True)
class IconArt:
    """A tray picture as a value: equal arts look equal, so the tray redraws only when this changes.

    `color` is `#rrggbb`; `dark` says whether the panel is dark, None when that is unknown.
    """

    state: IconState
    letter: str | None = None
    color: str | None = None
    dark: bool | None = None

    def at(self, size: int) -> Image:
        """Draw it, `size` by `size` pixels, RGBA."""
        return draw_icon(self.state, letter=self.letter, color=self.color, size=size, dark=self.dark)


def icon_art(
    state: IconState, *, core_label: str | None = None, ui_label: str | None = None, color: str | None = None
) -> IconArt:
    """The art of a state and the label it shows.

    The core label gives letter and colour. A category (`ui_label`) gives its first letter instead, and `color` its
    colour. States that show no label ignore them.
    """
    if state not in LABELLED_STATES:
        return IconArt(state)
    look = LABEL_LOOKS[CoreLabel(core_label)] if core_label in set(CoreLabel) else None
    letter = None if look is None else look.letter
    if ui_label and ui_label != core_label:
        letter = next((character.upper()[0] for character in ui_label if character.isalnum()), letter)
    return IconArt(state, letter, color or (None if look is None else look.color))


def draw_icon(state: IconState, *, letter: str | None, color: str | None, size: int, dark: bool | None = None) -> Image:
    """Draw a state, `size` by `size` pixels (8 to 512), RGBA; equal arguments give equal bytes."""
    if state not in LABELLED_STATES:
        letter = color = None
    return _drawn(state, letter, color, size, dark).copy()


def draw_app_icon(size: int) -> Image:
    """Draw the program's own icon (launcher, installer, notification), `size` by `size` pixels, RGBA."""
    picture: Image = _drawing().draw_app(size)
    return picture


@lru_cache(maxsize=32)
def swatch_png(color: str) -> bytes:
    """Draw a dot of this colour (`#rrggbb`) as a PNG file of 16 by 16 pixels, for a menu entry."""
    png: bytes = _drawing().draw_swatch(color)
    return png


@lru_cache(maxsize=1)
def ring_png() -> bytes:
    """Draw a hollow ring of the same size, for an entry that has no colour now."""
    png: bytes = _drawing().draw_swatch(None)
    return png


@lru_cache(maxsize=64)  # a panel wants five sizes; a day shows few different arts at a time
def _drawn(state: IconState, letter: str | None, color: str | None, size: int, dark: bool | None) -> Image:
    picture: Image = _drawing().draw_state(state, letter, color, size, dark)
    return picture


def _drawing() -> ModuleType:
    # Pillow: 8 MiB that a program without an icon never needs
    from taskclf_tray.ui import icon_drawing

    return icon_drawing
