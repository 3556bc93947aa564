"""The tray's menu, written against pystray's API; every text is asked anew when the menu is drawn."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

from taskclf_tray.ui import text
from taskclf_tray.ui.commands import (
    Command,
    EditConfig,
    EditPolicy,
    EditTaxonomy,
    OpenDataFolder,
    OpenLog,
    Pause,
    PickModel,
    PrivateMode,
    ReloadNow,
    Resume,
    TellStatus,
)
from taskclf_tray.ui.icon import IconState, icon_art
from taskclf_tray.ui.snapshot import ModelChoice, Snapshot

Send = Callable[[Command], None]
See = Callable[[], Snapshot]


class MenuBuilder:
    """Builds the menu once; what it shows follows `see`, what it does goes to `send`.

    `api` has pystray's `Menu` and `MenuItem`, and a `KeyedItem` whose key names an entry of a list that changes.
    """

    def __init__(self, api: Any, see: See, send: Send, quit_app: Callable[[], None], now: Callable[[], Any]) -> None:
        self._api = api
        self._see = see
        self._send = send
        self._quit = quit_app
        self._now = now

    def menu(self) -> Any:
        """The whole menu."""
        separator = self._api.Menu.SEPARATOR
        return self._api.Menu(
            self._item(lambda _: self._see().banner or "", None, enabled=False, visible=lambda _: self._has_banner()),
            self._status_item(),
            separator,
            self._item(text.MENU_PAUSE, self._pause_menu()),
            self._item(text.MENU_PRIVATE, self._toggle_private, checked=lambda _: self._see().is_private),
            separator,
            self._item(text.MENU_MODEL, self._api.Menu(self._models)),
            self._item(text.MENU_ADVANCED, self._advanced_menu()),
            separator,
            self._item(text.MENU_QUIT, lambda *_: self._quit()),
        )

    def _status_item(self) -> Any:
        """The label with its colour before it; a black dot where a backend shows no colours."""
        return self._api.KeyedItem(
            "status",
            lambda _: f"● {self._see().line}",
            self._sending(TellStatus()),
            swatch=lambda: swatch_of(self._see()),
            default=True,
        )

    def _pause_menu(self) -> Any:
        return self._api.Menu(
            self._item(text.MENU_PAUSE_15, lambda *_: self._pause(15)),
            self._item(text.MENU_PAUSE_60, lambda *_: self._pause(60)),
            self._item(text.MENU_PAUSE_TOMORROW, lambda *_: self._pause(None)),
            self._item(text.MENU_RESUME, lambda *_: self._resume(), enabled=lambda _: self._see().is_paused),
        )

    def _advanced_menu(self) -> Any:
        entries: tuple[tuple[str, Command], ...] = (
            (text.MENU_EDIT_POLICY, EditPolicy()),
            (text.MENU_EDIT_CONFIG, EditConfig()),
            (text.MENU_EDIT_TAXONOMY, EditTaxonomy()),
            (text.MENU_RELOAD, ReloadNow()),
            (text.MENU_OPEN_DATA, OpenDataFolder()),
            (text.MENU_OPEN_LOG, OpenLog()),
        )
        return self._api.Menu(*(self._item(label, self._sending(command)) for label, command in entries))

    def _models(self) -> Iterator[Any]:
        """One radio entry per bundle; what cannot be served is shown with the reason and cannot be chosen."""
        models = self._see().models
        if not models:
            yield self._item(text.MENU_NO_MODELS, None, enabled=False)
        for choice in models:
            yield self._api.KeyedItem(
                choice.name,
                text.model_entry(choice.name, choice.problem),
                self._sending(PickModel(choice.name)),
                checked=self._is_active(choice),
                radio=True,
                enabled=choice.problem is None,
            )

    @staticmethod
    def _is_active(choice: ModelChoice) -> Callable[[Any], bool]:
        return lambda _: choice.is_active

    # -- what entries do --------------------------------------------------------------------------------------

    def _item(self, label: Any, action: Any, **options: Any) -> Any:
        return self._api.MenuItem(label, action, **options)

    def _sending(self, command: Command) -> Callable[..., None]:
        return lambda *_: self._send(command)

    def _has_banner(self) -> bool:
        return self._see().banner is not None

    def _clicked_at(self) -> datetime:
        return self._now() or datetime.now(UTC)

    def _pause(self, minutes: int | None) -> None:
        self._send(Pause(self._clicked_at(), minutes))

    def _resume(self) -> None:
        self._send(Resume(self._clicked_at()))

    def _toggle_private(self, *_: Any) -> None:
        self._send(PrivateMode(self._clicked_at(), not self._see().is_private))


def swatch_of(snapshot: Snapshot) -> str | None:
    """The colour of the label that shows: the person's own for their category, else the core label's."""
    if snapshot.state is not IconState.LIVE:
        return None
    return icon_art(snapshot.state, core_label=snapshot.core_label, color=snapshot.color).color
