"""A question on a Wayland desktop whose service, mako, draws no buttons."""

from __future__ import annotations

import queue
import subprocess
from pathlib import Path

import pytest

from taskclf_tray.notify.base import CLICKED, Button, Notice, NotifyCapability
from taskclf_tray.notify.desktop import DesktopNotifierBackend
from taskclf_tray.system.attention import Attention, Sense, attention_now, senses_now
from tests.support.dbus_bus import private_bus
from tests.support.notifyd_desktop import notification_service
from tests.support.processes import wait_until
from tests.support.sway import sway

pytestmark = [pytest.mark.desktop, pytest.mark.bus]


def test_mako_takes_the_click_and_tells_of_its_modes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    presses: queue.Queue[tuple[str, str]] = queue.Queue()
    config = tmp_path / "mako" / "config"
    config.parent.mkdir()
    config.write_text("[mode=do-not-disturb]\ninvisible=1\n")

    def makoctl(*words: str) -> str:
        return subprocess.run(
            ["makoctl", *words], env=env, capture_output=True, text=True, timeout=240, check=True
        ).stdout

    with sway() as variables, private_bus() as bus:
        env = {**bus.env, **variables, "XDG_CONFIG_HOME": str(tmp_path)}
        monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", bus.address)
        notifier = DesktopNotifierBackend(lambda tag, key: presses.put((tag, key)))
        with notification_service(["mako"], env):
            try:
                assert {NotifyCapability.BUTTONS, NotifyCapability.CLICK} & notifier.capabilities == {
                    NotifyCapability.CLICK
                }
                question = Notice("14:05–14:25: Build?", "", (Button("Build", "build"),), tag="block", stays_seconds=60)
                assert notifier.notify(question)
                wait_until(lambda: "Build?" in makoctl("list"), "the notice")
                makoctl("invoke")  # the click on a notice
                assert presses.get(timeout=120) == ("block", CLICKED)

                assert Sense.DO_NOT_DISTURB in senses_now(env, "linux")
                assert attention_now(env, "linux") == Attention()
                makoctl("mode", "-s", "do-not-disturb")
                assert attention_now(env, "linux") == Attention(is_do_not_disturb=True)
            finally:
                notifier.close()
