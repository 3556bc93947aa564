"""The icon itself, served as org.kde.StatusNotifierItem (freedesktop.org's StatusNotifierItem specification)."""
# no `from __future__ import annotations`: dbus-fast reads the annotations as D-Bus signatures

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Final, Protocol, runtime_checkable

from dbus_fast import PropertyAccess
from dbus_fast.annotations import DBusBool, DBusInt32, DBusObjectPath, DBusSignature, DBusStr, DBusUInt32
from dbus_fast.service import ServiceInterface, dbus_method, dbus_property, dbus_signal
from PIL.Image import Image, merge

from taskclf_tray.core.plain_text import plain_text
from taskclf_tray.notify.base import escape_markup
from taskclf_tray.ui.sni.watcher import ITEM

PIXMAP_SIZES: Final = (16, 22, 24, 32, 48)
"""Sizes of common panels: each is drawn for itself, so no panel has to scale."""
TITLE_LIMIT: Final = 120
TEXT_LIMIT: Final = 300
LABEL_LIMIT: Final = 24
FILE_SIZE: Final = 48
MENU_PATH: Final = "/MenuBar"

_READ: Final = PropertyAccess.READ
_Label = Annotated[list[str], DBusSignature("ss")]
_Pixmaps = Annotated[list[Any], DBusSignature("a(iiay)")]
_ToolTip = Annotated[list[Any], DBusSignature("(sa(iiay)ss)")]


@runtime_checkable
class SizedPicture(Protocol):
    """A picture that is drawn for each size instead of being scaled."""

    def at(self, size: int) -> Image:
        """The picture, `size` by `size` pixels."""


def pixmaps(picture: Any) -> list[Any]:
    """[width, height, bytes] per size of `PIXMAP_SIZES`: ARGB32 in network byte order, alpha not multiplied in."""
    drawn = []
    for size in PIXMAP_SIZES:
        image = picture.at(size) if isinstance(picture, SizedPicture) else _scaled(picture, size)
        drawn.append([size, size, argb(image)])
    return drawn


def _scaled(image: Image, size: int) -> Image:
    return image if image.size == (size, size) else image.convert("RGBA").resize((size, size))


def argb(image: Image) -> bytes:
    """The pixels as A, R, G, B bytes, row by row."""
    red, green, blue, alpha = image.convert("RGBA").split()
    return merge("RGBA", (alpha, red, green, blue)).tobytes()


class PictureFiles:
    """Writes pictures as PNG files into a private folder, for a host that takes an icon by its file alone.

    Each picture has a name of its own, since hosts keep what they have read under a name; the one before it stays for
    a host that is just reading it.
    """

    def __init__(self, parent: str | None) -> None:
        """`parent`: the folder for the private one; None: the system's temporary folder."""
        self._folder = Path(tempfile.mkdtemp(prefix="taskclf-tray-", dir=parent))
        self._count = 0

    def write(self, picture: Any) -> str:
        """Write a picture and return the absolute path. Raises OSError."""
        self._count += 1
        path = self._folder / f"{self._count}.png"
        image = picture.at(FILE_SIZE) if isinstance(picture, SizedPicture) else _scaled(picture, FILE_SIZE)
        image.save(path)
        (self._folder / f"{self._count - 2}.png").unlink(missing_ok=True)
        return str(path)

    def remove(self) -> None:
        """Remove the folder with all pictures."""
        shutil.rmtree(self._folder, ignore_errors=True)


class StatusNotifierItem(ServiceInterface):
    """The exported icon; each setter tells the panel only what is new.

    `has_wide_tip`: the text of the tooltip stands in its title too, for LXQt, which shows nothing else of it.
    """

    def __init__(self, ident: str, activate: Callable[[], None], *, has_wide_tip: bool = False) -> None:
        super().__init__(ITEM)
        self._ident = plain_text(ident, TITLE_LIMIT)
        self._activate = activate
        self._has_wide_tip = has_wide_tip
        self._title = ""
        self._text = ""
        self._label = ""
        self._is_shown = False
        self._picture: Any = None
        self._pixmaps: list[Any] = []
        self._files: PictureFiles | None = None
        self._file = ""

    def draw(self, picture: Any) -> None:
        """Show another picture: a PIL image, or a `SizedPicture`; None shows nothing."""
        self._picture = picture
        drawn = [] if picture is None else pixmaps(picture)
        if drawn != self._pixmaps:
            self._pixmaps = drawn
            self._write_file()
            self.new_icon()

    def use_files(self, files: PictureFiles | None) -> None:
        """Name a file of the picture as well, or no longer."""
        if files is not self._files:
            self._files = files
            self._write_file()

    def _write_file(self) -> None:
        self._file = "" if self._files is None or self._picture is None else self._files.write(self._picture)

    def tell(self, title: str, label: str = "") -> None:
        """Show another title, and `label` as text in the panel; lines after the first are the tooltip's text."""
        head, _, rest = title.partition("\n")
        said = plain_text(head, TITLE_LIMIT), plain_text(rest, TEXT_LIMIT, multiline=True)
        if said != (self._title, self._text):
            self._title, self._text = said
            self.new_title()
            self.new_tool_tip()
        shown = plain_text(label, LABEL_LIMIT)
        if shown != self._label:
            self._label = shown
            self.new_label(shown, shown)

    def show(self, is_shown: bool) -> None:
        """Ask the panel to show or to hide the icon."""
        if is_shown != self._is_shown:
            self._is_shown = is_shown
            self.new_status(self._status())

    def _status(self) -> str:
        return "Active" if self._is_shown else "Passive"

    @dbus_property(access=_READ, name="Category")
    def category(self) -> DBusStr:
        """What kind of icon this is."""
        return "ApplicationStatus"

    @dbus_property(access=_READ, name="Id")
    def ident(self) -> DBusStr:
        """The same in every session: panels remember the icon's place by it."""
        return self._ident

    @dbus_property(access=_READ, name="Title")
    def title(self) -> DBusStr:
        """One line about the icon."""
        return self._title

    @dbus_property(access=_READ, name="Status")
    def status(self) -> DBusStr:
        """`Active` shows the icon, `Passive` lets the panel hide it."""
        return self._status()

    @dbus_property(access=_READ, name="WindowId")
    def window_id(self) -> DBusInt32:
        """The window the icon stands for: none."""
        return 0

    @dbus_property(access=_READ, name="IconName")
    def icon_name(self) -> DBusStr:
        """The file of the picture for a host that ignores `IconPixmap`; else empty."""
        return self._file

    @dbus_property(access=_READ, name="IconAccessibleDesc")
    def icon_accessible_desc(self) -> DBusStr:
        """What a screen reader says: the title."""
        return self._title

    @dbus_property(access=_READ, name="XAyatanaLabel")
    def label(self) -> DBusStr:
        """Text beside the icon, an extension of libayatana-appindicator; empty: none."""
        return self._label

    @dbus_property(access=_READ, name="XAyatanaLabelGuide")
    def label_guide(self) -> DBusStr:
        """The text for whose width the panel keeps room."""
        return self._label

    @dbus_property(access=_READ, name="IconPixmap")
    def icon_pixmap(self) -> _Pixmaps:
        """The picture in all sizes."""
        return self._pixmaps

    @dbus_property(access=_READ, name="OverlayIconName")
    def overlay_icon_name(self) -> DBusStr:
        """No overlay."""
        return ""

    @dbus_property(access=_READ, name="AttentionIconName")
    def attention_icon_name(self) -> DBusStr:
        """Attention is drawn into the picture."""
        return ""

    @dbus_property(access=_READ, name="ToolTip")
    def tool_tip(self) -> _ToolTip:
        """Title and text; the specification reads markup in the text, so it is escaped."""
        text = escape_markup(self._text)
        return ["", [], f"{self._title}\n{self._text}" if self._has_wide_tip and text else self._title, text]

    @dbus_property(access=_READ, name="ItemIsMenu")
    def item_is_menu(self) -> DBusBool:
        """Whether a left click should open the menu: no, it does the default action."""
        return False

    @dbus_property(access=_READ, name="Menu")
    def menu(self) -> DBusObjectPath:
        """Where the menu is exported."""
        return MENU_PATH

    @dbus_method(name="Activate")
    def activate(self, x: DBusInt32, y: DBusInt32) -> None:  # noqa: ARG002
        """Left click."""
        self._activate()

    @dbus_method(name="SecondaryActivate")
    def secondary_activate(self, x: DBusInt32, y: DBusInt32) -> None:
        """Middle click: nothing, it is too easily done by accident."""

    @dbus_method(name="XAyatanaSecondaryActivate")
    def ayatana_secondary_activate(self, timestamp: DBusUInt32) -> None:
        """Middle click in panels that follow libayatana-appindicator: nothing either."""

    @dbus_method(name="ProvideXdgActivationToken")
    def provide_xdg_activation_token(self, token: DBusStr) -> None:
        """The right to raise a window on Wayland, which Plasma and GNOME give with a click: no window to raise."""

    @dbus_method(name="ContextMenu")
    def context_menu(self, x: DBusInt32, y: DBusInt32) -> None:
        """Right click on a panel that draws no menus itself: nothing to show."""

    @dbus_method(name="Scroll")
    def scroll(self, delta: DBusInt32, orientation: DBusStr) -> None:
        """The wheel does nothing."""

    @dbus_signal(name="NewIcon")
    def new_icon(self) -> None:
        """The picture changed."""

    @dbus_signal(name="NewTitle")
    def new_title(self) -> None:
        """The title changed."""

    @dbus_signal(name="NewToolTip")
    def new_tool_tip(self) -> None:
        """The tooltip changed."""

    @dbus_signal(name="XAyatanaNewLabel")
    def new_label(self, label: str, guide: str) -> _Label:
        """The text beside the icon changed."""
        return [label, guide]

    @dbus_signal(name="NewStatus")
    def new_status(self, status: str) -> DBusStr:
        """Shown or hidden."""
        return status
