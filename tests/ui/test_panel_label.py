"""The label as text beside the icon: what it says, and where it stands."""

from __future__ import annotations

import pytest

from taskclf_tray.app import text
from taskclf_tray.app.snapshot import IconState, Snapshot
from taskclf_tray.app.status import panel_label_of
from taskclf_tray.core.config import PanelLabel
from taskclf_tray.ui.tray import is_label_in_panel


@pytest.mark.parametrize(
    ("setting", "desktop", "is_shown"),
    [
        ("auto", "ubuntu:GNOME", True),
        ("auto", "Budgie:GNOME", False),
        ("auto", "KDE", False),
        ("auto", "", False),
        ("always", "KDE", True),
        ("never", "GNOME", False),
    ],
)
def test_by_itself_it_stands_where_there_is_no_tooltip(setting: PanelLabel, desktop: str, is_shown: bool) -> None:
    assert is_label_in_panel(setting, {"XDG_CURRENT_DESKTOP": desktop}) is is_shown


@pytest.mark.parametrize(
    ("snapshot", "shown"),
    [
        (Snapshot(IconState.LIVE, "line", ui_label="Deep Work", core_label="Build"), "Deep Work"),
        (Snapshot(IconState.UNSURE, "line", ui_label="Mixed/Unknown", core_label="Build"), "Build?"),
        (Snapshot(IconState.UNSURE, text.NO_WINDOW, ui_label="Mixed/Unknown", core_label="Build"), ""),
        (Snapshot(IconState.AWAY, "Away since 14:05"), "Away"),
        (Snapshot(IconState.PAUSED, text.PRIVATE), "Paused"),
        (Snapshot(IconState.ATTENTION, "trouble"), ""),
    ],
)
def test_it_is_the_label_alone(snapshot: Snapshot, shown: str) -> None:
    assert panel_label_of(snapshot) == shown
