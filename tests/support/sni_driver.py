"""Drives a tray icon over D-Bus as a panel does, and a stub of the panel itself.

`python -m tests.support.sni_driver watch [ROLE …] | list | props | activate | click "Advanced/Edit Inference Policy"`
"""
# no `from __future__ import annotations`: dbus-fast reads the annotations as D-Bus signatures

import asyncio
import os
import sys
import time
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from dbus_fast import Message, MessageType, PropertyAccess, Variant
from dbus_fast.aio import MessageBus
from dbus_fast.annotations import DBusBool, DBusInt32, DBusSignature, DBusStr
from dbus_fast.service import ServiceInterface, dbus_method, dbus_property, dbus_signal

from taskclf_tray.ui.sni.watcher import PIXMAP_IGNORERS, connection_of
from tests.support.dbus_calls import DBusCallError, SyncClient, call, prop
from tests.support.processes import PATIENCE, wait_until

WATCHER = "org.kde.StatusNotifierWatcher"
WATCHER_PATH = "/StatusNotifierWatcher"
ITEM = "org.kde.StatusNotifierItem"
MENU = "com.canonical.dbusmenu"
_BUS = "org.freedesktop.DBus"
NO_HOST, DROPS_NAMES, IGNORES_PIXMAPS = ROLES = ("no-host", "drops-names", "ignores-pixmaps")
"""What the stub panel may lack: a panel that draws; a memory for items registered by name; an eye for pixels."""
Signals = list[tuple[str, list[Any]]]
"""(member, values) of each."""


class StubWatcher(ServiceInterface):
    """A panel that draws nothing and knows who registered.

    `drops_names`: it accepts items registered by bus name and forgets them without a word, as GNOME's extension does
    with some of them.
    """

    def __init__(self, *, has_host: bool = True, drops_names: bool = False) -> None:
        super().__init__(WATCHER)
        self.items: list[str] = []
        self.has_host = has_host
        self.drops_names = drops_names
        self.sender = ""

    def note_sender(self, message: Message) -> None:
        """Some libraries register with an object path alone: the bus name is the sender's."""
        if message.member == "RegisterStatusNotifierItem":
            self.sender = message.sender or ""

    @dbus_property(access=PropertyAccess.READ)
    def RegisteredStatusNotifierItems(self) -> Annotated[list[str], DBusSignature("as")]:
        return self.items

    @dbus_property(access=PropertyAccess.READ)
    def IsStatusNotifierHostRegistered(self) -> DBusBool:
        return self.has_host

    @dbus_property(access=PropertyAccess.READ)
    def ProtocolVersion(self) -> DBusInt32:
        return 0

    @dbus_method()
    def RegisterStatusNotifierItem(self, service: DBusStr) -> None:
        is_path = service.startswith("/")
        name = f"{self.sender}{service}" if is_path else service
        if name not in self.items and (is_path or not self.drops_names):
            self.items.append(name)
        self.StatusNotifierItemRegistered(name)

    @dbus_method()
    def DropAll(self, is_told: DBusBool) -> None:
        """Not in the specification: forget all items, and say so or not."""
        dropped, self.items[:] = list(self.items), []
        for name in dropped if is_told else ():
            self.StatusNotifierItemUnregistered(name)

    @dbus_method()
    def RegisterStatusNotifierHost(self, service: DBusStr) -> None:
        self.has_host = True
        self.StatusNotifierHostRegistered()

    @dbus_signal()
    def StatusNotifierItemRegistered(self, service: str) -> DBusStr:
        return service

    @dbus_signal()
    def StatusNotifierItemUnregistered(self, service: str) -> DBusStr:
        return service

    @dbus_signal()
    def StatusNotifierHostRegistered(self) -> None: ...


async def watch(address: str, roles: Container[str] = ()) -> None:
    """Be the panel until the bus goes away; prints a line once it is. `roles`: of `ROLES`."""
    bus = await MessageBus(bus_address=address).connect()
    watcher = StubWatcher(has_host=NO_HOST not in roles, drops_names=DROPS_NAMES in roles)
    bus.add_message_handler(watcher.note_sender)
    bus.export(WATCHER_PATH, watcher)
    if IGNORES_PIXMAPS in roles:  # on another connection, as the real one
        await (await MessageBus(bus_address=address).connect()).request_name(PIXMAP_IGNORERS[0])
    await bus.request_name(WATCHER)
    print("ready", flush=True)
    await bus.wait_for_disconnect()  # type: ignore[no-untyped-call]


@dataclass
class Entry:
    """One menu entry as the panel sees it; the label has its doubled underscores undone."""

    id: int
    properties: dict[str, Any]
    children: list["Entry"] = field(default_factory=list)

    @classmethod
    def parse(cls, wire: list[Any]) -> "Entry":
        """From GetLayout's answer."""
        properties = {name: value.value for name, value in wire[1].items()}
        return cls(wire[0], properties, [cls.parse(child.value) for child in wire[2]])

    @property
    def label(self) -> str:
        """What is drawn."""
        return str(self.properties.get("label", "")).replace("__", "_")

    def line(self) -> str:
        """One line: `[x] Paused`, `(o) meeting`, `Quit`, `Old  (disabled)`, `----`."""
        if self.properties.get("type") == "separator":
            return "----"
        on = self.properties.get("toggle-state") == 1
        marks = {"checkmark": "[x] " if on else "[ ] ", "radio": "(o) " if on else "( ) "}
        mark = marks.get(str(self.properties.get("toggle-type")), "")
        return f"{mark}{self.label}{'' if self.properties.get('enabled', True) else '  (disabled)'}"

    def walk(self, depth: int = 0) -> Iterator[tuple[int, "Entry"]]:
        """Every entry below this one, with its depth."""
        for child in self.children:
            yield depth, child
            yield from child.walk(depth + 1)

    def find(self, path: str) -> "Entry":
        """The entry at `Advanced/Edit Config`; a label that holds a slash cannot be named."""
        entry = self
        for part in path.split("/"):
            found = next((child for child in entry.children if child.label == part), None)
            if found is None:
                raise KeyError(f"{part!r} is not among {[child.label for child in entry.children]}")
            entry = found
        return entry


class TrayDriver:
    """What a panel does with an icon; every call asks anew, as a panel that opens the menu."""

    def __init__(self, bus: MessageBus, service: str, path: str, menu_path: str) -> None:
        self.bus, self.service, self.path, self.menu_path = bus, service, path, menu_path
        self.signals: Signals = []

    @classmethod
    async def connect(cls, bus: MessageBus, timeout_seconds: float) -> "TrayDriver":
        """The first icon that registers; TimeoutError when none does."""
        end = time.monotonic() + timeout_seconds
        while True:
            try:
                items = await prop(bus, WATCHER, WATCHER_PATH, WATCHER, "RegisteredStatusNotifierItems")
            except DBusCallError:
                items = []
            if items:
                service, tail = connection_of(items[0]), items[0].partition("/")[2]
                path = f"/{tail}" if tail else "/StatusNotifierItem"
                driver = cls(bus, service, path, await prop(bus, service, path, ITEM, "Menu"))
                await driver._listen()
                return driver
            if time.monotonic() > end:
                raise TimeoutError("no tray icon registered")
            await asyncio.sleep(0.03)

    async def _listen(self) -> None:
        owner = (await call(self.bus, _BUS, "/org/freedesktop/DBus", _BUS, "GetNameOwner", "s", self.service))[0]

        def note(message: Message) -> None:
            if message.message_type is MessageType.SIGNAL and message.sender == owner:
                self.signals.append((str(message.member), message.body))

        self.bus.add_message_handler(note)
        rule = f"type='signal',sender='{owner}'"
        await call(self.bus, _BUS, "/org/freedesktop/DBus", _BUS, "AddMatch", "s", rule)

    async def props(self) -> dict[str, Any]:
        """Every property of the icon."""
        answer = await call(self.bus, self.service, self.path, "org.freedesktop.DBus.Properties", "GetAll", "s", ITEM)
        return {name: value.value for name, value in answer[0].items()}

    async def menu(self) -> Entry:
        """The whole menu."""
        await call(self.bus, self.service, self.menu_path, MENU, "AboutToShow", "i", 0)
        answer = await call(self.bus, self.service, self.menu_path, MENU, "GetLayout", "iias", 0, -1, [])
        return Entry.parse(answer[1])

    async def click(self, path: str) -> int:
        """Click the entry at `path`; answers its id. Raises KeyError when there is none."""
        entry = (await self.menu()).find(path)
        await self.click_id(entry.id)
        return entry.id

    async def click_id(self, ident: int) -> None:
        """Click by id, whatever the entry says about being enabled."""
        body = (ident, "clicked", Variant("i", 0), int(time.time()) & 0xFFFFFFFF)
        await call(self.bus, self.service, self.menu_path, MENU, "Event", "isvu", *body)

    async def items(self) -> list[str]:
        """What the panel knows of icons."""
        known = await prop(self.bus, WATCHER, WATCHER_PATH, WATCHER, "RegisteredStatusNotifierItems")
        return [str(item) for item in known]

    async def activate(self) -> None:
        """Left click on the icon."""
        await call(self.bus, self.service, self.path, ITEM, "Activate", "ii", 0, 0)

    async def scroll(self) -> None:
        """Turn the wheel over the icon."""
        await call(self.bus, self.service, self.path, ITEM, "Scroll", "is", 3, "vertical")


class TrayClient(SyncClient):
    """`TrayDriver` for plain code: `with TrayClient(env) as tray: tray.click("Advanced/Edit Config")`.

    Waits up to `timeout_seconds` for an icon to register with the watcher on the bus of `env`.
    """

    def __init__(self, env: Mapping[str, str], timeout_seconds: float = 10.0) -> None:
        super().__init__(env)
        try:
            patience = PATIENCE * timeout_seconds
            self.driver = self.run(TrayDriver.connect(self.bus, patience), patience + 5)
        except BaseException:
            self.close()
            raise

    def menu(self) -> Entry:
        """The whole menu as entries."""
        return self.run(self.driver.menu())

    def list(self) -> str:
        """The whole menu as text, two spaces of indent for each level."""
        return "\n".join("  " * depth + entry.line() for depth, entry in self.menu().walk())

    def ids(self) -> dict[str, int]:
        """Label to id, for all entries but separators."""
        return {entry.label: entry.id for _, entry in self.menu().walk() if entry.label}

    def click(self, path: str) -> int:
        """Click `Advanced/Edit Inference Policy`; answers the id."""
        return self.run(self.driver.click(path))

    def click_id(self, ident: int) -> None:
        """Click by id."""
        self.run(self.driver.click_id(ident))

    def props(self) -> dict[str, Any]:
        """Every property of the icon."""
        return self.run(self.driver.props())

    def items(self) -> "list[str]":
        """What the panel knows of icons."""
        return self.run(self.driver.items())

    def drop_all(self, *, is_told: bool = True) -> None:
        """The stub panel forgets all icons, and says so or not."""
        self.run(call(self.bus, WATCHER, WATCHER_PATH, WATCHER, "DropAll", "b", is_told))

    def activate(self) -> None:
        """Left click on the icon."""
        self.run(self.driver.activate())

    def scroll(self) -> None:
        """Turn the wheel over the icon."""
        self.run(self.driver.scroll())

    def signals(self) -> Signals:
        """(member, values) of every signal of the icon since the last call of this."""
        self.run(call(self.bus, self.driver.service, "/", "org.freedesktop.DBus.Peer", "Ping"))  # reads what waits
        heard, self.driver.signals = self.driver.signals, []
        return heard

    def wait_for_text(self, text: str, timeout_seconds: float = 5.0) -> str:
        """The menu's text once it contains `text`."""
        seen = [""]

        def found() -> str:
            seen[0] = self.list()
            return seen[0] if text in seen[0] else ""

        try:
            return wait_until(found, text, timeout_seconds)
        except AssertionError:
            raise AssertionError(f"{text!r} did not appear in the menu:\n{seen[0]}") from None


def main(arguments: list[str]) -> None:
    """The command line of this file."""
    command = arguments[0]
    if command == "watch":
        asyncio.run(watch(os.environ["DBUS_SESSION_BUS_ADDRESS"], arguments))
        return
    with TrayClient(os.environ) as tray:
        if command == "list":
            print(tray.list())
        elif command == "props":
            print("\n".join(f"{name} = {str(value)[:100]}" for name, value in sorted(tray.props().items())))
        elif command == "activate":
            tray.activate()
        elif command == "click":
            print(tray.click(arguments[1]))
        else:
            raise SystemExit(f"unknown command {command}")


if __name__ == "__main__":
    main(sys.argv[1:])
