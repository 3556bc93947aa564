"""The menu against pystray's API: the entries of the product in their order, and none of them dead."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

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
from taskclf_tray.app.snapshot import IconState, LabelView, LearningView, ModelChoice, ReviewItem, Snapshot, TodayView
from taskclf_tray.core.time import to_us
from taskclf_tray.core.types import LABEL_LOOKS, LABEL_SET_V1, CoreLabel
from taskclf_tray.labels.asking_state import AskingState
from taskclf_tray.store.labels import LabelChange
from taskclf_tray.ui import backend
from taskclf_tray.ui.menu import MenuBuilder

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
MODELS = (ModelChoice("good", True), ModelChoice("other", False), ModelChoice("bad", False, "is damaged"))


class Front:
    """The menu, what it sees, and what it sent."""

    def __init__(self) -> None:
        self.snapshot = Snapshot(IconState.LIVE, "Deep Work — Build 87 % since 14:05", models=MODELS)
        self.sent: list[Command] = []
        self.quits = 0
        self.clock: datetime | None = NOW
        builder = MenuBuilder(backend, lambda: self.snapshot, self.sent.append, self._quit, lambda: self.clock)
        self.menu = builder.menu()

    def _quit(self) -> None:
        self.quits += 1

    def show(self, **changes: Any) -> None:
        self.snapshot = dataclasses.replace(self.snapshot, **changes)

    def entries(self) -> Iterator[tuple[str, Any]]:
        """(path, item) of every visible entry, separators left out."""

        def walk(menu: Any, path: str) -> Iterator[tuple[str, Any]]:
            for item in menu.items:
                if item is backend.Menu.SEPARATOR or not item.visible:
                    continue
                name = f"{path}{item.text}"
                yield name, item
                if item.submenu is not None:
                    yield from walk(item.submenu, f"{name}/")

        yield from walk(self.menu, "")

    def item(self, path: str) -> Any:
        return dict(self.entries())[path]

    def click(self, path: str) -> None:
        self.item(path)(None)


@pytest.fixture
def front() -> Front:
    return Front()


def test_the_entries_of_the_product_in_their_order(front: Front) -> None:
    assert [name for name, _ in front.entries()] == [
        "● Deep Work — Build 87 % since 14:05",
        "Why this label?",
        "Label this as",
        *(f"Label this as/{label}" for label in LABEL_SET_V1),
        "Review",
        "Review/No block waits for a label",
        "Undo",
        "Today",
        "Today/No minute is recorded yet",
        "Pause",
        "Pause/15 minutes",
        "Pause/1 hour",
        "Pause/Until tomorrow",
        "Pause/Resume",
        "Private mode",
        "Ask me",
        "Ask me/On",
        "Ask me/Snooze 1 hour",
        "Ask me/Not again today",
        "Prediction Model",
        "Prediction Model/good",
        "Prediction Model/other",
        "Prediction Model/bad — is damaged",
        "Prediction Model/Retrain now",
        "Prediction Model/Stop retraining",
        "Prediction Model/Roll back",
        "Prediction Model/Status",
        "Advanced",
        "Advanced/Edit Inference Policy",
        "Advanced/Edit Config",
        "Advanced/Edit Taxonomy",
        "Advanced/Reload now",
        "Advanced/Open Data Folder",
        "Advanced/Open Log",
        "Advanced/Start at login",
        "Quit",
    ]


@pytest.mark.parametrize(
    ("entry", "command"),
    [
        ("● Deep Work — Build 87 % since 14:05", TellStatus()),
        ("Why this label?", TellWhy()),
        ("Pause/15 minutes", Pause(NOW, 15)),
        ("Pause/1 hour", Pause(NOW, 60)),
        ("Pause/Until tomorrow", Pause(NOW, None)),
        ("Pause/Resume", Resume(NOW)),
        ("Private mode", PrivateMode(NOW, True)),
        ("Ask me/On", SetAsking("off", NOW)),
        ("Ask me/Snooze 1 hour", SetAsking("snooze", NOW)),
        ("Ask me/Not again today", SetAsking("not_today", NOW)),
        ("Prediction Model/good", PickModel("good")),
        ("Prediction Model/other", PickModel("other")),
        ("Prediction Model/Status", TellModel()),
        ("Advanced/Edit Inference Policy", EditPolicy()),
        ("Advanced/Edit Config", EditConfig()),
        ("Advanced/Edit Taxonomy", EditTaxonomy()),
        ("Advanced/Reload now", ReloadNow()),
        ("Advanced/Open Data Folder", OpenDataFolder()),
        ("Advanced/Open Log", OpenLog()),
    ],
)
def test_each_entry_sends_one_command(front: Front, entry: str, command: Command) -> None:
    front.click(entry)
    assert front.sent == [command]


START = NOW - timedelta(minutes=20)
ORDER = ("Debug", "Build", "Meet", "BreakIdle", "Communicate", "ReadResearch", "Review", "Write")
FROM_TO = text.stretch(START, NOW)
WAITING = LabelView(
    review=(
        ReviewItem("one", START, NOW, "Build", 0.48),
        ReviewItem("away", NOW, NOW + timedelta(minutes=20), None, None, is_gap=True),
    ),
    review_count=7,
    undo=LabelChange(3, "u", 0, "label", to_us(START), to_us(NOW), "Build"),
    order=ORDER,
)


def test_labels_review_and_undo_stay_in_their_places_and_are_enabled_when_they_do_something(front: Front) -> None:
    def top() -> list[tuple[str, bool]]:
        return [(name, item.enabled) for name, item in front.entries() if "/" not in name]

    before = top()
    assert before[1:6] == [
        ("Why this label?", False),
        ("Label this as", False),
        ("Review", False),
        ("Undo", False),
        ("Today", False),
    ]
    today = TodayView(total_minutes=5)
    front.show(block_start=START, labels=WAITING, today=today)
    assert top()[1:6] == [
        ("Why this label?", True),
        ("Label this as (since 08:40)", True),
        ("Review (7)", True),
        (f"Undo “Build {FROM_TO}”", True),
        ("Today", True),
    ]
    assert len(top()) == len(before)


def test_a_click_on_a_label_without_a_block_says_nothing(front: Front) -> None:
    front.click("Label this as/Build")
    assert front.sent == []


def test_label_this_as_shows_the_most_used_first_and_labels_the_block_the_menu_showed(front: Front) -> None:
    front.show(block_start=START, labels=WAITING)
    entries = [(name, item) for name, item in front.entries() if name.startswith("Label this as (since 08:40)/")]
    assert [name.partition("/")[2] for name, _ in entries] == list(ORDER)
    front.show(block_start=NOW)  # the next block has begun while the menu was open
    entries[0][1](None)
    assert front.sent == [LabelBlock(START, "Debug", NOW)]


def test_review_offers_the_guess_the_other_labels_and_skip(front: Front) -> None:
    front.show(labels=WAITING)
    block = f"Review (7)/{FROM_TO}  Build? 48 %"
    offered = [name.removeprefix(f"{block}/") for name, _ in front.entries() if name.startswith(f"{block}/")]
    assert offered == ["Yes, Build", *(label for label in ORDER if label != "Build"), "Skip"]
    front.click(f"{block}/Yes, Build")
    front.click(f"{block}/Write")
    front.click(f"{block}/Skip")
    assert front.sent == [
        AnswerRequest("one", "Build", NOW), AnswerRequest("one", "Write", NOW), SkipRequest("one", NOW),
    ]  # fmt: skip
    away = [name for name, _ in front.entries() if "Away?/" in name]
    assert [name.rpartition("/")[2] for name in away][2:4] == ["Meeting", "Break"]


def test_learning_shows_what_can_be_done_and_how_far_a_training_is(front: Front) -> None:
    def offered() -> list[str]:
        return [name for name, item in front.entries() if name.startswith("Prediction Model") and item.enabled][3:]

    front.show(learning=LearningView(can_retrain=True, can_roll_back=True))
    assert offered() == ["Prediction Model/Retrain now", "Prediction Model/Roll back", "Prediction Model/Status"]
    front.click("Prediction Model/Retrain now")
    front.click("Prediction Model/Roll back")
    front.show(learning=LearningView(training_percent=40))
    title = "Prediction Model — retraining 40 %"
    assert offered() == [f"{title}/Stop retraining", f"{title}/Status"]
    front.click(f"{title}/Stop retraining")
    assert front.sent == [RetrainNow(), RollBack(), StopRetraining()]


def test_undo(front: Front) -> None:
    front.show(labels=WAITING)
    front.click(f"Undo “Build {FROM_TO}”")
    assert front.sent == [UndoLabel(NOW)]


def test_what_an_answer_has_changed_stands_below_undo_and_cannot_be_clicked(front: Front) -> None:
    line = "Learnt from your answer: 37 minutes of today changed"
    assert line not in [name for name, _ in front.entries()]
    front.show(labels=WAITING, learning=LearningView(learnt=line))
    names = [name for name, _ in front.entries()]
    assert names[names.index(line) - 1] == f"Undo “Build {FROM_TO}”"
    assert not front.item(line).enabled


def test_ask_me_shows_how_it_stands_and_switches_back_on(front: Front) -> None:
    assert front.item("Ask me/On").checked
    snoozed = AskingState(snoozed_until=NOW + timedelta(minutes=30))
    front.show(labels=LabelView(asking=snoozed, is_silent=True))
    assert not front.item("Ask me/On").checked
    assert front.item("Ask me/Snooze 1 hour").checked
    assert not front.item("Ask me/Not again today").checked
    front.click("Ask me/On")
    assert front.sent == [SetAsking("on", NOW)]
    front.show(labels=LabelView(asking=AskingState(is_on=False), is_silent=True))
    assert not front.item("Ask me/Snooze 1 hour").enabled


def test_no_enabled_entry_is_dead(front: Front) -> None:
    front.show(
        is_paused=True,
        banner="Simulated person",
        block_start=START,
        labels=WAITING,
        learning=LearningView(can_retrain=True, can_roll_back=True, training_percent=3),
    )
    for name, item in front.entries():
        if item.submenu is None and item.enabled:
            before = len(front.sent) + front.quits
            item(None)
            assert len(front.sent) + front.quits == before + 1, name


def test_quit(front: Front) -> None:
    front.click("Quit")
    assert front.quits == 1
    assert front.sent == []


def test_what_cannot_be_done_is_disabled(front: Front) -> None:
    assert not front.item("Prediction Model/bad — is damaged").enabled
    assert not front.item("Pause/Resume").enabled
    front.show(is_paused=True)
    assert front.item("Pause/Resume").enabled
    front.show(models=())
    assert not front.item("Prediction Model/No model found").enabled


def test_start_at_login_is_a_switch(front: Front) -> None:
    assert not front.item("Advanced/Start at login").checked
    front.click("Advanced/Start at login")
    front.show(starts_at_login=True)
    assert front.item("Advanced/Start at login").checked
    front.click("Advanced/Start at login")
    assert front.sent == [StartAtLogin(True), StartAtLogin(False)]


def test_marks(front: Front) -> None:
    assert front.item("Prediction Model/good").checked
    assert front.item("Prediction Model/good").radio
    assert not front.item("Prediction Model/other").checked
    assert not front.item("Private mode").checked
    front.show(is_private=True)
    assert front.item("Private mode").checked
    front.click("Private mode")
    assert front.sent == [PrivateMode(NOW, False)]


def test_a_click_is_stamped_by_the_sources_clock_and_before_there_is_one_by_the_machines(front: Front) -> None:
    front.clock = None
    before = datetime.now(UTC)
    front.click("Private mode")
    (command,) = front.sent
    assert isinstance(command, PrivateMode)
    assert before <= command.at <= datetime.now(UTC)


def test_the_banner_shows_while_there_is_one(front: Front) -> None:
    front.show(banner="Simulated person: this is not your activity")
    (name, item), *_ = front.entries()
    assert name == "Simulated person: this is not your activity"
    assert not item.enabled
    assert item.text == name


def test_the_status_entry_carries_the_colour_of_what_shows(front: Front) -> None:
    status = front.menu.items[1]
    front.show(core_label="Build", ui_label="Build")
    assert status.swatch() == LABEL_LOOKS[CoreLabel.BUILD].color
    front.show(ui_label="Deep Work", color="#2E86DE")
    assert status.swatch() == "#2E86DE"
    front.show(state=IconState.UNSURE)
    assert status.swatch() is None
