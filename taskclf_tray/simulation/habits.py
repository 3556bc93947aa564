"""The habits that distinguish one simulated person from another: machine, programs, preferences, typing, meetings.

Programs and sites have the names that ActivityWatch's watchers report on each platform: the window class on Linux, the
executable on Windows, the display name on macOS.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from taskclf_tray.core.types import CoreLabel
from taskclf_tray.simulation.personas import Persona
from taskclf_tray.simulation.scenes import RHYTHMS, SCENES, Rhythm, Scene
from taskclf_tray.simulation.words import Vocabulary, invent_vocabulary, invented_word, rng_of

Platform = Literal["linux", "windows", "macos"]
PLATFORMS: Final[tuple[Platform, ...]] = ("linux", "linux", "windows", "macos")
"""Repeated by their frequency."""


@dataclass(frozen=True, slots=True)
class Surface:
    """One thing a person works on: the native programs that offer it by platform, and the sites that do."""

    linux: tuple[str, ...] = ()
    windows: tuple[str, ...] = ()
    macos: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()

    def native(self, platform: Platform) -> tuple[str, ...]:
        """Return the programs on this platform; empty without any."""
        programs: tuple[str, ...] = getattr(self, platform)
        return programs


BROWSERS: Final = Surface(
    linux=("firefox", "Google-chrome", "Chromium", "Brave-browser"),
    windows=("chrome.exe", "msedge.exe", "firefox.exe"),
    macos=("Safari", "Google Chrome", "Arc"),
)
LOCKERS: Final = Surface(
    linux=("i3lock", "light-locker", "gnome-screensaver"), windows=("LockApp.exe",), macos=("loginwindow",)
)

SURFACES: Final[dict[str, Surface]] = {
    "editor": Surface(
        linux=("Code", "jetbrains-pycharm", "Emacs", "jetbrains-idea", "Sublime_text"),
        windows=("Code.exe", "idea64.exe", "devenv.exe", "Cursor.exe"),
        macos=("Code", "Xcode", "PyCharm", "Cursor"),
        hosts=("github.dev", "codesandbox.io"),
    ),
    "terminal": Surface(
        linux=("Gnome-terminal", "Alacritty", "kitty", "konsole", "XTerm"),
        windows=("WindowsTerminal.exe", "powershell.exe"),
        macos=("iTerm2", "Terminal", "Ghostty"),
    ),
    "notebook": Surface(hosts=("localhost:8888", "colab.research.google.com")),
    "database": Surface(linux=("DBeaver",), windows=("dbeaver.exe", "Ssms.exe"), macos=("DBeaver",)),
    "sheet": Surface(
        linux=("libreoffice-calc",),
        windows=("EXCEL.EXE",),
        macos=("Microsoft Excel", "Numbers"),
        hosts=("docs.google.com", "airtable.com"),
    ),
    "document": Surface(
        linux=("libreoffice-writer",),
        windows=("WINWORD.EXE",),
        macos=("Microsoft Word", "Pages"),
        hosts=("docs.google.com", "www.notion.so"),
    ),
    "notes": Surface(
        linux=("obsidian", "joplin"),
        windows=("Obsidian.exe", "ONENOTE.EXE"),
        macos=("Obsidian", "Notes"),
        hosts=("www.notion.so", "keep.google.com"),
    ),
    "paper": Surface(
        linux=("Evince", "okular"),
        windows=("Acrobat.exe", "SumatraPDF.exe"),
        macos=("Preview",),
        hosts=("arxiv.org", "www.jstor.org"),
    ),
    "mail": Surface(
        linux=("thunderbird",),
        windows=("OUTLOOK.EXE", "thunderbird.exe"),
        macos=("Mail", "Microsoft Outlook"),
        hosts=("mail.google.com", "outlook.office.com"),
    ),
    "chat": Surface(
        linux=("Slack", "discord", "Element"),
        windows=("slack.exe", "Discord.exe", "ms-teams.exe"),
        macos=("Slack", "Discord", "Messages"),
        hosts=("app.slack.com", "discord.com", "web.whatsapp.com"),
    ),
    "meeting": Surface(
        linux=("zoom",),
        windows=("Zoom.exe", "ms-teams.exe"),
        macos=("zoom.us", "FaceTime"),
        hosts=("meet.google.com", "app.zoom.us", "teams.microsoft.com"),
    ),
    "design": Surface(
        linux=("figma-linux", "Inkscape"), windows=("Figma.exe",), macos=("Figma",), hosts=("www.figma.com", "miro.com")
    ),
    "slides": Surface(
        linux=("libreoffice-impress",),
        windows=("POWERPNT.EXE",),
        macos=("Keynote",),
        hosts=("docs.google.com", "www.canva.com"),
    ),
    "files": Surface(linux=("org.gnome.Nautilus", "dolphin"), windows=("explorer.exe",), macos=("Finder",)),
    "music": Surface(
        linux=("Spotify",), windows=("Spotify.exe",), macos=("Spotify", "Music"), hosts=("open.spotify.com",)
    ),
    "calendar": Surface(macos=("Calendar",), hosts=("calendar.google.com", "outlook.office.com")),
    "tracker": Surface(macos=("Linear",), hosts=("linear.app", "trello.com", "jira.atlassian.com")),
    "code_host": Surface(hosts=("github.com", "gitlab.com", "codeberg.org")),
    "local_app": Surface(hosts=("localhost:3000", "localhost:8000", "127.0.0.1:5173")),
    "cms": Surface(hosts=("wordpress.com", "ghost.org", "webflow.com")),
    "reference": Surface(
        hosts=("docs.python.org", "developer.mozilla.org", "learn.microsoft.com", "en.wikipedia.org", "docs.rs")
    ),
    "answers": Surface(hosts=("stackoverflow.com", "unix.stackexchange.com", "stackoverflow.com")),
    "search": Surface(hosts=("www.google.com", "duckduckgo.com", "www.bing.com")),
    "article": Surface(hosts=("medium.com", "dev.to", "{place}", "{place}", "en.wikipedia.org")),
    "assistant": Surface(hosts=("chatgpt.com", "claude.ai")),
    "video": Surface(hosts=("www.youtube.com", "vimeo.com", "www.youtube.com")),
    "social": Surface(hosts=("www.reddit.com", "x.com", "www.linkedin.com", "bsky.app")),
    "news": Surface(hosts=("news.ycombinator.com", "www.bbc.com", "www.theverge.com", "www.reuters.com")),
    "shop": Surface(hosts=("www.amazon.com", "www.ebay.com", "{place}")),
    "tool": Surface(linux=("{tool}",), windows=("{tool}.exe",), macos=("{tool}",)),
}
"""Every surface a scene may name. `{place}` is one of the person's own small sites, `{tool}` an in-house program."""

SUFFIXES: Final[dict[str, str]] = {
    "firefox": " — Mozilla Firefox", "firefox.exe": " — Mozilla Firefox", "google-chrome": " - Google Chrome",
    "chrome.exe": " - Google Chrome", "chromium": " - Chromium", "brave-browser": " - Brave",
    "msedge.exe": " and 4 more pages - Personal - Microsoft\u200b Edge", "code": " - Visual Studio Code",
    "code.exe": " - Visual Studio Code", "devenv.exe": " - Microsoft Visual Studio", "cursor.exe": " - Cursor",
    "libreoffice-calc": " - LibreOffice Calc", "libreoffice-writer": " - LibreOffice Writer",
    "libreoffice-impress": " - LibreOffice Impress", "excel.exe": " - Excel", "winword.exe": " - Word",
    "powerpnt.exe": " - PowerPoint", "thunderbird": " - Mozilla Thunderbird", "outlook.exe": " - Outlook",
    "thunderbird.exe": " - Mozilla Thunderbird", "slack": " - Slack", "slack.exe": " - Slack",
    "discord": " - Discord", "discord.exe": " - Discord", "ms-teams.exe": " | Microsoft Teams",
    "obsidian": " - Obsidian v1.7.7", "obsidian.exe": " - Obsidian v1.7.7", "onenote.exe": " - OneNote",
    "acrobat.exe": " - Adobe Acrobat Reader", "dbeaver": " - DBeaver 24.2", "dbeaver.exe": " - DBeaver 24.2",
}  # fmt: skip
"""The suffixes of window titles, by lower-case program name; macOS programs have none."""


@dataclass(frozen=True, slots=True)
class Place:
    """The place of a surface: a native program, or hosts in the browser."""

    app: str
    hosts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StandingMeeting:
    """A recurring meeting: weekdays (Monday 0), hour of the day, and length."""

    weekdays: frozenset[int]
    at_hour: float
    minutes: float
    is_web: bool


@dataclass(frozen=True, slots=True)
class Habits:
    """One person's fixed habits, drawn once per (persona, seed, era)."""

    platform: Platform
    browser: str
    locker: str
    vocabulary: Vocabulary
    places: Mapping[str, Place]
    scenes: Mapping[CoreLabel, tuple[tuple[Scene, ...], tuple[float, ...]]]
    rhythms: Mapping[str, Rhythm]
    meetings: tuple[StandingMeeting, ...]
    lunch_at_hour: float
    start_shift_hours: float
    minutes_between_breaks: float
    work_share: Mapping[CoreLabel, float]

    def suffix(self, app: str) -> str:
        """Return the text that this program adds to its titles."""
        return "" if self.platform == "macos" else SUFFIXES.get(app.lower(), "")


def draw_habits(persona: Persona, seed: int, era: str) -> Habits:
    """Draw the habits of a person; another `era` (after a change of life) gives other programs, habits and words."""
    rng = rng_of("habits", persona.name, seed, era)
    platform = rng.choice(PLATFORMS)
    browser = rng.choice(BROWSERS.native(platform))
    vocabulary = invent_vocabulary(rng)
    tool = invented_word(rng, 2).capitalize()
    places = {
        name: _place(rng, persona, name, platform, browser, vocabulary, tool) for name in sorted(persona.surfaces)
    }
    places["meeting:web"] = Place(browser, SURFACES["meeting"].hosts)
    hands = {kind: math.exp(rng.gauss(0, 0.22)) for kind in ("keys", "click", "move", "scroll", "begin", "rest")}
    return Habits(
        platform=platform,
        browser=browser,
        locker=rng.choice(LOCKERS.native(platform)),
        vocabulary=vocabulary,
        places=places,
        scenes={label: _own_scenes(rng, scenes, places) for label, scenes in SCENES.items()},
        rhythms={name: _own_rhythm(rng, rhythm, hands) for name, rhythm in RHYTHMS.items()},
        meetings=_standing_meetings(rng, persona),
        lunch_at_hour=rng.uniform(12.0, 13.1),
        start_shift_hours=rng.gauss(0, 0.35),
        minutes_between_breaks=rng.uniform(45, 100),
        work_share={label: share * math.exp(rng.gauss(0, 0.3)) for label, share in persona.work.items()},
    )


def _place(
    rng: random.Random,
    persona: Persona,
    surface_name: str,
    platform: Platform,
    browser: str,
    vocabulary: Vocabulary,
    tool: str,
) -> Place:
    surface = SURFACES[surface_name]
    programs = surface.native(platform)
    in_browser = bool(surface.hosts) and (not programs or rng.random() < persona.web_share)
    if not in_browser:
        return Place(rng.choice(programs).format(tool=tool)) if programs else Place(browser, ("localhost",))
    hosts = tuple(host.format(place=rng.choice(vocabulary.places)) for host in surface.hosts)
    return Place(browser, tuple(rng.sample(hosts, min(len(hosts), 3))))


def _own_scenes(
    rng: random.Random, scenes: tuple[Scene, ...], places: Mapping[str, Place]
) -> tuple[tuple[Scene, ...], tuple[float, ...]]:
    """Return the scenes whose surfaces this person has, with personal weights; a few are almost never used."""
    own = tuple(scene for scene in scenes if scene.surface in places)
    weights = tuple(
        scene.weight * math.exp(rng.gauss(0, 0.45)) * (0.1 if rng.random() < 0.12 else 1.0) for scene in own
    )
    return own, weights


def _own_rhythm(rng: random.Random, rhythm: Rhythm, hands: Mapping[str, float]) -> Rhythm:
    def varied(value: float, kind: str, limit: float = 0.97) -> float:
        return min(limit, value * hands[kind] * math.exp(rng.gauss(0, 0.15)))

    if rhythm.rest >= 1:
        return rhythm
    return Rhythm(
        begin=varied(rhythm.begin, "begin"),
        stop=rhythm.stop,
        keys=varied(rhythm.keys, "keys", 60),
        click=varied(rhythm.click, "click"),
        move=varied(rhythm.move, "move"),
        scroll=varied(rhythm.scroll, "scroll"),
        rest=varied(rhythm.rest, "rest", 0.4),
        rest_samples=rhythm.rest_samples,
    )


def _standing_meetings(rng: random.Random, persona: Persona) -> tuple[StandingMeeting, ...]:
    """Draw the recurring meetings, about half of a persona's; the others are drawn day by day."""
    meetings: list[StandingMeeting] = []
    expected = persona.meetings_per_day * 0.6
    while expected > 0.05:
        daily = rng.random() < 0.35 and expected >= 0.8
        weekdays = frozenset(range(5)) if daily else frozenset(rng.sample(range(5), rng.randint(1, 2)))
        at_hour = rng.choice((9.5, 10.0, 10.5, 11.0, 13.5, 14.0, 14.5, 15.0, 15.5, 16.0))
        minutes = rng.choice((15, 15, 25) if daily else (30, 30, 45, 60))
        meetings.append(StandingMeeting(weekdays, at_hour, minutes, rng.random() < 0.4))
        expected -= len(weekdays) / 5
    return tuple(meetings)
