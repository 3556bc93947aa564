"""pystray's `Icon`, served over D-Bus.

Any thread may change the icon. A change only notes what is out of date and wakes the bus's thread, which then draws
the newest state: a thousand changes in a row cost one drawing.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import os
import threading
from collections.abc import Callable
from typing import Any, Final

from dbus_fast import NameFlag
from dbus_fast.aio import MessageBus

from taskclf_tray.system.session_bus import close, connect, session_bus_address
from taskclf_tray.ui.sni import base
from taskclf_tray.ui.sni.dbusmenu import DBusMenu
from taskclf_tray.ui.sni.item import MENU_PATH, PictureFiles, StatusNotifierItem
from taskclf_tray.ui.sni.watcher import ITEM_PATH, NAME_PREFIX, PanelLink

log = logging.getLogger(__name__)

_numbers: Final = itertools.count(1)
_LOST: Final = "the session bus went away"


class SniIcon(base.Icon):  # type: ignore[misc]  # pystray has no types
    """A tray icon for every panel that takes StatusNotifierItems.

    `run` returns after `stop`, and raises ConnectionError when the session bus cannot be reached or goes away.
    `registered` is set while a panel's watcher knows the icon. Callbacks run in the thread of `run`, one at a time;
    what they raise is logged. `icon` takes a PIL image or a `SizedPicture`.
    """

    HAS_NOTIFICATION = False

    def __init__(self, name: str, icon: Any = None, title: str | None = None, menu: Any = None, **options: Any) -> None:
        super().__init__(name, icon, title, menu, **options)
        self.registered = threading.Event()
        self.failure: BaseException | None = None
        self._guard = threading.RLock()  # a signal handler may interrupt a change in its own thread
        self._loop: asyncio.AbstractEventLoop | None = None
        self._link: PanelLink | None = None
        self._files: PictureFiles | None = None
        self._is_shown = False
        self._panel_label = ""
        self._is_picture_due = self._is_menu_due = self._is_flush_due = False
        self._stop_asked = False
        self._is_ready = threading.Event()
        self._thread: threading.Thread | None = None

    # -- for any thread -------------------------------------------------------------------------------------------

    @property
    def panel_label(self) -> str:
        """Text beside the icon, in panels that draw one; empty: none."""
        return self._panel_label

    @panel_label.setter
    def panel_label(self, label: str) -> None:
        if label != self._panel_label:
            self._panel_label = label
            self._request()

    def host_available(self) -> bool:
        """Whether a panel that draws icons knows this one now."""
        link = self._link
        return link is not None and link.has_host

    def stop(self) -> None:
        """End `run`; from any thread, a callback or a signal handler, before the start or twice."""
        self._stop_asked = True
        self._wake(self._stopping_now)

    def join(self, timeout_seconds: float | None = None) -> None:
        """Wait for the end of a detached run; raises what ended it, if that was a failure."""
        if self._thread is not None:
            self._thread.join(timeout_seconds)
        if self.failure is not None:
            raise self.failure

    def _update_icon(self) -> None:
        self._icon_valid = True
        self._request(picture=True)

    def _update_title(self) -> None:
        self._request()

    def _update_menu(self) -> None:
        self._request(menu=True)

    def _show(self) -> None:
        self._is_shown = True
        self._request()

    def _hide(self) -> None:
        self._is_shown = False
        self._request()

    def _request(self, *, picture: bool = False, menu: bool = False) -> None:
        with self._guard:
            self._is_picture_due |= picture
            self._is_menu_due |= menu
            if not self._is_flush_due:
                self._is_flush_due = self._wake(self._flush)

    def _wake(self, call: Callable[[], None]) -> bool:
        """Run `call` in the bus's thread; whether there is one. Waking the selector is what a signal handler needs."""
        loop = self._loop
        if loop is None:
            return False
        try:
            loop.call_soon_threadsafe(call)
        except RuntimeError:  # the loop closed since
            return False
        return True

    # -- in the bus's thread --------------------------------------------------------------------------------------

    def _flush(self) -> None:
        with self._guard:
            picture_due, menu_due = self._is_picture_due, self._is_menu_due
            self._is_picture_due = self._is_menu_due = self._is_flush_due = False
        if self._loop is None:
            return
        try:
            if picture_due:
                self._item.draw(self._icon)
            self._item.tell(self._title, self._panel_label)
            self._item.show(self._is_shown)
        except Exception:  # a picture that cannot be drawn must not end the tray
            log.exception("the icon cannot be drawn; the last one stays")
        if menu_due:
            self._dbusmenu.load(self._menu)

    def _clicked(self, item: Any) -> None:
        """After the panel has its answer, so that a slow callback does not freeze the panel."""
        asyncio.get_running_loop().call_soon(self._call, item)

    def _activated(self) -> None:
        default = next((item for item in self._menu or () if item.default and item.enabled), None)
        if default is not None:
            self._clicked(default)

    def _call(self, entry: Any) -> None:
        try:
            entry(self)
        except Exception:  # whatever a callback raises
            log.exception("a menu callback failed")
        self.update_menu()

    def _stopping_now(self) -> None:
        self._stopping.set()

    # -- the run --------------------------------------------------------------------------------------------------

    def _start_setup(self, setup: Callable[[Any], None] | None) -> None:
        """pystray waits for ever when a run fails before it is ready; here the setup is dropped then."""
        self._is_ready.clear()
        self._setup_thread = threading.Thread(target=self._set_up, args=(setup,), name="tray-setup", daemon=True)
        self._setup_thread.start()

    def _set_up(self, setup: Callable[[Any], None] | None) -> None:
        self._is_ready.wait()
        if not self._running:
            return
        try:
            if setup is None:
                self.visible = True
            else:
                setup(self)
        except Exception:  # whatever the setup raises
            log.exception("the setup of the tray icon failed")

    def _mark_ready(self) -> None:
        super()._mark_ready()
        self._is_ready.set()

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        finally:
            self._running = self._stop_asked = False
            self._is_ready.set()
            self._setup_thread.join(self.SETUP_THREAD_TIMEOUT)

    def _run_detached(self) -> None:
        self._thread = threading.Thread(target=self._run_and_keep_failure, name="tray", daemon=True)
        self._thread.start()

    def _run_and_keep_failure(self) -> None:
        try:
            self._run()
        except BaseException as error:  # noqa: BLE001 - a thread's failure is raised by `join`
            self.failure = error

    async def _serve(self) -> None:
        bus = await connect(session_bus_address(os.environ))
        try:
            await self._export(bus)
            await self._serve_on(bus)
        finally:
            self._loop = None
            await close(bus)

    async def _serve_on(self, bus: MessageBus) -> None:
        self._mark_ready()
        link = self._link = PanelLink(bus, ITEM_PATH, self.registered, self._met_panel)
        # a panel that hangs must not keep us from stopping, so registering is one of the things waited for
        waits = [asyncio.ensure_future(w) for w in (link.start(), self._stopping.wait(), _gone(bus))]
        _, stopping, gone = waits
        try:
            await asyncio.wait((stopping, gone), return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._loop = self._link = None
            for wait in waits:
                wait.cancel()
            await asyncio.gather(*waits, return_exceptions=True)
            await link.stop()
            self._met_panel(takes_pixmaps=True)
        if not self._stopping.is_set():
            raise ConnectionError(_LOST)

    def _met_panel(self, *, takes_pixmaps: bool) -> None:
        """Serve the picture as a file too where the panel wants one; the folder lasts as long as that panel."""
        before = self._files
        try:
            self._files = None if takes_pixmaps else before or PictureFiles(os.environ.get("XDG_RUNTIME_DIR"))
            self._item.use_files(self._files)
        except OSError as error:
            log.warning("The icon cannot be written for this panel, which takes files only: %s", error.strerror)
        if before is not None and self._files is None:
            before.remove()

    async def _export(self, bus: MessageBus) -> None:
        self._stopping = asyncio.Event()
        is_lxqt = "LXQT" in base.current_desktops(os.environ)
        self._item = StatusNotifierItem(self._name, self._activated, has_wide_tip=is_lxqt)
        self._dbusmenu = DBusMenu(self._clicked)
        bus.export(ITEM_PATH, self._item)
        bus.export(MENU_PATH, self._dbusmenu)
        await bus.request_name(f"{NAME_PREFIX}{os.getpid()}-{next(_numbers)}", NameFlag.DO_NOT_QUEUE)
        self._loop = asyncio.get_running_loop()
        if self._stop_asked:  # `stop` came while nobody could be woken
            self._stopping.set()
        self._is_picture_due = self._is_menu_due = True
        self._flush()


async def _gone(bus: MessageBus) -> None:
    """Until the bus is lost. Shielded: cancelling this wait must not cancel the bus's own mark."""
    with contextlib.suppress(OSError, EOFError):
        await asyncio.shield(bus.wait_for_disconnect())  # type: ignore[no-untyped-call]
