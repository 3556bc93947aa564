"""The numbers of the second world: its rhythm, which was measured, and its kinds of people."""

from __future__ import annotations

import bisect
import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

Points = tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Spread:
    """A distribution by points (share of draws at or below, value), geometric between them."""

    points: Points

    def draw(self, rng: random.Random) -> float:
        """Draw a value."""
        share = rng.random()
        k = max(1, bisect.bisect_left(self.points, (share,)))
        (low, a), (high, b) = self.points[k - 1], self.points[k]
        return a * math.exp(math.log(b / a) * (share - low) / (high - low))


# Measured over 4 353 windows, 345 runs of one label, and 144 runs of presence and of absence.
STAY_SECONDS: Final = Spread(
    ((0, 5), (0.05, 6), (0.25, 10), (0.5, 15), (0.75, 30), (0.9, 60), (0.95, 120), (0.99, 300), (1, 1380))
)
WORK_MINUTES: Final = Spread(
    ((0, 0.2), (0.05, 0.3), (0.25, 0.8), (0.5, 2.6), (0.75, 9.8), (0.9, 22), (0.95, 28), (0.99, 44), (1, 60))
)
PRESENT_MINUTES: Final = Spread(
    ((0, 1), (0.1, 1.5), (0.25, 2.5), (0.5, 9.5), (0.75, 24.5), (0.9, 45), (0.95, 53), (0.99, 88), (1, 100))
)
AWAY_MINUTES: Final = Spread(((0, 3), (0.1, 3.5), (0.25, 4.7), (0.5, 8), (0.75, 19.7), (0.9, 69), (1, 180)))
PROGRAM_CHANGES: Final = 0.42
"""Of the changes of window, those to another program: 47 of 113 an hour."""
SAME_WORK_AGAIN: Final = 0.36
"""After an interruption, or the end of a run."""
HOURS_PRESENT: Final = (2.0, 5.5)
"""A day's labelled hours: 206 to 639 windows of half a minute, the hours away not counted."""
LETTERS: Final = (2, 12)

# Words of a title by kind of program: shares 0.1, 0.25, 0.5, 0.75 and 0.9.
TITLE_WORDS: Final[Mapping[str, Sequence[float]]] = {
    "browser": (4, 5, 7, 10, 12), "slides": (2, 3, 3, 5, 6), "mail": (2, 3, 5, 6, 7), "paper": (7, 8, 8, 10, 11),
    "document": (2, 2, 4, 6, 7), "chat": (3, 3, 5, 6, 7), "sheet": (2, 2, 3, 6, 10), "files": (1, 1, 2, 3, 4),
    "editor": (3, 4, 5, 6, 8), "terminal": (1, 1, 2, 3, 5), "notes": (2, 2, 2, 3, 5), "tool": (2, 2, 3, 4, 5),
}  # fmt: skip

PROGRAMS: Final[Mapping[str, Sequence[str]]] = {
    "browser": ("Google Chrome", "msedge.exe", "firefox", "vivaldi-stable", "Safari", "opera"),
    "slides": ("Microsoft PowerPoint", "libreoffice-impress", "Keynote"),
    "mail": ("Microsoft Outlook", "thunderbird", "evolution", "Spark"),
    "paper": ("Adobe Acrobat ", "okular", "Zotero", "Preview"),
    "document": ("Microsoft Word", "libreoffice-writer", "Scrivener"),
    "chat": ("Microsoft Teams", "Slack", "Mattermost", "telegram-desktop"),
    "sheet": ("Microsoft Excel", "gnumeric", "Numbers"),
    "files": ("Windows Explorer", "thunar", "Finder", "Total Commander"),
    "editor": ("nvim-qt", "Code", "Eclipse", "RStudio", "kate"),
    "terminal": ("foot", "mintty", "Terminal", "tilix"),
    "notes": ("Notepad", "Notion", "zim", "Evernote"),
    "tool": ("Microsoft Power BI Desktop", "saplogon.exe", "QGIS", "Photoshop", "SPSS"),
}
"""Names that watchers report; some are in no registry."""

SITES: Final[Mapping[str, Sequence[str]]] = {
    "Build": ("github.com", "localhost:8080", "docs.google.com", "www.figma.com", "{own}"),
    "Communicate": ("mail.google.com", "outlook.office.com", "web.whatsapp.com", "{own}", "{own}", "www.linkedin.com"),
    "Debug": ("stackoverflow.com", "github.com", "{own}", "www.google.com"),
    "Meet": ("meet.google.com", "outlook.office.com", "docs.google.com", "{own}"),
    "ReadResearch": ("scholar.google.com", "en.wikipedia.org", "www.youtube.com", "{own}", "www.google.com"),
    "Review": ("github.com", "docs.google.com", "{own}", "{own}", "mail.google.com"),
    "Write": ("docs.google.com", "www.overleaf.com", "{own}", "{own}", "www.google.com", "chatgpt.com"),
}
"""Where each kind of work happens in the browser; `{own}` is a site of the person's own."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of person: share of time of each label, and shares of the kinds of programs within a label."""

    work: Mapping[str, float]
    programs: Mapping[str, Mapping[str, float]]


KINDS: Final[Mapping[str, Kind]] = {
    # measured
    "academic": Kind(
        {"Write": 0.42, "Communicate": 0.29, "Meet": 0.12, "Review": 0.09, "ReadResearch": 0.08},
        {
            "Communicate": {"browser": 57, "mail": 15, "chat": 8, "slides": 7, "files": 3, "paper": 3, "notes": 1},
            "Meet": {"browser": 28, "chat": 22, "mail": 19, "slides": 15, "document": 6, "files": 3, "paper": 2},
            "ReadResearch": {"sheet": 43, "mail": 14, "chat": 13, "document": 9, "browser": 7, "tool": 5, "files": 3},
            "Review": {"paper": 63, "browser": 15, "document": 9, "mail": 4, "files": 4, "sheet": 3},
            "Write": {"browser": 39, "slides": 23, "document": 12, "paper": 7, "files": 5, "tool": 4, "mail": 3},
        },
    ),
    # invented, with as much overlap
    "coder": Kind(
        {"Build": 0.36, "Debug": 0.2, "Review": 0.12, "Communicate": 0.15, "ReadResearch": 0.12, "Write": 0.05},
        {
            "Build": {"editor": 42, "browser": 30, "terminal": 15, "chat": 5, "files": 3},
            "Debug": {"editor": 32, "browser": 30, "terminal": 28, "chat": 6},
            "Review": {"browser": 58, "editor": 24, "terminal": 8, "chat": 8},
            "Communicate": {"chat": 42, "browser": 30, "mail": 18, "editor": 6},
            "ReadResearch": {"browser": 70, "paper": 10, "editor": 12, "notes": 6},
            "Write": {"browser": 32, "editor": 28, "notes": 22, "document": 14},
        },
    ),
    "clerk": Kind(
        {"Build": 0.3, "Communicate": 0.32, "Review": 0.14, "Write": 0.12, "Meet": 0.12},
        {
            "Build": {"sheet": 42, "tool": 28, "browser": 18, "files": 6, "mail": 5},
            "Communicate": {"mail": 48, "chat": 24, "browser": 15, "sheet": 6, "document": 4},
            "Review": {"sheet": 30, "paper": 28, "mail": 20, "tool": 14, "document": 8},
            "Write": {"document": 48, "mail": 22, "browser": 16, "sheet": 8, "files": 4},
            "Meet": {"chat": 40, "browser": 20, "slides": 18, "mail": 12, "sheet": 8},
        },
    ),
    "designer": Kind(
        {"Build": 0.42, "Review": 0.16, "Communicate": 0.2, "ReadResearch": 0.12, "Meet": 0.1},
        {
            "Build": {"tool": 48, "browser": 32, "files": 10, "slides": 5},
            "Review": {"tool": 34, "browser": 32, "slides": 14, "mail": 10, "chat": 8},
            "Communicate": {"chat": 40, "mail": 24, "browser": 24, "tool": 8},
            "ReadResearch": {"browser": 76, "tool": 10, "notes": 8, "paper": 5},
            "Meet": {"browser": 46, "chat": 24, "tool": 14, "slides": 12},
        },
    ),
    "scientist": Kind(
        {"Debug": 0.14, "Build": 0.26, "ReadResearch": 0.24, "Write": 0.24, "Communicate": 0.12},
        {
            "Debug": {"editor": 36, "terminal": 24, "browser": 26, "tool": 10},
            "Build": {"editor": 34, "tool": 22, "browser": 18, "sheet": 12, "terminal": 10},
            "ReadResearch": {"paper": 40, "browser": 40, "notes": 10, "mail": 5},
            "Write": {"document": 34, "editor": 20, "browser": 18, "paper": 14, "slides": 8, "notes": 5},
            "Communicate": {"mail": 40, "browser": 28, "chat": 20, "document": 6},
        },
    ),
}  # fmt: skip
