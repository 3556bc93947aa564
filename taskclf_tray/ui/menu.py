"""The tray's menu, written against pystray's API; every text is evaluated again when the menu is drawn."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from datetime import UTC, datetime
from typing import Any

from taskclf_tray.app import text
from taskclf_tray.app.commands import (
    AnswerRequest,
    Command,
    EditConfig,
    EditPolicy,
    EditTaxonomy,
    LabelBlock,
    OpenDataFolder,
    OpenLog,
    Pause,
    PickModel,
    PrivateMode,
    ReloadNow,
    Resume,
    RetrainNow,
    RollBack,
    SetAsking,
    SkipRequest,
    StartAtLogin,
    StopRetraining,
    TellModel,
    TellStatus,
    TellWhy,
    UndoLabel,
)
from taskclf_tray.app.snapshot import IconState, ModelChoice, ReviewItem, Snapshot
from taskclf_tray.core.time import from_us
from taskclf_tray.labels.asking_state import AskingState
from taskclf_tray.ui.icon import icon_art

Send = Callable[[Command], None]
See = Callable[[], Snapshot]


class MenuBuilder:
    """Builds the menu once. Its texts follow `see`; clicks go to `send`.

    What cannot be done now is disabled and stays in its place, so that nobody clicks the entry that moved there.

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
            self._item(text.MENU_WHY, self._sending(TellWhy()), enabled=lambda _: self._has_today()),
            separator,
            self._item(
                lambda _: text.menu_label(self._see().block_start),
                self._api.Menu(self._labels),
                enabled=lambda _: self._has_block(),
            ),
            self._item(
                lambda _: text.menu_review(self._see().labels.review_count),
                self._api.Menu(self._review),
                enabled=lambda _: bool(self._see().labels.review),
            ),
            self._item(lambda _: self._undo_text(), self._undo, enabled=lambda _: self._see().labels.undo is not None),
            self._item(
                lambda _: self._see().learning.learnt or "",
                None,
                enabled=False,
                visible=lambda _: self._see().learning.learnt is not None,
            ),
            separator,
            self._item(text.MENU_TODAY, self._api.Menu(self._today), enabled=lambda _: self._has_today()),
            separator,
            self._item(text.MENU_PAUSE, self._pause_menu()),
            self._item(text.MENU_PRIVATE, self._toggle_private, checked=lambda _: self._see().is_private),
            self._item(text.MENU_ASK, self._ask_menu()),
            separator,
            self._item(lambda _: text.menu_model(self._see().learning.training_percent), self._api.Menu(self._models)),
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

    def _labels(self) -> Iterator[Any]:
        """The eight labels for the current block, most used first."""
        for label in self._see().labels.order:
            yield self._api.KeyedItem(label, label, self._label_block(label), swatch=_swatch(label))

    def _review(self) -> Iterator[Any]:
        """The first waiting blocks, each with its prediction, the other labels and Skip."""
        if not self._see().labels.review:
            yield self._item(text.MENU_NOTHING_WAITS, None, enabled=False)
        for item in self._see().labels.review:
            entry = text.review_entry(item.start, item.end, item.guess, item.probability, is_gap=item.is_gap)
            yield self._api.KeyedItem(item.request_id, entry, self._api.Menu(*self._answers(item)))

    def _answers(self, item: ReviewItem) -> Iterator[Any]:
        if item.guess is not None and not item.is_gap:
            yield self._answer(item, item.guess, text.review_yes(item.guess))
        for label in self._see().labels.order:
            if label != item.guess or item.is_gap:
                yield self._answer(item, label, text.answer_button(label, is_gap=item.is_gap))
        skip = self._stamped(lambda at: SkipRequest(item.request_id, at))
        yield self._api.KeyedItem((item.request_id, "skip"), text.MENU_SKIP, skip)

    def _answer(self, item: ReviewItem, label: str, entry: str) -> Any:
        action = self._stamped(lambda at: AnswerRequest(item.request_id, label, at))
        return self._api.KeyedItem((item.request_id, label), entry, action, swatch=_swatch(label))

    def _today(self) -> Iterator[Any]:
        """How the day divides so far; entries without a click."""
        today = self._see().today
        for entry in today.entries:
            yield self._told(entry.name, text.today_entry(entry.name, entry.minutes), entry.color)
        if not today.total_minutes:
            yield self._item(text.MENU_TODAY_NOTHING, None, enabled=False)
            return
        if today.unsure_minutes:
            yield self._told((None, "unsure"), text.today_entry(text.MENU_TODAY_UNSURE, today.unsure_minutes))
        yield self._told((None, "total"), text.today_entry(text.MENU_TODAY_TOTAL, today.total_minutes))

    def _told(self, key: Hashable, line: str, color: str | None = None) -> Any:
        return self._api.KeyedItem(key, line, None, enabled=False, swatch=lambda: color)

    def _ask_menu(self) -> Any:
        def seen() -> AskingState:
            return self._see().labels.asking

        def asks(end: datetime | None) -> bool:
            return end is not None and self._clicked_at() < end

        return self._api.Menu(
            self._item(
                text.MENU_ASK_ON,
                lambda *_: self._send(SetAsking("on" if self._see().labels.is_silent else "off", self._clicked_at())),
                checked=lambda _: not self._see().labels.is_silent,
            ),
            self._item(
                text.MENU_ASK_SNOOZE,
                self._stamped(lambda at: SetAsking("snooze", at)),
                checked=lambda _: asks(seen().snoozed_until),
                enabled=lambda _: seen().is_on,
            ),
            self._item(
                text.MENU_ASK_NOT_TODAY,
                self._stamped(lambda at: SetAsking("not_today", at)),
                checked=lambda _: asks(seen().quiet_until),
                enabled=lambda _: seen().is_on,
            ),
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
        login = self._item(text.MENU_LOGIN, self._toggle_login, checked=lambda _: self._see().starts_at_login)
        return self._api.Menu(*(self._item(label, self._sending(command)) for label, command in entries), login)

    def _models(self) -> Iterator[Any]:
        """One radio entry per bundle. One that cannot be served shows the reason and cannot be chosen."""
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
        yield self._api.Menu.SEPARATOR
        learning = self._see().learning
        actions: tuple[tuple[str, Command, bool], ...] = (
            (text.MENU_RETRAIN, RetrainNow(), learning.can_retrain),
            (text.MENU_STOP_RETRAINING, StopRetraining(), learning.training_percent is not None),
            (text.MENU_ROLL_BACK, RollBack(), learning.can_roll_back),
            (text.MENU_MODEL_STATUS, TellModel(), True),
        )
        for entry, command, is_possible in actions:
            yield self._api.KeyedItem((entry, "action"), entry, self._sending(command), enabled=is_possible)

    @staticmethod
    def _is_active(choice: ModelChoice) -> Callable[[Any], bool]:
        return lambda _: choice.is_active

    # -- what entries do --------------------------------------------------------------------------------------

    def _item(self, label: Any, action: Any, **options: Any) -> Any:
        return self._api.MenuItem(label, action, **options)

    def _sending(self, command: Command) -> Callable[..., None]:
        return lambda *_: self._send(command)

    def _stamped(self, make: Callable[[datetime], Command]) -> Callable[..., None]:
        return lambda *_: self._send(make(self._clicked_at()))

    def _label_block(self, label: str) -> Callable[..., None]:
        """Label the block that went on when the menu was drawn, not one that has begun since."""
        start = self._see().block_start

        def act(*_: Any) -> None:
            if start is not None:
                self._send(LabelBlock(start, label, self._clicked_at()))

        return act

    def _undo(self, *_: Any) -> None:
        self._send(UndoLabel(self._clicked_at()))

    def _undo_text(self) -> str:
        change = self._see().labels.undo
        if change is None:
            return text.MENU_UNDO
        return text.menu_undo(change.kind, change.label, from_us(change.start_us), from_us(change.end_us))

    def _has_block(self) -> bool:
        return self._see().block_start is not None

    def _has_today(self) -> bool:
        return self._see().today.total_minutes > 0

    def _has_banner(self) -> bool:
        return self._see().banner is not None

    def _clicked_at(self) -> datetime:
        return self._now() or datetime.now(UTC)

    def _pause(self, minutes: int | None) -> None:
        self._send(Pause(self._clicked_at(), minutes))

    def _resume(self) -> None:
        self._send(Resume(self._clicked_at()))

    def _toggle_login(self, *_: Any) -> None:
        self._send(StartAtLogin(not self._see().starts_at_login))

    def _toggle_private(self, *_: Any) -> None:
        self._send(PrivateMode(self._clicked_at(), not self._see().is_private))


def _swatch(label: str) -> Callable[[], str | None]:
    return lambda: icon_art(IconState.LIVE, core_label=label).color


def swatch_of(snapshot: Snapshot) -> str | None:
    """The colour of the shown label: that of the person's category, else the core label's."""
    if snapshot.state is not IconState.LIVE:
        return None
    return icon_art(snapshot.state, core_label=snapshot.core_label, color=snapshot.color).color
