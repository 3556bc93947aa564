"""Which notifier a machine gets, and the notices themselves."""

from __future__ import annotations

import logging

import pytest

from taskclf_tray.ui.notify.base import MAX_BUTTONS, Button, Notice, Notifier
from taskclf_tray.ui.notify.desktop import DesktopNotifierBackend
from taskclf_tray.ui.notify.dummy import DummyNotifier
from taskclf_tray.ui.notify.factory import choose_notifier
from tests.ui.notifier_contract import NotifierContract

BUS = {"DBUS_SESSION_BUS_ADDRESS": "unix:path=/nonexistent/bus"}


class TestDummy(NotifierContract):
    @pytest.fixture
    def notifier(self) -> Notifier:
        return DummyNotifier()

    def test_the_title_is_logged(self, notifier: Notifier, caplog: pytest.LogCaptureFixture) -> None:
        with caplog.at_level(logging.INFO):
            notifier.notify(Notice("The policy is wrong.", "models/inference_policy.json"))
        assert [record.getMessage() for record in caplog.records] == ["no notifications here: The policy is wrong."]


@pytest.mark.parametrize(
    ("enabled", "platform", "environment", "expected", "why"),
    [
        (True, "linux", BUS, DesktopNotifierBackend, "own service"),
        (True, "linux", {}, DummyNotifier, "DBUS_SESSION_BUS_ADDRESS"),
        (False, "linux", BUS, DummyNotifier, "notifications_enabled"),
        (True, "win32", {}, DesktopNotifierBackend, "own service"),
        (True, "darwin", {}, DummyNotifier, "bundles"),
    ],
)
def test_the_choice_and_its_reason(
    enabled: bool, platform: str, environment: dict[str, str], expected: type[Notifier], why: str
) -> None:
    choice = choose_notifier(enabled=enabled, platform=platform, environment=environment)
    assert type(choice.notifier) is expected
    assert why in choice.reason
    choice.notifier.close()


def test_an_uninstalled_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("taskclf_tray.ui.notify.factory.find_spec", lambda name: None)
    choice = choose_notifier(platform="linux", environment=BUS)
    assert isinstance(choice.notifier, DummyNotifier)
    assert "desktop-notifier" in choice.reason


def test_a_mac_bundle_gets_the_real_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", "/Applications/Taskclf.app/Contents/MacOS/taskclf-tray")
    choice = choose_notifier(platform="darwin", environment={})
    assert isinstance(choice.notifier, DesktopNotifierBackend)
    choice.notifier.close()


@pytest.mark.parametrize("key", ["", "default", "dismissed", "two words", "inline-reply"])
def test_a_button_needs_a_usable_key(key: str) -> None:
    with pytest.raises(ValueError, match="key"):
        Button("Yes", key)


def test_a_notice_with_buttons_has_a_tag() -> None:
    with pytest.raises(ValueError, match="tag"):
        Notice("Title", "", (Button("Yes", "yes"),))


def test_a_notice_refuses_doubled_and_too_many_buttons() -> None:
    with pytest.raises(ValueError, match="own key"):
        Notice("Title", "", (Button("Yes", "same"), Button("No", "same")), tag="t")
    with pytest.raises(ValueError, match="at most"):
        Notice("Title", "", tuple(Button("Yes", f"key{number}") for number in range(MAX_BUTTONS + 1)), tag="t")
