"""A question on a real desktop: xfce4-notifyd draws it, a real click on a button answers it."""

from __future__ import annotations

import queue
from collections.abc import Iterator
from pathlib import Path

import pytest

from taskclf_tray.notify.base import DISMISSED, Button, Notice, Notifier, NotifyCapability
from taskclf_tray.notify.desktop import DesktopNotifierBackend
from tests.support.desktop import Desktop, desktop
from tests.support.notify_rig import Presses, nothing_more
from tests.support.notifyd_desktop import NotifydHand, xfce_notifyd
from tests.support.processes import ROOT

pytestmark = [pytest.mark.desktop, pytest.mark.bus]
BUTTONS = (Button("Build", "build"), Button("Debug", "debug"), Button("Other…", "other"), Button("Skip", "skip"))
TITLES = [button.title for button in BUTTONS]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desktop]:
    with desktop(tmp_path / "home") as running:
        yield running


@pytest.fixture
def hand(desk: Desktop) -> Iterator[NotifydHand]:
    with xfce_notifyd(desk) as running:
        yield running


@pytest.fixture
def presses() -> Presses:
    return queue.Queue()


@pytest.fixture
def notifier(desk: Desktop, presses: Presses, monkeypatch: pytest.MonkeyPatch) -> Iterator[Notifier]:
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", desk.bus.address)
    backend = DesktopNotifierBackend(lambda tag, key: presses.put((tag, key)))
    yield backend
    backend.close()


def test_a_question_is_answered_with_the_mouse(
    desk: Desktop, hand: NotifydHand, notifier: Notifier, presses: Presses
) -> None:
    assert NotifyCapability.BUTTONS in notifier.capabilities
    assert notifier.notify(Notice("14:05–14:25: Build?", "R&D <now>, and “quotes”.", BUTTONS, tag="first"))
    hand.wait_for_buttons(TITLES)
    shots = ROOT / ".artefacts"
    shots.mkdir(exist_ok=True)
    desk.screenshot(shots / "ask-xfce.png")
    hand.click("Build", TITLES)
    assert presses.get(timeout=120) == ("first", "build")
    hand.wait_until_gone()

    notifier.notify(Notice("14:30–14:50: Debug?", "", BUTTONS, tag="second"))
    hand.click("Skip", TITLES)
    assert presses.get(timeout=120) == ("second", "skip")
    hand.wait_until_gone()

    notifier.notify(Notice("15:00–15:20: Build?", "", BUTTONS, tag="third"))
    hand.wait_for_buttons(TITLES)
    hand.click_beside()
    assert presses.get(timeout=120) == ("third", DISMISSED)  # a click on this service's notice closes it
    hand.wait_until_gone()

    notifier.notify(Notice("15:30–15:50: Build?", "", BUTTONS, tag="fourth"))
    hand.wait_for_buttons(TITLES)
    notifier.withdraw("fourth")
    hand.wait_until_gone()
    assert nothing_more(presses)
