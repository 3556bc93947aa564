"""Input rhythms, and the scenes of each kind of work on the screen.

Labels share programs on purpose (an editor builds, debugs, reviews and writes). Labels differ in the rhythm of keys and
mouse, in how fast windows alternate, and in the words of titles.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from taskclf_tray.core.types import CoreLabel


@dataclass(frozen=True, slots=True)
class Rhythm:
    """Probabilities and counts per 5 s input sample.

    Keys come in bursts: `begin` and `stop` are the probabilities that a burst begins or ends; `rest` is the probability
    that the hands leave keyboard and mouse, for `rest_samples` samples on average.
    """

    begin: float
    stop: float
    keys: float
    click: float
    move: float
    scroll: float
    rest: float
    rest_samples: float


RHYTHMS: Final[dict[str, Rhythm]] = {
    "coding": Rhythm(0.32, 0.24, 15, 0.22, 0.35, 0.18, 0.035, 5),
    "prose": Rhythm(0.50, 0.14, 20, 0.10, 0.18, 0.10, 0.035, 5),
    "commands": Rhythm(0.45, 0.50, 11, 0.08, 0.15, 0.10, 0.03, 4),
    "stepping": Rhythm(0.16, 0.50, 7, 0.42, 0.55, 0.26, 0.04, 4),
    "reading": Rhythm(0.03, 0.65, 5, 0.15, 0.33, 0.52, 0.06, 6),
    "skimming": Rhythm(0.07, 0.45, 11, 0.36, 0.52, 0.55, 0.03, 4),
    "commenting": Rhythm(0.14, 0.32, 14, 0.34, 0.46, 0.42, 0.03, 4),
    "mailing": Rhythm(0.18, 0.24, 17, 0.34, 0.45, 0.26, 0.03, 4),
    "chatting": Rhythm(0.34, 0.38, 15, 0.16, 0.26, 0.18, 0.04, 4),
    "listening": Rhythm(0.015, 0.55, 6, 0.04, 0.11, 0.03, 0.07, 18),
    "minutes": Rhythm(0.20, 0.30, 13, 0.06, 0.14, 0.06, 0.05, 6),
    "watching": Rhythm(0.004, 0.80, 3, 0.03, 0.06, 0.02, 0.16, 22),
    "pointing": Rhythm(0.20, 0.42, 8, 0.50, 0.62, 0.26, 0.03, 4),
    "strolling": Rhythm(0.03, 0.60, 5, 0.24, 0.40, 0.60, 0.06, 6),
    "gone": Rhythm(0.0, 1.0, 0, 0.0, 0.0, 0.0, 1.0, 10_000),
}


@dataclass(frozen=True, slots=True)
class Scene:
    """One place that the person looks at within a kind of work.

    `words` names the title form (`screen.py`), `seconds` the mean stay.
    """

    surface: str
    words: str
    weight: float
    seconds: float
    rhythm: str
    is_audible: bool = False


SCENES: Final[dict[CoreLabel, tuple[Scene, ...]]] = {
    CoreLabel.BUILD: (
        Scene("editor", "code", 60, 50, "coding"),
        Scene("terminal", "shell", 15, 14, "commands"),
        Scene("reference", "reference", 8, 22, "reading"),
        Scene("answers", "question", 4, 16, "reading"),
        Scene("search", "search", 4, 8, "commands"),
        Scene("assistant", "assistant", 5, 25, "chatting"),
        Scene("local_app", "local_app", 8, 14, "pointing"),
        Scene("code_host", "repository", 4, 14, "strolling"),
        Scene("files", "folder", 3, 8, "pointing"),
        Scene("notebook", "notebook", 40, 50, "coding"),
        Scene("database", "query", 22, 40, "coding"),
        Scene("sheet", "sheet", 30, 60, "pointing"),
        Scene("design", "design", 22, 60, "pointing"),
        Scene("slides", "slides", 26, 70, "pointing"),
        Scene("cms", "site", 24, 50, "pointing"),
        Scene("tool", "tool", 10, 35, "pointing"),
    ),
    CoreLabel.DEBUG: (
        Scene("editor", "code", 32, 20, "stepping"),
        Scene("terminal", "logs", 34, 15, "commands"),
        Scene("search", "search_error", 10, 8, "commands"),
        Scene("answers", "question", 10, 18, "reading"),
        Scene("code_host", "issue", 5, 20, "reading"),
        Scene("assistant", "assistant", 5, 20, "chatting"),
        Scene("local_app", "local_error", 12, 10, "pointing"),
        Scene("notebook", "notebook", 30, 18, "stepping"),
        Scene("database", "query", 18, 15, "stepping"),
        Scene("sheet", "sheet", 10, 15, "stepping"),
        Scene("tool", "tool", 6, 15, "stepping"),
        Scene("reference", "reference", 5, 15, "reading"),
    ),
    CoreLabel.REVIEW: (
        Scene("code_host", "pull_request", 60, 65, "skimming"),
        Scene("editor", "diff", 14, 30, "skimming"),
        Scene("terminal", "shell", 4, 12, "commands"),
        Scene("document", "others_paper", 40, 75, "commenting"),
        Scene("slides", "others_paper", 12, 50, "commenting"),
        Scene("sheet", "others_paper", 10, 45, "skimming"),
        Scene("paper", "others_paper", 12, 60, "skimming"),
        Scene("tracker", "ticket", 10, 25, "commenting"),
        Scene("mail", "mail", 3, 15, "mailing"),
    ),
    CoreLabel.WRITE: (
        Scene("document", "own_paper", 70, 110, "prose"),
        Scene("notes", "note", 16, 50, "prose"),
        Scene("editor", "readme", 9, 60, "prose"),
        Scene("slides", "own_paper", 8, 60, "pointing"),
        Scene("cms", "article_draft", 10, 70, "prose"),
        Scene("search", "search", 5, 8, "commands"),
        Scene("article", "article", 6, 22, "reading"),
        Scene("reference", "reference", 4, 18, "reading"),
        Scene("assistant", "assistant", 4, 25, "chatting"),
    ),
    CoreLabel.READ_RESEARCH: (
        Scene("reference", "reference", 26, 60, "reading"),
        Scene("article", "article", 28, 70, "reading"),
        Scene("paper", "paper", 24, 90, "reading"),
        Scene("search", "search", 12, 9, "commands"),
        Scene("answers", "question", 8, 30, "reading"),
        Scene("code_host", "repository", 6, 30, "strolling"),
        Scene("video", "talk", 5, 150, "watching", True),
        Scene("notes", "note", 7, 25, "minutes"),
        Scene("document", "others_paper", 6, 50, "reading"),
        Scene("assistant", "assistant", 5, 30, "chatting"),
    ),
    CoreLabel.COMMUNICATE: (
        Scene("mail", "mail", 42, 38, "mailing"),
        Scene("chat", "channel", 46, 32, "chatting"),
        Scene("calendar", "calendar", 6, 16, "pointing"),
        Scene("tracker", "ticket", 7, 25, "commenting"),
        Scene("social", "social", 3, 20, "strolling"),
        Scene("document", "others_paper", 2, 20, "reading"),
    ),
    CoreLabel.MEET: (
        Scene("meeting", "meeting", 70, 170, "listening", True),
        Scene("notes", "note", 12, 35, "minutes"),
        Scene("document", "others_paper", 7, 35, "reading"),
        Scene("slides", "others_paper", 5, 40, "reading"),
        Scene("chat", "channel", 9, 14, "chatting"),
        Scene("mail", "mail", 5, 22, "mailing"),
        Scene("calendar", "calendar", 2, 8, "pointing"),
    ),
    CoreLabel.BREAK_IDLE: (
        Scene("video", "clip", 32, 170, "watching", True),
        Scene("social", "social", 28, 60, "strolling"),
        Scene("news", "news", 22, 60, "strolling"),
        Scene("shop", "shop", 10, 50, "strolling"),
        Scene("music", "music", 6, 20, "pointing"),
        Scene("chat", "channel", 6, 25, "chatting"),
    ),
}

GLANCES: Final[tuple[Scene, ...]] = (
    Scene("chat", "channel", 6, 9, "chatting"),
    Scene("mail", "mail", 3, 11, "mailing"),
    Scene("music", "music", 1, 5, "pointing"),
)
"""Short looks elsewhere in the middle of any work."""

WANDERINGS: Final[tuple[Scene, ...]] = (
    Scene("news", "news", 4, 40, "strolling"),
    Scene("social", "social", 4, 45, "strolling"),
    Scene("shop", "shop", 1, 30, "strolling"),
    Scene("video", "clip", 1, 60, "watching", True),
)
"""Minutes that got lost while the work, officially, went on."""
