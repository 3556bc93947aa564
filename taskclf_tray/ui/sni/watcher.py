"""The panel's side of the conversation: is there one, and does it know our icon."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeVar

from dbus_fast import Message, MessageFlag, MessageType
from dbus_fast.aio import MessageBus

from taskclf_tray.system.session_bus import ask, close, connect, session_bus_address

log = logging.getLogger(__name__)

WATCHER: Final = "org.kde.StatusNotifierWatcher"
WATCHER_PATH: Final = "/StatusNotifierWatcher"
NAME_PREFIX: Final = "org.kde.StatusNotifierItem-"
"""Of the names of items on the bus; by them `doctor` finds the icons that programs serve."""
ITEM: Final = "org.kde.StatusNotifierItem"
ITEM_PATH: Final = "/StatusNotifierItem"
PIXMAP_IGNORERS: Final = ("org.ayatana.indicator.application", "com.canonical.indicator.application")
"""Names of the watchers that know no pictures, only names and files: indicator-application of Ayatana and Ubuntu."""
_DBUS: Final = "org.freedesktop.DBus"
_MATCHES: Final = (
    f"type='signal',sender='{_DBUS}',member='NameOwnerChanged',arg0='{WATCHER}'",
    f"type='signal',sender='{WATCHER}',interface='{WATCHER}',path='{WATCHER_PATH}'",
)
_T = TypeVar("_T")
_ITEMS: Final = "RegisteredStatusNotifierItems"
_HOST_SIGNALS: Final = ("StatusNotifierHostRegistered", "StatusNotifierHostUnregistered")
_LOST_SIGNAL: Final = "StatusNotifierItemUnregistered"
_FIRST_PAUSE_SECONDS: Final = 1.0
_LONGEST_PAUSE_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class PanelState:
    """What the session bus says: does it answer, is a watcher there, does it have a host (a panel that draws)."""

    bus: bool = False
    watcher: bool = False
    host: bool = False


def _to_bus(member: str, argument: str) -> Message:
    return Message(_DBUS, "/org/freedesktop/DBus", _DBUS, member, signature="s", body=[argument])


async def has_watcher(bus: MessageBus) -> bool:
    """Whether somebody owns the watcher's name now; starts nobody."""
    return await ask(bus, _to_bus("NameHasOwner", WATCHER)) == [True]


async def has_host(bus: MessageBus) -> bool:
    """Whether the watcher knows a panel that draws icons."""
    return bool(await _property(bus, WATCHER, WATCHER_PATH, WATCHER, "IsStatusNotifierHostRegistered"))


async def ignores_pixmaps(bus: MessageBus) -> bool:
    """Whether the watcher is one of those that draw an icon by name or file only.

    The service owns its two names on two connections, so their processes are compared.
    """
    names = (WATCHER, *PIXMAP_IGNORERS)
    processes = [await ask(bus, _to_bus("GetConnectionUnixProcessID", name)) for name in names]
    return processes[0] is not None and processes[0] in processes[1:]


async def _state(bus: MessageBus) -> PanelState:
    watcher = await has_watcher(bus)
    return PanelState(True, watcher, watcher and await has_host(bus))


def probe(environ: Mapping[str, str], timeout_seconds: float = 1.5) -> PanelState:
    """Ask the session bus, for at most `timeout_seconds`; a bus that hangs counts as none."""
    return _asked(environ, timeout_seconds, _state) or PanelState()


async def _property(bus: MessageBus, name: str, path: str, interface: str, member: str) -> Any:
    """A property of a program that runs; None when it does not answer with one."""
    flags = MessageFlag.NO_AUTOSTART
    asked = Message(name, path, f"{_DBUS}.Properties", "Get", flags=flags, signature="ss", body=[interface, member])
    body = await ask(bus, asked)
    return None if body is None else body[0].value


async def _served(bus: MessageBus, ident: str) -> list[bool]:
    names = await ask(bus, Message(_DBUS, "/org/freedesktop/DBus", _DBUS, "ListNames"))
    known = {connection_of(item) for item in await _property(bus, WATCHER, WATCHER_PATH, WATCHER, _ITEMS) or ()}
    return [
        bool(known & {name, *(await ask(bus, _to_bus("GetNameOwner", name)) or ())})
        for name in (names[0] if names else ())
        if name.startswith(NAME_PREFIX) and await _property(bus, name, ITEM_PATH, ITEM, "Id") == ident
    ]


def served_icons(environ: Mapping[str, str], ident: str, timeout_seconds: float = 1.5) -> list[bool]:
    """Whether the panel has each of the icons that running programs serve under this id; asks for that long at most."""
    return _asked(environ, timeout_seconds, lambda bus: _served(bus, ident)) or []


def _asked(
    environ: Mapping[str, str], timeout_seconds: float, question: Callable[[MessageBus], Awaitable[_T]]
) -> _T | None:
    """The answer to a question to the session bus; None when there is none in time."""

    async def within_time() -> _T | None:
        try:
            async with asyncio.timeout(timeout_seconds):
                bus = await connect(session_bus_address(environ))
                try:
                    return await question(bus)
                finally:
                    await close(bus)
        except (TimeoutError, ConnectionError):
            return None

    return asyncio.run(within_time())


class MetPanel(Protocol):
    """Called before the icon is registered with a watcher: whether that takes pictures as pixels."""

    def __call__(self, *, takes_pixmaps: bool) -> None:
        """See the class."""


class PanelLink:
    """Keeps one icon registered with whichever panel runs; lives in the bus's thread.

    `registered` is set while a watcher knows the icon; `has_host` says whether that watcher has a panel that draws.

    The icon is registered by its object path. GNOME's extension loses one in four that register by bus name on a busy
    machine: for those it also watches the name, and the answer of that watch may come in the middle of its set-up.
    """

    def __init__(self, bus: MessageBus, path: str, registered: threading.Event, met_panel: MetPanel) -> None:
        self._bus = bus
        self._path = path
        self._registered = registered
        self._met_panel = met_panel
        self._tasks: set[asyncio.Task[None]] = set()
        self._pause = _FIRST_PAUSE_SECONDS
        self.has_host = False

    async def start(self) -> None:
        """Listen for panels that come and go, and register with the one that is there."""
        self._bus.add_message_handler(self._heard)
        for match in _MATCHES:
            await ask(self._bus, _to_bus("AddMatch", match))
        await self._register()

    async def stop(self) -> None:
        """Cancel what is still being asked."""
        self._bus.remove_message_handler(self._heard)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._registered.clear()
        self.has_host = False

    def _heard(self, message: Message) -> None:
        if message.message_type is not MessageType.SIGNAL:
            return
        if message.member == "NameOwnerChanged" and message.body[0] == WATCHER:
            self._registered.clear()
            self.has_host = False
            if message.body[2]:
                self._pause = _FIRST_PAUSE_SECONDS
                self._start(self._register())
        elif message.interface == WATCHER and message.member in _HOST_SIGNALS:
            self._start(self._ask_for_host())
        elif message.interface == WATCHER and message.member == _LOST_SIGNAL and self._is_ours(message):
            self._registered.clear()
            self._start(self._register_again())

    def _is_ours(self, message: Message) -> bool:
        return bool(message.body) and connection_of(str(message.body[0])) == self._bus.unique_name

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _register(self) -> None:
        request = Message(
            WATCHER,
            WATCHER_PATH,
            WATCHER,
            "RegisterStatusNotifierItem",
            flags=MessageFlag.NO_AUTOSTART,
            signature="s",
            body=[self._path],
        )
        self._met_panel(takes_pixmaps=not await ignores_pixmaps(self._bus))
        if await ask(self._bus, request) is not None:
            await self._ask_for_host()
            self._registered.set()

    async def _register_again(self) -> None:
        """Register an icon that the watcher dropped, after a pause that doubles each time."""
        pause, self._pause = self._pause, min(2 * self._pause, _LONGEST_PAUSE_SECONDS)
        log.warning("The panel dropped the tray icon; it is registered again in %.0f s.", pause)
        await asyncio.sleep(pause)
        await self._register()

    async def _ask_for_host(self) -> None:
        self.has_host = await has_host(self._bus)


def connection_of(item: str) -> str:
    """The bus name in a watcher's entry for an item: `:1.7` of `:1.7/StatusNotifierItem` or `:1.7@/MenuBar`."""
    return item.partition("/")[0].removesuffix("@")
