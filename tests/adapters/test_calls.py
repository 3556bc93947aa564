"""Which windows are calls: programs by their id, pages by their title."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from taskclf_tray.adapters.apps import AppRegistry
from taskclf_tray.adapters.base import Stream
from taskclf_tray.adapters.calls import CALL_APP_IDS, CALL_TITLE_BEGINNINGS, CALL_TITLES, is_call_title
from taskclf_tray.adapters.normalise import Normaliser
from taskclf_tray.adapters.raw import RawEvent
from taskclf_tray.core.time import to_us
from taskclf_tray.core.types import AWEvent

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    "name",
    [
        "ms-teams.exe", "Teams.exe", "Microsoft Teams", "teams-for-linux", "Slack.exe", "slack", "Discord.exe",
        "vesktop", "mumble", "Jami",
        "Zoom.exe", "zoom.us", "CptHost.exe", "Webex.exe", "CiscoCollabHost.exe", "Skype.exe", "lync.exe", "FaceTime",
        "Signal.exe", "Telegram.exe", "WhatsApp.Root.exe", "LINE", "Element", "Mattermost.exe", "Google Meet",
    ],
)  # fmt: skip
def test_programs_for_calls(name: str) -> None:
    assert AppRegistry.default().lookup(name).is_call


@pytest.mark.parametrize(
    "name", ["code.exe", "chrome.exe", "Mail", "hexchat", "irssi", "spotify", "Messages", "nobody-knows"]
)
def test_programs_without_calls(name: str) -> None:
    assert not AppRegistry.default().lookup(name).is_call


def test_a_program_installed_for_video_conferences_is_one() -> None:
    registry = AppRegistry({}, lambda: {"brave-new-talk": "meeting"})
    assert registry.lookup("Brave-New-Talk").is_call
    assert not registry.lookup("something else").is_call


def test_every_id_of_the_table_is_in_the_registry() -> None:
    registry = AppRegistry.default()
    assert {app_id for app_id in CALL_APP_IDS if registry.common_name(app_id) is None} == set()


@pytest.mark.parametrize(
    "title",
    [
        "Meet - abc-defg-hij - Google Chrome",
        "Meet – Weekly planning – Google Chrome – Sam (Work)",
        "🔴 Meet - abc-defg-hij",
        "Planning - Google Meet",
        "Weekly planning | Microsoft Teams - Google Chrome",
        "(3) Chat | Sam | Microsoft Teams — Mozilla Firefox",
        "Microsoft Teams (work or school)",
        "MICROSOFT TEAMS - Personal - Microsoft\u200b Edge",
        "Zoom Meeting 40-Minutes",
        "Launch Meeting - Zoom - Google Chrome",
        "Huddle with Sam - Acme - Slack",
        "* general (Channel) - Acme - Slack — Mozilla Firefox",
        "• Discord | #general | Acme",
        "\u200e(12) WhatsApp",
        "Standup | Jitsi Meet",
        "Standup · Whereby",
        "BigBlueButton - Lecture 7",
        "FaceTime",
        "Ｇｏｏｇｌｅ　Ｍｅｅｔ",
    ],
)  # fmt: skip
def test_titles_of_calls(title: str) -> None:
    assert window(title).is_call


@pytest.mark.parametrize(
    "title",
    [
        "", "unknown", "Meet the team - Acme", "Meetings this week - Calendar", "- | -",
        "Microsoft Teams documentation | Microsoft Learn", "Zoom lenses compared - Shop", "How to slack off - Forum",
        "Discordant notes - Blog", "Webexample - Docs",
        "We should meet - Inbox", "Signals and systems - PDF",
    ],
)  # fmt: skip
def test_other_titles(title: str) -> None:
    assert not window(title).is_call


def window(title: str, app: str = "firefox") -> AWEvent:
    raw = RawEvent(to_us(START), 60_000_000, {"app": app, "title": title}, 1)
    events = Normaliser("0" * 64).events(START, START + timedelta(minutes=1), {Stream.WINDOW: [raw]})
    return events.window[0]


def test_of_a_known_program_without_pages_the_title_says_nothing() -> None:
    assert not window("Zoom Meeting - Notes.docx", "winword.exe").is_call
    assert not window("vim zoom", "xterm").is_call
    assert window("Zoom Meeting", "some-wrapper").is_call
    assert window("WhatsApp", "ApplicationFrameHost.exe").is_call
    assert not window("Settings", "ApplicationFrameHost.exe").is_call
    assert not window("Notes", "some-wrapper").is_call


def test_the_title_is_in_no_event() -> None:
    assert "planning" not in repr(window("Secret planning | Microsoft Teams")).lower()


def test_the_tables_are_written_as_they_are_compared() -> None:
    for word in (*CALL_TITLES, *CALL_TITLE_BEGINNINGS):
        assert word == word.casefold() == " ".join(word.split()), word
        assert is_call_title(f"x | {word}"), word


def test_a_bounded_part_of_a_title_is_looked_at() -> None:
    """The service is found at either end, and a hostile title costs no more than one of a thousand characters."""
    assert is_call_title("Google Meet - " + "x" * 100_000)
    assert is_call_title("x" * 100_000 + " | Microsoft Teams")
    assert not is_call_title("x" * 100_000 + " | Zoom | " + "x" * 100_000)
