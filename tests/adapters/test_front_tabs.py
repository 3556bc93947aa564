"""Tabs of several browsers: the program in front says whose tab counts."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from taskclf_tray.adapters.base import Stream
from taskclf_tray.adapters.browsers import browser_of_app, browser_of_bucket, tabs_in_front
from taskclf_tray.adapters.cleaning import clip
from taskclf_tray.adapters.normalise import Normaliser
from taskclf_tray.adapters.raw import RawEvent
from taskclf_tray.core.time import from_us

S = 1_000_000
SECRET = "0123456789abcdef" * 4


def tab(start: float, seconds: float, browser: str, url: str = "https://x.example", event_id: int = 0) -> RawEvent:
    return RawEvent(round(start * S), round(seconds * S), {"url": url, "title": ""}, event_id, browser)


def win(start: float, seconds: float, app: str, event_id: int = 0) -> RawEvent:
    return RawEvent(round(start * S), round(seconds * S), {"app": app, "title": ""}, event_id)


def kept(tabs: Sequence[RawEvent], windows: Sequence[RawEvent]) -> list[tuple[float, float, str]]:
    def browser_of(event: RawEvent) -> str:
        return "" if event.data["app"] == "editor" else str(event.data["app"])

    return [(t.start_us / S, t.end_us / S, t.browser) for t in tabs_in_front(tabs, windows, browser_of)]


def test_the_tabs_of_the_browser_in_front_count() -> None:
    tabs = [tab(0, 600, "chrome"), tab(0, 600, "firefox")]
    windows = [win(0, 200, "chrome"), win(200, 100, "editor"), win(300, 300, "firefox")]
    assert kept(tabs, windows) == [
        (0, 300, "chrome"),
        (200, 600, "firefox"),  # in front of an editor nothing is lost: no row asks for it there
    ]


def test_tabs_of_an_unknown_browser_are_those_of_one_without_a_bucket() -> None:
    tabs = [tab(0, 900, ""), tab(0, 100, "chrome")]
    windows = [win(0, 100, "chrome"), win(100, 200, "opera"), win(300, 600, "chrome")]
    # what Chrome's watcher said until 100 s speaks for the minutes that begin before 400 s
    assert kept(tabs, windows) == [(0, 100, "chrome"), (100, 300, ""), (420, 900, "")]


def test_a_browser_that_passes_as_another_is_heard_in_its_bucket() -> None:
    tabs = [tab(0, 600, "chrome"), tab(0, 600, "")]
    assert kept(tabs, [win(0, 600, "vivaldi")]) == [(0, 600, "chrome")]
    assert kept(tabs, [win(0, 600, "brave")]) == [(0, 600, "")]
    own = [*tabs, tab(0, 600, "vivaldi")]
    assert kept(own, [win(0, 600, "vivaldi")]) == [(0, 600, "vivaldi")]


def test_windows_that_overlap() -> None:
    tabs = [tab(0, 100, "chrome"), tab(0, 100, "firefox")]
    assert kept(tabs, [win(0, 100, "chrome"), win(40, 20, "firefox", 1)]) == [
        (0, 40, "chrome"),
        (40, 60, "firefox"),
        (60, 100, "chrome"),
    ]


def test_nothing_to_choose_changes_nothing() -> None:
    tabs = [tab(5, 9, ""), tab(0, 5, "")]
    assert tabs_in_front(tabs, [win(0, 9, "chrome")], lambda _: "chrome") == [tabs[1], tabs[0]]
    assert kept([tab(0, 9, "chrome")], [win(0, 9, "editor")]) == [(0, 9, "chrome")]
    assert kept([], [win(0, 9, "chrome")]) == []


@pytest.mark.parametrize(
    ("bucket_id", "hostname", "client", "named", "browser"),
    [
        ("aw-watcher-web-chrome", "unknown", "aw-client-web", None, "chrome"),
        ("aw-watcher-web-firefox_laptop", "laptop", "", None, "firefox"),
        ("aw-watcher-web-edge_opera-pc", "opera-pc", "", None, "edge"),
        ("aw-watcher-web_firefox-box", "firefox-box", "", None, ""),
        ("aw-watcher-web-chromium", "", "", None, "chrome"),
        ("web", "h", "aw-watcher-web-brave", None, "brave"),
        ("web", "h", "", "Vivaldi", "vivaldi"),
        ("web", "h", "", 7, ""),
        ("aw-watcher-web-netscape", "h", "", None, ""),
        ("x" * 100_000 + "chrome", "h", "y" * 100_000, "z" * 100_000, ""),
    ],
)
def test_the_browser_of_a_bucket(bucket_id: str, hostname: str, client: str, named: object, browser: str) -> None:
    assert browser_of_bucket(bucket_id, hostname, client, named) == browser


def test_every_name_of_a_program_leads_to_one_browser() -> None:
    normaliser = Normaliser(SECRET)

    def browser(name: str) -> str:
        return browser_of_app(normaliser.lookup(name).app_id)

    for names, expected in (
        (("chrome.exe", "Google-chrome", "Chromium", "google-chrome-stable"), "chrome"),
        (("firefox", "Firefox.exe", "firefox-esr", "org.mozilla.firefox"), "firefox"),
        (("msedge.exe", "Microsoft Edge"), "edge"),
        (("Brave-browser", "brave.exe"), "brave"),
        (("Opera", "opera.exe"), "opera"),
        (("vivaldi-stable", "vivaldi.exe"), "vivaldi"),
        (("Arc",), "arc"),
        (("Safari",), "safari"),
        (("zen", "app.zen_browser.zen"), "zen"),
        (("LibreWolf",), "librewolf"),
    ):
        assert {browser(name) for name in names} == {expected}


def test_a_read_from_the_middle_says_the_same() -> None:
    """Five minutes of looking back are enough, whatever the polls are cut at."""
    windows = [win(0, 290, "chrome.exe", 1), win(290, 400, "firefox", 2), win(690, 600, "chrome.exe", 3)]
    tabs = [
        tab(0, 1200, "chrome", "https://github.com/a", 11),
        tab(300, 20, "firefox", "https://mail.google.com/", 12),
        tab(0, 1290, "", "https://www.youtube.com/", 13),
    ]
    normaliser = Normaliser(SECRET)
    whole = normaliser.events(from_us(0), from_us(1290 * S), {Stream.WINDOW: windows, Stream.TAB: tabs})
    expected = [(e.timestamp, e.duration_seconds, e.domain_category) for e in whole.tab]
    assert len(expected) == 5
    for minute in range(6, 21):
        start, end = (minute * 60 - 310) * S, 1290 * S
        raw = {Stream.WINDOW: clip(windows, start, end), Stream.TAB: clip(tabs, start, end)}
        part = normaliser.events(from_us(start), from_us(end), raw)
        for moment in range(minute * 60, 1290, 7):
            at = from_us(moment * S)
            said = [
                [e.domain_category for e in events.tab if 0 <= (at - e.timestamp).total_seconds() < e.duration_seconds]
                for events in (part, whole)
            ]
            assert said[0] == said[1], (minute, moment)
