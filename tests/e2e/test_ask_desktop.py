"""Asked and answered on a real desktop: xfce4-panel, xfce4-notifyd, a real mouse, and pictures that are kept."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from taskclf_tray.app.questions import label_of_key, question_notice
from taskclf_tray.notify.base import Button
from taskclf_tray.store.requests import LabelRequest
from tests.support.demo_home import FAST, DemoHome, entry_with
from tests.support.desktop import Desktop, desktop
from tests.support.notifyd_desktop import NotifydHand, xfce_notifyd
from tests.support.processes import ROOT, allowed, python_child, wait_until
from tests.support.sni_driver import TrayClient

pytestmark = [pytest.mark.desktop, pytest.mark.bus]
ARTEFACTS = ROOT / ".artefacts"
ICON = (14, 16)
SEEN_SECONDS = 1.0
"""So soon after the click the label is to be seen."""


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desktop]:
    with desktop(tmp_path / "desk") as running:
        yield running


@pytest.fixture
def hand(desk: Desktop) -> Iterator[NotifydHand]:
    with xfce_notifyd(desk) as running:
        yield running


def first_question(home: DemoHome, tray: TrayClient) -> LabelRequest:
    wait_until(lambda: entry_with(tray, "Label this as (since "), "a block", 30)
    asked = wait_until(home.asks, "a question", 90)
    return next(request for request in home.requests() if request.request_id == asked[0].request_id)


def buttons_of(request: LabelRequest) -> tuple[Button, ...]:
    return question_notice(request, has_buttons=True, is_first=True, app=None).buttons


def steps_to(tray: TrayClient, label: str) -> int:
    """How often Down is pressed until the entry is chosen: what cannot be clicked is passed over."""
    shown = [entry for depth, entry in tray.menu().walk() if depth == 0 and entry.label]
    labels = [entry.label for entry in shown if entry.properties.get("enabled", True)]
    return labels.index(label) + 1


def one_below_another(pictures: list[Path], target: Path) -> None:
    """All pictures in one file."""
    images = [Image.open(path).convert("RGB") for path in pictures]
    sheet = Image.new("RGB", (max(i.width for i in images), sum(i.height for i in images)))
    top = 0
    for image in images:
        sheet.paste(image, (0, top))
        top += image.height
        image.close()
    target.parent.mkdir(exist_ok=True)
    sheet.save(target)


def test_a_question_is_answered_with_the_mouse_and_taken_back(desk: Desktop, hand: NotifydHand, tmp_path: Path) -> None:
    home = DemoHome(tmp_path / "home")
    env = desk.env | {"TASKCLF_HOME": str(tmp_path / "home")}
    with python_child("taskclf_tray", FAST, env) as app, TrayClient(env) as tray:
        request = first_question(home, tray)
        buttons = buttons_of(request)
        titles = [button.title for button in buttons]
        answer, label = next((b.title, label) for b in buttons if (label := label_of_key(b.key)) is not None)
        hand.wait_for_buttons(titles)
        before = desk.screenshot(tmp_path / "before.png")

        hand.click(answer, titles)
        began = time.monotonic()
        undo = wait_until(lambda: entry_with(tray, "Undo “"), "Undo")
        assert time.monotonic() - began < allowed(SEEN_SECONDS)
        (span,) = home.spans()
        assert (span.start_us, span.end_us, span.provenance) == (request.start_us, request.end_us, "answer")
        assert span.label == label
        assert home.asks()[0].outcome == "answered"
        assert label in undo

        hand.wait_until_gone()
        bare, after = desk.pixels(tmp_path / "bare.png"), tmp_path / "after.png"
        desk.click(*ICON, button=3)
        menu = desk.pixels_after(bare, after)
        desk.keys(*["Down"] * steps_to(tray, undo))
        desk.pixels_after(menu, after)
        one_below_another([before, after], ARTEFACTS / "ask-desktop.png")

        desk.keys("Return")
        wait_until(lambda: not home.spans(), "the label is taken back")
        wait_until(lambda: not entry_with(tray, "Undo “"), "no Undo")
        assert any(r.request_id == request.request_id and r.status == "pending" for r in home.requests())
        tray.click("Quit")
        assert app.wait(120) == 0
