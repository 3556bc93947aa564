"""A question on real desktops: Xfce and LXQt draw it, and a real click on a button answers it."""

from __future__ import annotations

import queue
from collections.abc import Iterator
from pathlib import Path

import pytest

from taskclf_tray.notify.base import DISMISSED, Button, Notice, Notifier, NotifyCapability
from taskclf_tray.notify.desktop import DesktopNotifierBackend
from taskclf_tray.system.attention import Attention, attention_now
from tests.support.desktop import Desktop, desktop
from tests.support.notify_rig import Presses, nothing_more
from tests.support.notifyd_desktop import NotifydHand, lxqt_notifyd, xfce_notifyd
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


def test_lxqt_reports_the_button_that_was_clicked(
    tmp_path: Path, presses: Presses, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With one action more this service draws a list, and with a click on the notice reports the entry before."""
    buttons, titles = BUTTONS[:3], TITLES[:3]
    with desktop(tmp_path / "home", panel=False) as desk, lxqt_notifyd(desk) as hand:
        monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", desk.bus.address)
        notifier = DesktopNotifierBackend(lambda tag, key: presses.put((tag, key)))
        try:
            for button in buttons[:2]:
                assert notifier.notify(Notice("14:05–14:25: Build?", f"Click {button.title}.", buttons, tag=button.key))
                hand.click(button.title, titles)
                assert presses.get(timeout=120) == (button.key, button.key)
                desk.point(10, 10)  # the notice leaves with the mouse
                hand.wait_until_gone()
            assert attention_now(desk.env, "linux") == Attention()
            (tmp_path / "home/.config/lxqt/notifications.conf").write_text("[General]\ndoNotDisturb=true\n")
            assert attention_now(desk.env, "linux") == Attention(is_do_not_disturb=True)
        finally:
            notifier.close()
