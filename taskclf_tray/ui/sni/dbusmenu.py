"""A pystray menu served as com.canonical.dbusmenu (version 3, as libdbusmenu documents it in dbus-menu.xml)."""
# no `from __future__ import annotations`: dbus-fast reads the annotations as D-Bus signatures

import asyncio
import logging
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, field
from typing import Annotated, Any, Final

from dbus_fast import DBusError, ErrorType, PropertyAccess, Variant
from dbus_fast.annotations import (
    DBusBool,
    DBusInt32,
    DBusSignature,
    DBusStr,
    DBusUInt32,
    DBusVariant,
)
from dbus_fast.service import ServiceInterface, dbus_method, dbus_property, dbus_signal

from taskclf_tray.core.plain_text import plain_text
from taskclf_tray.ui.icon import ring_png, swatch_png
from taskclf_tray.ui.sni.base import KeyedItem, Menu

log = logging.getLogger(__name__)

_DRAWN_DOT: Final = "● "
LABEL_LIMIT: Final = 100
_ROOT_ID: Final = 0
_SHOWN_SECONDS: Final = 30.0
_OPENED_SECONDS: Final = 600.0
"""How long a menu counts as open: after `AboutToShow`, and after `opened`, whose `closed` may never come."""

Properties = dict[str, Variant]
_Path = tuple[Hashable, ...]
_Strings = Annotated[list[str], DBusSignature("as")]
_Int32s = Annotated[list[int], DBusSignature("ai")]
_Layout = Annotated[list[Any], DBusSignature("u(ia{sv}av)")]
_Group = Annotated[list[Any], DBusSignature("a(ia{sv})")]
_Events = Annotated[list[Any], DBusSignature("a(isvu)")]
_TwoInt32s = Annotated[list[Any], DBusSignature("aiai")]
_LayoutSignal = Annotated[list[int], DBusSignature("ui")]
_UpdateSignal = Annotated[list[Any], DBusSignature("a(ia{sv})a(ias)")]


@dataclass(slots=True)
class Node:
    """One entry as last told to the panel. The root is entry 0 and has no item."""

    id: int
    item: Any
    properties: Properties
    children: "list[Node]" = field(default_factory=list)

    def walk(self) -> "Iterator[Node]":
        """This node and all below it."""
        yield self
        for child in self.children:
            yield from child.walk()

    def overlaid(self, newer: "dict[int, Node]") -> "Node":
        """The same entries in the same places, each as it is in `newer` where it is there."""
        now = newer.get(self.id, self)
        return Node(self.id, now.item, now.properties, [child.overlaid(newer) for child in self.children])

    def shape(self) -> list[Any]:
        """Ids and nesting only: what `LayoutUpdated` is about."""
        return [self.id, [child.shape() for child in self.children]]

    def wire(self, depth: int, names: list[str]) -> list[Any]:
        """As GetLayout answers it, down to `depth` levels (-1: all) with the properties in `names` (none: all)."""
        children = [Variant("(ia{sv}av)", child.wire(depth - 1, names)) for child in self.children] if depth else []
        return [self.id, chosen(self.properties, names), children]


def chosen(properties: Properties, names: list[str]) -> Properties:
    """The properties asked for; an empty list asks for all."""
    return {name: value for name, value in properties.items() if not names or name in names}


class MenuTree:
    """Turns a pystray menu into nodes whose ids stay with their entries and are never given to another one.

    An entry is known by the path of keys from the root: its `key`, else its place among *all* its siblings, so that
    hiding one does not renumber the others.
    """

    def __init__(self) -> None:
        self._ids: dict[_Path, int] = {}

    def build(self, menu: Any) -> Node:
        """Evaluate every callable of the menu, once."""
        return Node(_ROOT_ID, None, {"children-display": Variant("s", "submenu")}, self._children(menu, ()))

    def _children(self, menu: Any, path: _Path) -> list[Node]:
        if menu is None:
            return []
        items = tuple(menu.items)
        places = {id(item): place for place, item in enumerate(items)}
        last: Hashable = None
        seen: set[_Path] = set()
        nodes = []
        for item in Menu(*items):  # drops what is hidden and needless separators
            if item is Menu.SEPARATOR:
                key: _Path = (*path, ("separator after", last))
            else:
                last = getattr(item, "key", places[id(item)])
                key = (*path, last)
            while key in seen:  # two siblings with one key still are two entries
                key = (*path, ("again", key[-1]))
            seen.add(key)
            ident = self._ids.setdefault(key, len(self._ids) + 1)
            nodes.append(Node(ident, item, entry_properties(item), self._children(item.submenu, key)))
        return nodes


def entry_properties(item: Any) -> Properties:
    """What the panel draws for one entry; `_` would mark an access key, so it is doubled."""
    if item is Menu.SEPARATOR:
        return {"type": Variant("s", "separator")}
    label = plain_text(str(item.text), LABEL_LIMIT).replace("_", "__")
    properties = {"label": Variant("s", label), "enabled": Variant("b", bool(item.enabled))}
    checked = item.checked
    if checked is not None:
        properties["toggle-type"] = Variant("s", "radio" if item.radio else "checkmark")
        properties["toggle-state"] = Variant("i", int(bool(checked)))
    if item.submenu is not None:
        properties["children-display"] = Variant("s", "submenu")
    if isinstance(item, KeyedItem) and item.swatch is not None:
        color = item.swatch()
        # always a picture, for GNOME's extension goes on drawing one that is taken away
        properties["icon-data"] = Variant("ay", ring_png() if color is None else swatch_png(color))
        properties["label"] = Variant("s", label.removeprefix(_DRAWN_DOT))
    return properties


class DBusMenu(ServiceInterface):
    """The exported menu. `clicked` is called with the pystray item, from the bus's thread.

    While the menu is open its entries change their texts and marks only. Entries come and go once it is closed, so that
    nothing moves under the pointer.
    """

    def __init__(self, clicked: Callable[[Any], None]) -> None:
        super().__init__("com.canonical.dbusmenu")
        self._clicked = clicked
        self._tree = MenuTree()
        self._root = self._tree.build(None)
        self._nodes = {_ROOT_ID: self._root}
        self._revision = 0
        self._is_broken = False
        self._menu: Any = None
        self._end_of_open: asyncio.TimerHandle | None = None

    def load(self, menu: Any) -> None:
        """Evaluate the menu and tell the panel what differs; a menu that raises leaves the last good one."""
        self._menu = menu
        try:
            root = self._tree.build(menu)
        except Exception:  # whatever the callables of the menu raise
            if not self._is_broken:
                log.exception("the menu cannot be built; the last one stays")
            self._is_broken = True
            return
        self._is_broken = False
        before, old = self._root.shape(), self._nodes
        if self._end_of_open is not None:
            root = self._root.overlaid({node.id: node for node in root.walk()})
        self._root, self._nodes = root, {node.id: node for node in root.walk()}
        changed, removed = differences(old, self._nodes)
        if changed or removed:
            self.items_properties_updated(changed, removed)
        if root.shape() != before:
            self._revision += 1
            self.layout_updated(self._revision, _ROOT_ID)

    def _opened(self, seconds: float) -> None:
        """Let the menu count as open from now on."""
        if self._end_of_open is not None:
            self._end_of_open.cancel()
        self._end_of_open = asyncio.get_running_loop().call_later(seconds, self._closed)

    def _closed(self) -> None:
        """Show the entries that came or went meanwhile."""
        if self._end_of_open is not None:
            self._end_of_open.cancel()
            self._end_of_open = None
            self.load(self._menu)

    def _event(self, ident: int, kind: str) -> bool:
        """Whether the entry exists. A click on a disabled entry or one that only opens a submenu does nothing."""
        node = self._nodes.get(ident)
        if node is None:
            return False
        if ident == _ROOT_ID and kind == "opened":
            self._opened(_OPENED_SECONDS)
        elif ident == _ROOT_ID and kind == "closed":
            self._closed()
        enabled = node.properties.get("enabled")
        if kind == "clicked" and not node.children and enabled is not None and enabled.value:
            self._clicked(node.item)
        return True

    def _known(self, ident: int) -> Node:
        node = self._nodes.get(ident)
        if node is None:
            raise DBusError(ErrorType.INVALID_ARGS, f"no menu entry {ident}")
        return node

    @dbus_property(access=PropertyAccess.READ, name="Version")
    def version(self) -> DBusUInt32:
        """The protocol's version."""
        return 3

    @dbus_property(access=PropertyAccess.READ, name="Status")
    def status(self) -> DBusStr:
        """`normal`, or `notice` when the panel should draw attention to the menu."""
        return "normal"

    @dbus_property(access=PropertyAccess.READ, name="TextDirection")
    def text_direction(self) -> DBusStr:
        """The direction of the texts."""
        return "ltr"

    @dbus_property(access=PropertyAccess.READ, name="IconThemePath")
    def icon_theme_path(self) -> _Strings:
        """Where the icons of entries are; ours have none."""
        return []

    @dbus_method(name="GetLayout")
    def get_layout(self, parent: DBusInt32, depth: DBusInt32, names: _Strings) -> _Layout:
        """The revision and the entries below `parent`."""
        return [self._revision, self._known(parent).wire(depth, names)]

    @dbus_method(name="GetGroupProperties")
    def get_group_properties(self, idents: _Int32s, names: _Strings) -> _Group:
        """The properties of several entries; unknown ones are left out, none named means all."""
        nodes = [self._nodes[ident] for ident in idents or self._nodes if ident in self._nodes]
        return [[node.id, chosen(node.properties, names)] for node in nodes]

    @dbus_method(name="GetProperty")
    def get_property(self, ident: DBusInt32, name: DBusStr) -> DBusVariant:
        """One property of one entry."""
        value = self._known(ident).properties.get(name)
        if value is None:
            raise DBusError(ErrorType.INVALID_ARGS, f"menu entry {ident} has no such property")
        return value

    @dbus_method(name="Event")
    def event(self, ident: DBusInt32, kind: DBusStr, data: DBusVariant, timestamp: DBusUInt32) -> None:  # noqa: ARG002
        """The person clicked, hovered, opened or closed. A stale id is no error: the entry just went away."""
        self._event(ident, kind)

    @dbus_method(name="EventGroup")
    def event_group(self, events: _Events) -> _Int32s:
        """Several events at once; answers the ids that do not exist."""
        return [event[0] for event in events if not self._event(event[0], event[1])]

    @dbus_method(name="AboutToShow")
    def about_to_show(self, ident: DBusInt32) -> DBusBool:
        """Whether the panel must ask for the entries again: when some came or went since the menu was last opened."""
        if ident != _ROOT_ID:
            return False
        revision = self._revision
        self._closed()
        self._opened(_SHOWN_SECONDS)
        return self._revision != revision

    @dbus_method(name="AboutToShowGroup")
    def about_to_show_group(self, idents: _Int32s) -> _TwoInt32s:
        """The same for several; answers those that need an update and those that do not exist."""
        return [[], [ident for ident in idents if ident not in self._nodes]]

    @dbus_signal(name="LayoutUpdated")
    def layout_updated(self, revision: int, parent: int) -> _LayoutSignal:
        """Entries came or went below `parent`."""
        return [revision, parent]

    @dbus_signal(name="ItemsPropertiesUpdated")
    def items_properties_updated(self, changed: list[Any], removed: list[Any]) -> _UpdateSignal:
        """Entries look different; an open menu stays open."""
        return [changed, removed]


def differences(old: dict[int, Node], new: dict[int, Node]) -> tuple[list[Any], list[Any]]:
    """([id, changed or added properties], [id, names of removed properties]) of the entries in both."""
    changed, removed = [], []
    for ident in new.keys() & old.keys():
        before, after = old[ident].properties, new[ident].properties
        if fresh := {name: value for name, value in after.items() if before.get(name) != value}:
            changed.append([ident, fresh])
        if gone := sorted(before.keys() - after.keys()):
            removed.append([ident, gone])
    return sorted(changed, key=lambda entry: entry[0]), sorted(removed, key=lambda entry: entry[0])
