"""Which notifier a machine gets, and the notices themselves."""

from __future__ import annotations

import logging

import pytest

from taskclf_tray.notify.base import MAX_BUTTONS, Button, Notice, Notifier
from taskclf_tray.notify.desktop import DesktopNotifierBackend
from taskclf_tray.notify.factory import DummyNotifier, choose_notifier
from taskclf_tray.notify.plyer_backend import PlyerNotifier
from tests.support.notifier_contract import NotifierContract

BUS = {"DBUS_SESSION_BUS_ADDRESS": "unix:path=/nonexistent/bus"}


class TestDummy(NotifierContract):
    @pytest.fixture
    def notifier(self) -> Notifier:
        return DummyNotifier()

    def test_the_title_is_logged(self, notifier: Notifier, caplog: pytest.LogCaptureFixture) -> None:
        with caplog.at_level(logging.INFO):
            notifier.notify(Notice("The policy is wrong.", "models/inference_policy.json"))
        assert [record.getMessage() for record in caplog.records] == ["no notifications here: The policy is wrong."]

    def test_what_nobody_saw_is_not_remembered(self, notifier: Notifier) -> None:
        notifier.notify(Notice("Title", "", (Button("Yes", "yes"),), tag="block"))
        notifier.withdraw("block")
        assert not notifier._open


@pytest.mark.parametrize(
    ("enabled", "platform", "environment", "expected", "why"),
    [
        (True, "linux", BUS, DesktopNotifierBackend, "own service"),
        (True, "linux", {}, DummyNotifier, "DBUS_SESSION_BUS_ADDRESS"),
        (False, "linux", BUS, DummyNotifier, "notifications_enabled"),
        (True, "win32", {}, DesktopNotifierBackend, "own service"),
        (
            True,
            "darwin",
            {},
            DummyNotifier,
            "bundles only, and this program is none, and plyer needs the package pyobjus",
        ),
    ],
)
def test_the_choice_and_its_reason(
    enabled: bool, platform: str, environment: dict[str, str], expected: type[Notifier], why: str
) -> None:
    choice = choose_notifier(enabled=enabled, platform=platform, environment=environment)
    assert type(choice.notifier) is expected
    assert why in choice.reason
    choice.notifier.close()


class Installed:
    """Stands in for `find_spec`: only these packages are installed."""

    def __init__(self, *names: str) -> None:
        self._names = names

    def __call__(self, name: str) -> str | None:
        return name if name in self._names else None


@pytest.mark.parametrize(
    ("installed", "platform", "path", "expected", "why"),
    [
        (("plyer",), "linux", "/usr/bin", PlyerNotifier, "desktop-notifier is not installed, so plyer shows them"),
        (("plyer",), "linux", "/nonexistent", DummyNotifier, "and plyer needs the program notify-send"),
        (("plyer", "dbus"), "linux", "/nonexistent", PlyerNotifier, "without buttons"),
        ((), "linux", "/usr/bin", DummyNotifier, "desktop-notifier is not installed, and plyer is not installed, so"),
        (("plyer",), "win32", "", PlyerNotifier, "without buttons"),
        (("desktop_notifier", "plyer", "pyobjus"), "darwin", "", PlyerNotifier, "bundles"),
        (("desktop_notifier", "plyer"), "darwin", "", DummyNotifier, "pyobjus"),
        (("plyer",), "sunos5", "/usr/bin", DummyNotifier, "does not know this platform"),
    ],
)
def test_what_is_not_installed(
    monkeypatch: pytest.MonkeyPatch,
    installed: tuple[str, ...],
    platform: str,
    path: str,
    expected: type[Notifier],
    why: str,
) -> None:
    for module in ("factory", "plyer_backend"):
        monkeypatch.setattr(f"taskclf_tray.notify.{module}.find_spec", Installed(*installed))
    choice = choose_notifier(platform=platform, environment={**BUS, "PATH": path})
    assert type(choice.notifier) is expected
    assert why in choice.reason
    choice.notifier.close()


def test_a_mac_bundle_gets_the_real_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", "/Applications/Taskclf.app/Contents/MacOS/taskclf-tray")
    choice = choose_notifier(platform="darwin", environment={})
    assert isinstance(choice.notifier, DesktopNotifierBackend)
    choice.notifier.close()


@pytest.mark.parametrize("key", ["", "default", "dismissed", "closed_early", "two words", "inline-reply"])
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
