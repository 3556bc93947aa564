"""“Label this as” and `labels now` mean the same time: from the last change of window or return to the keyboard on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from taskclf_tray.app import text
from taskclf_tray.app.commands import Pause, PrivateMode, Resume
from tests.support.desk import Desk, desk_in
from tests.support.events import at


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with desk_in(tmp_path) as desk:
        yield desk


def starts(desk: Desk) -> float | None:
    """Where the block begins, in the tray and, the same, in a command."""
    desk.look()
    assert desk.command_starts() == desk.tray_starts()
    return desk.tray_starts()


def alone(desk: Desk) -> float | None:
    """Where the block begins for a command once the app has ended."""
    desk.stop()
    return desk.command_starts()


def test_a_run_of_one_label(desk: Desk) -> None:
    desk.work("edit", 600, every=30)
    assert starts(desk) == 0
    assert alone(desk) == 0


def test_the_entry_shows_the_time(desk: Desk) -> None:
    shown = desk.work("edit", 600, every=60)
    assert text.menu_label(shown.block_start) == f"Label this as (since {text.clock(at(0))})"


def test_a_missing_minute_ends_the_block(desk: Desk) -> None:
    desk.work("edit", 300, every=30)
    desk.poll(130, every=30)  # no window at all: two minutes without a record
    desk.work("edit", 20)
    assert starts(desk) == 430  # before the missing minutes are finalised
    desk.work("edit", 300, every=30)
    assert starts(desk) == 430
    assert alone(desk) == 420  # the minute


def test_a_gap(desk: Desk) -> None:
    desk.work("edit", 300, every=30)
    desk.poll(1800, every=60)
    desk.work("edit", 200, every=10)
    assert starts(desk) == 2100
    assert alone(desk) == 2100


def test_after_a_pause_and_private_mode(desk: Desk) -> None:
    desk.work("edit", 301, every=30)
    desk.session.apply_privacy(Pause(desk.clock.now(), 60))
    assert starts(desk) is None
    desk.sit("edit", 900)
    desk.clock.advance(20)
    desk.session.apply_privacy(Resume(desk.clock.now()))
    desk.poll(10)
    assert starts(desk) == 321
    desk.poll(100, every=20)
    desk.session.apply_privacy(PrivateMode(desk.clock.now(), True))
    assert starts(desk) is None
    assert alone(desk) is None


def test_it_is_cut_every_half_hour(desk: Desk) -> None:
    desk.work("edit", 1795, every=60)
    assert starts(desk) == 0
    desk.work("edit", 5)
    assert starts(desk) == 0  # just full
    desk.work("edit", 600, every=60)
    assert starts(desk) == 1800
    assert alone(desk) == 1800


def test_right_after_a_switch_it_is_the_new_work_though_the_live_label_lags(desk: Desk) -> None:
    desk.work("edit", 600, every=60)
    desk.model.label = "Communicate"
    desk.work("talk", 130)
    assert starts(desk) == 600
    desk.work("web", 10)  # still Communicate
    assert starts(desk) == 730
    desk.work("web", 5)
    desk.model.label = "ReadResearch"
    desk.work("web", 5)
    assert starts(desk) == 730
    desk.work("web", 200, every=20)
    assert starts(desk) == 730
    assert alone(desk) == 720


def test_a_switch_counts_without_a_change_of_label_too(desk: Desk) -> None:
    desk.work("edit", 600, every=60)
    desk.work("web", 65)
    assert starts(desk) == 600


@pytest.mark.parametrize("seconds", [3, 10, 170])
def test_a_short_look_elsewhere_is_part_of_the_block(desk: Desk, seconds: int) -> None:
    desk.work("edit", 600, every=60)
    desk.work("web", seconds)
    assert starts(desk) == 600
    desk.work("edit", 5)
    assert starts(desk) == 0


def test_three_minutes_elsewhere_are_not(desk: Desk) -> None:
    desk.work("edit", 600, every=60)
    desk.work("web", 180)
    desk.work("edit", 5)
    assert starts(desk) == 780


def test_back_and_forth_is_one_block(desk: Desk) -> None:
    desk.work("edit", 300, every=60)
    for _ in range(8):
        desk.work("web", 30, every=15)
        desk.work("edit", 30, every=15)
    assert starts(desk) == 0
    desk.work("web", 5)
    assert starts(desk) == 300  # since the browser first came up


def test_what_filled_the_block_from_its_beginning_was_no_short_look(desk: Desk) -> None:
    """Two minutes of chat between two times in the browser, and the live label is still the chat's."""
    desk.model.label = "ReadResearch"
    desk.work("web", 900, every=60)
    desk.model.label = "Communicate"
    desk.work("talk", 120)
    assert starts(desk) == 900
    desk.work("web", 10)
    assert starts(desk) == 1020


def test_the_return_to_the_keyboard(desk: Desk) -> None:
    desk.source.gone = [(600, 1500)]
    desk.sit("edit", 2400)
    desk.poll(1400, every=60)
    assert starts(desk) is None  # away
    assert alone(desk) is None
    desk.start()
    desk.poll(125, every=5)
    assert starts(desk) == 1500
    desk.poll(400, every=60)
    assert starts(desk) == 1500
    assert alone(desk) == 1500


def test_four_minutes_away_are_away_too(desk: Desk) -> None:
    desk.source.gone = [(600, 840)]
    desk.sit("edit", 1200)
    desk.poll(865, every=20)
    assert starts(desk) == 840


@pytest.mark.parametrize("seconds", [240, 1200])
def test_who_listens_was_not_away(desk: Desk, seconds: int) -> None:
    desk.model.label = "Meet"
    desk.source.gone = [(600, 600 + seconds)]
    desk.sit("meet", 3000)
    desk.poll(620 + seconds, every=20)
    assert starts(desk) == (0 if 620 + seconds <= 1800 else 1800)


def test_a_command_typed_in_a_terminal_means_the_work_before_it(desk: Desk) -> None:
    """The terminal has come to the front for nothing but the command; after a minute it is work."""
    desk.model.label = "ReadResearch"
    desk.work("web", 300, every=60)
    desk.model.label = "Build"
    desk.work("shell", 40)
    assert desk.tray_starts() == 300
    assert desk.command_starts() == 0
    desk.work("shell", 20)
    assert starts(desk) == 300
    desk.work("web", 10)
    desk.source.gone = [(370, 900)]
    desk.sit("web", 530)
    desk.poll(530, every=30)
    desk.work("shell", 10)  # back, and at once in the terminal: nobody was there before
    assert starts(desk) == 900


def test_a_restart_changes_nothing(desk: Desk) -> None:
    desk.work("edit", 900, every=60)
    desk.work("web", 10)
    desk.work("edit", 100, every=20)
    assert starts(desk) == 0
    desk.stop()
    desk.start()
    assert desk.command_starts() == 0
    assert starts(desk) == 0


def test_the_note_of_a_program_that_was_killed_means_nothing_later(desk: Desk) -> None:
    desk.work("edit", 600, every=60)
    assert desk.command_starts() == 0
    desk.kill()
    desk.clock.advance(540)
    assert desk.command_starts() == 0
    desk.clock.advance(3600)
    assert desk.command_starts() is None
    desk.start()
    desk.work("talk", 300, every=60)
    assert starts(desk) == 4740
    assert desk.command_starts() == 4740
