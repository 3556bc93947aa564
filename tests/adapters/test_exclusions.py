"""What the person excludes stays out, by whatever name a watcher reports it and however slow a pattern is."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
import regex
from hypothesis import example, given
from hypothesis import strategies as st

from taskclf_tray.adapters import exclusions
from taskclf_tray.adapters.apps import AppRegistry
from taskclf_tray.adapters.base import Stream
from taskclf_tray.adapters.exclusions import Exclusions, names_covered
from taskclf_tray.adapters.normalise import Normaliser
from taskclf_tray.adapters.raw import RawEvent
from taskclf_tray.core.errors import ConfigError
from taskclf_tray.core.time import to_us
from tests.support.examples import examples

START = datetime(2026, 3, 2, 9, tzinfo=UTC)
REGISTRY = AppRegistry.default()


@pytest.mark.parametrize(
    ("entry", "names"),
    [
        ("KeePassXC", ["keepassxc", "KeePassXC.exe", "org.keepassxc.KeePassXC", "keepassxc-bin", "KeePassXC.AppImage"]),
        ("org.keepassxc.KeePassXC", ["KeePassXC", "keepassxc.exe"]),
        ("keepassxc.exe", ["org.keepassxc.KeePassXC", " KEEPASSXC "]),
        ("Telegram", ["TelegramDesktop", "org.telegram.desktop", "telegram-desktop"]),
        ("Signal", ["org.signal.Signal", "signal-desktop"]),
        ("Slack", ["com.slack.Slack", "slack.exe"]),
        ("Firefox", ["org.mozilla.firefox", "firefox-esr", "Firefox Developer Edition"]),
        ("Discord", ["com.discordapp.Discord", "discord-canary"]),
        ("My Own Tool", ["my-own-tool", "org.example.my_own_tool.exe", "MyOwnTool"]),
    ],
)
def test_an_entry_covers_every_name_of_its_program(entry: str, names: list[str]) -> None:
    excluded = Exclusions(REGISTRY, [entry])
    assert [name for name in names if not excluded.has_app(name)] == []
    assert not any(excluded.has_app(name) for name in ("gedit", "LibreOffice Writer", "unknown", ""))


def test_what_is_not_excluded_is_kept() -> None:
    nothing = Exclusions(REGISTRY, ["", "  ", "::"])
    assert not any(nothing.has_app(name) for name in ("Code", "", "KeePassXC"))
    assert not nothing.has_title("anything")


def test_an_entry_is_explained_by_the_names_it_covers() -> None:
    assert "org.keepassxc.keepassxc" in names_covered(REGISTRY, "KeePassXC")
    assert names_covered(REGISTRY, "a program nobody knows") == []


@examples(100)
@given(st.text(max_size=60))
@example(".BIN")
@example("-bin")
@example("unknown.")
@example(".exe.exe")
def test_every_entry_covers_itself_as_a_name(name: str) -> None:
    excluded = Exclusions(REGISTRY, [name])
    if any(character.isalnum() for character in exclusions.clean_name(name).removesuffix(".exe")):
        assert excluded.has_app(name)
        assert excluded.has_app(f"{name.rstrip()}.exe") or name.rstrip().lower().endswith(".exe")


def test_a_pattern_that_is_none_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"not a regular expression"):
        Exclusions(REGISTRY, patterns=["(bank"])


def test_a_title_that_takes_too_long_is_excluded_and_a_read_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pattern is the person's, the title a web page's: neither may stop the worker or let the title through.

    Here an ordinary pattern and a long title have a limit of a nanosecond.
    """
    monkeypatch.setattr(exclusions, "SECONDS_A_TITLE", 1e-9)
    monkeypatch.setattr(exclusions, "SECONDS_A_READ", 5e-9)
    raw = [
        RawEvent(to_us(START) + number * 1_000_000, 1_000_000, {"app": "Code", "title": "word another " * 300}, number)
        for number in range(50)
    ]
    raw.append(RawEvent(to_us(START) + 50_000_000, 1_000_000, {"app": "Code", "title": "plain"}, 50))
    normaliser = Normaliser("0" * 64, exclude_title_patterns=[r"\w+\s\w+\s\d$"])
    searched = []
    pattern = normaliser._exclusions._patterns[0]
    monkeypatch.setattr(normaliser._exclusions, "_patterns", (Counted(pattern, searched),))
    events = normaliser.events(START, START.replace(hour=12), {Stream.WINDOW: raw})
    assert events.window == ()
    assert normaliser.undecided_titles == 51
    assert len(searched) == 5
    monkeypatch.undo()
    again = normaliser.events(START, START.replace(hour=12), {Stream.WINDOW: raw[-1:]})
    assert (len(again.window), normaliser.undecided_titles) == (1, 0)


class Counted:
    """A pattern that notes what it is asked."""

    def __init__(self, pattern: regex.Pattern[str], searched: list[str]) -> None:
        self._pattern = pattern
        self._searched = searched

    def search(self, title: str, timeout: float) -> object:
        self._searched.append(title)
        return self._pattern.search(title, timeout=timeout)


def test_patterns_know_every_alphabet_and_no_case() -> None:
    excluded = Exclusions(REGISTRY, patterns=[r"\bärzte\b", r"(?=.*konto).*bank"])
    assert excluded.has_title("Die ÄRZTE – Tickets")
    assert excluded.has_title("Bank: mein Konto") is (excluded.has_title("mein Konto, Bank"))
    assert not excluded.has_title("Quarzärzte")
