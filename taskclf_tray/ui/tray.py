"""The tray icon: its own loop draws the newest snapshot, and only when what it shows has changed."""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Callable, Mapping
from typing import Any

from taskclf_tray.app import text
from taskclf_tray.app.snapshot import IconState, Snapshot
from taskclf_tray.app.status import panel_label_of
from taskclf_tray.app.worker import TrayRuntime
from taskclf_tray.core.config import PanelLabel
from taskclf_tray.core.errors import SystemToolError
from taskclf_tray.record.recorder import StepResult
from taskclf_tray.system.stop_request import StopRequest
from taskclf_tray.ui import backend as backend_api
from taskclf_tray.ui.backend import TrayBackend, choose_backend, missing_panel
from taskclf_tray.ui.icon import IconArt, icon_art
from taskclf_tray.ui.menu import MenuBuilder
from taskclf_tray.ui.sni.base import current_desktops

log = logging.getLogger(__name__)

PANEL_PATIENCE_SECONDS = 60.0
"""How long after the start a panel may come before the person is told that there is none."""


def tray_backend() -> TrayBackend:
    """The tray of this desktop, or the reason why there is none."""
    return choose_backend(os.environ, sys.platform)


class TrayView:
    """Shows snapshots on a pystray icon; an unchanged minute draws nothing."""

    shows_messages = False

    def __init__(
        self, runtime: TrayRuntime, backend: TrayBackend, panel_label: Callable[[], PanelLabel] = lambda: "auto"
    ) -> None:
        self._runtime = runtime
        self._panel_label = panel_label
        self._lock = threading.Lock()
        self._shown: tuple[IconArt, str] | None = None
        self._builder = MenuBuilder(backend_api, lambda: runtime.snapshot, runtime.send, self.quit, runtime.now)
        snapshot = runtime.snapshot
        assert backend.icon_class is not None
        self.icon: Any = backend.icon_class(
            backend_api.ICON_ID, backend.picture(_art(snapshot)), title_of(snapshot), self._builder.menu()
        )
        self._backend = backend

    def on_step(self, step: StepResult) -> None:
        """Ignore it: the icon shows the live label only."""

    def on_message(self, message: tuple[str, str]) -> None:  # noqa: ARG002 - the view's interface
        """Follow settings that were just applied; the message itself is the notification service's."""
        self._show_label(self._runtime.snapshot)

    def on_snapshot(self, snapshot: Snapshot) -> None:
        """Show a snapshot; called by the worker."""
        with self._lock:
            showing = (_art(snapshot), title_of(snapshot))
            if self._shown is None or showing[0] != self._shown[0]:
                self.icon.icon = self._backend.picture(showing[0])
            if self._shown is None or showing[1] != self._shown[1]:
                self.icon.title = showing[1]
            self._shown = showing
            self._show_label(snapshot)
            self.icon.update_menu()

    def _show_label(self, snapshot: Snapshot) -> None:
        if self._backend.name == "sni":
            is_shown = is_label_in_panel(self._panel_label(), os.environ)
            self.icon.panel_label = panel_label_of(snapshot) if is_shown else ""

    def quit(self) -> None:
        """End the icon's loop; the caller of `run` then stops the worker."""
        self.icon.stop()


def title_of(snapshot: Snapshot) -> str:
    """The tooltip: the status line, and under it the banner of a simulation."""
    return snapshot.line if snapshot.banner is None else f"{snapshot.line}\n{snapshot.banner}"


def is_label_in_panel(setting: PanelLabel, environ: Mapping[str, str]) -> bool:
    """Whether the label stands beside the icon: by itself only on GNOME, where the icon has no tooltip."""
    desktops = current_desktops(environ)
    return setting == "always" or (setting == "auto" and "GNOME" in desktops and "BUDGIE" not in desktops)


def run_tray(
    runtime: TrayRuntime,
    backend: TrayBackend,
    stop: StopRequest,
    panel_label: Callable[[], PanelLabel] = lambda: "auto",
) -> int:
    """Show the tray until the person quits or `stop` is set; returns the exit code.

    `panel_label`: the setting of that name. The person is told once when no panel draws the icon after a minute.
    Raises SystemToolError when the desktop session ends.
    """
    view = TrayView(runtime, backend, panel_label)
    late = threading.Timer(PANEL_PATIENCE_SECONDS, _tell_of_no_panel, (runtime, view.icon))
    runtime.add_listener(view)
    stop.on_stop = view.quit

    def set_up(icon: Any) -> None:
        icon.visible = True
        runtime.start(is_patient=True)
        if backend.name == "sni":
            late.start()
        if stop.is_set:  # before there was a loop to end
            icon.stop()

    try:
        view.icon.run(set_up)
    except ConnectionError as error:
        log.error("%s", error)
        raise SystemToolError(text.TRAY_LOST, text.TRAY_LOST_STEP) from error
    finally:
        late.cancel()
        runtime.stop()
    if runtime.failure is not None:
        raise runtime.failure
    return 0


def _tell_of_no_panel(runtime: TrayRuntime, icon: Any) -> None:
    if not icon.host_available():
        runtime.tell(missing_panel(os.environ, has_bus=True))


def _art(snapshot: Snapshot) -> IconArt:
    """The art of a snapshot. While unsure, its letter is that of the rejected prediction."""
    ui_label = snapshot.ui_label if snapshot.state is IconState.LIVE else None
    return icon_art(snapshot.state, core_label=snapshot.core_label, ui_label=ui_label, color=snapshot.color)
