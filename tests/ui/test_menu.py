"""The menu against pystray's API: the entries of the product in their order, and none of them dead."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from taskclf_tray.core.types import CoreLabel
from taskclf_tray.ui import backend
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
from taskclf_tray.ui.icon import LABEL_LOOKS, IconState
from taskclf_tray.ui.menu import MenuBuilder
from taskclf_tray.ui.snapshot import ModelChoice, Snapshot

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
        "Pause",
        "Pause/15 minutes",
        "Pause/1 hour",
        "Pause/Until tomorrow",
        "Pause/Resume",
        "Private mode",
        "Prediction Model",
        "Prediction Model/good",
        "Prediction Model/other",
        "Prediction Model/bad — is damaged",
        "Advanced",
        "Advanced/Edit Inference Policy",
        "Advanced/Edit Config",
        "Advanced/Edit Taxonomy",
        "Advanced/Reload now",
        "Advanced/Open Data Folder",
        "Advanced/Open Log",
        "Quit",
    ]


@pytest.mark.parametrize(
    ("entry", "command"),
    [
        ("● Deep Work — Build 87 % since 14:05", TellStatus()),
        ("Pause/15 minutes", Pause(NOW, 15)),
        ("Pause/1 hour", Pause(NOW, 60)),
        ("Pause/Until tomorrow", Pause(NOW, None)),
        ("Pause/Resume", Resume(NOW)),
        ("Private mode", PrivateMode(NOW, True)),
        ("Prediction Model/good", PickModel("good")),
        ("Prediction Model/other", PickModel("other")),
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


def test_no_enabled_entry_is_dead(front: Front) -> None:
    front.show(is_paused=True, banner="Simulated person")
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
