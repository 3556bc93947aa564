"""Window titles of simulated people: forms with blanks, filled with the person's own words."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import Final

from taskclf_tray.simulation.words import Vocabulary

_LISTS: Final[Mapping[str, tuple[str, ...]]] = {
    "command": ("git status", "make", "npm run dev", "pytest -q", "cargo build", "vim", "htop", "docker compose up"),
    "fault": ("TypeError", "KeyError", "timeout", "500", "segfault", "NullPointerException", "deadlock", "CORS error"),
    "topic": ("how to", "best way", "difference between", "example", "tutorial", "api reference", "guide"),
    "clip": ("goals and highlights", "full album", "official trailer", "funny moments", "live session", "recipe"),
    "headline": ("says study", "after vote", "announced", "in photos", "explained", "launches", "breaks record"),
    "page": ("Home", "Settings", "Sign in", "List"),
    "change": ("Fix", "Add", "Refactor"),
    "part": ("Wireframes", "Icons", "Components", "Cover"),
}

FORMS: Final[Mapping[str, tuple[str, ...]]] = {
    "code": ("{file} - {project}", "{file} - {project}", "● {file} - {project}", "test_{file} - {project}"),
    "readme": ("README.md - {project}", "CHANGELOG.md - {project}", "{subject}.md - {project}"),
    "diff": ("{file} (Working Tree) ↔ {file} - {project}",),
    "shell": ("{user}@{host}: ~/{project}", "{command} - ~/{project}"),
    "logs": ("{user}@{host}: ~/{project}", "tail -f {project}.log", "pdb {file}"),
    "reference": ("{name} — {topic} documentation",),
    "question": ("{topic} {subject} {fault} - Stack Overflow",),
    "search": ("{subject} {topic} - Search",),
    "search_error": ("{fault} {name} - Search",),
    "assistant": ("{Subject} question", "New chat"),
    "local_app": ("{Project} | {page}",),
    "local_error": ("{fault} at /{project}", "{Project} | Home"),
    "repository": ("{company}/{project}: {subject}",),
    "issue": ("{fault} in {file} · Issue #{number} · {project}",),
    "pull_request": ("{change} {subject} by {person} · Pull Request #{number} · {company}/{project}",),
    "folder": ("{project}", "Downloads", "Documents", "Home"),
    "notebook": ("{subject}_{project}.ipynb - JupyterLab",),
    "query": ("<{project}> Script-{small}",),
    "sheet": ("{subject}_{project}.xlsx",),
    "design": ("{Project} – {part}",),
    "slides": ("{own_paper}.pptx",),
    "site": ("Pages ‹ {Project} — Editor",),
    "article_draft": ("Edit post “{own_paper}” ‹ {Project}",),
    "tool": ("{company} {project} {number}",),
    "own_paper": ("{own_paper}",),
    "others_paper": ("{others_paper}",),
    "paper": ("{Subject} and {subject}: a study.pdf",),
    "ticket": ("{PRO}-{number} {subject} {subject}",),
    "note": ("{subject} notes - vault", "Daily note - {project}"),
    "article": ("{Subject} {headline} | {place}",),
    "talk": ("{person}: {subject} {topic} - YouTube",),
    "clip": ("{person} {clip} - YouTube",),
    "mail": ("Inbox ({small})", "Re: {subject} {subject}", "{subject} {subject}", "Write: Fwd: {subject}"),
    "channel": ("#{channel} (Channel) - {company}", "{person} (DM) - {company}", "#{channel} - {small} new items"),
    "calendar": ("{company} - Calendar - Week {small}",),
    "meeting": ("Zoom Meeting", "{project} weekly", "Stand-up", "{person} / {user} 1:1"),
    "social": ("({small}) Home", "r/{subject}", "Feed"),
    "news": ("{Subject} {headline}",),
    "shop": ("{subject} - {number},99 €",),
    "music": ("{person} – {Subject}",),
}
"""Title forms by name; one is drawn, and every blank in it is filled anew."""


class _Blanks(dict[str, str]):
    """Fills a blank when `format_map` asks for it."""

    def __init__(self, rng: random.Random, words: Vocabulary, project: str) -> None:
        super().__init__()
        self._fill: Mapping[str, Callable[[], str]] = {
            "project": lambda: project,
            "Project": project.capitalize,
            "PRO": project[:3].upper,
            "user": lambda: words.user,
            "host": lambda: words.host,
            "company": lambda: words.company,
            "file": lambda: rng.choice(words.files),
            "name": lambda: rng.choice(words.files).partition(".")[0],
            "subject": lambda: rng.choice(words.subjects),
            "Subject": lambda: rng.choice(words.subjects).capitalize(),
            "person": lambda: rng.choice(words.people),
            "channel": lambda: rng.choice(words.channels),
            "place": lambda: rng.choice(words.places),
            "own_paper": lambda: rng.choice(words.own_papers),
            "others_paper": lambda: rng.choice(words.others_papers),
            "number": lambda: str(rng.randint(10, 2400)),
            "small": lambda: str(rng.randint(1, 30)),
        }
        self._rng = rng

    def __missing__(self, blank: str) -> str:
        fill = self._fill.get(blank)
        return fill() if fill else self._rng.choice(_LISTS[blank])


def write_title(form: str, rng: random.Random, words: Vocabulary, project: str) -> str:
    """A title of this form, without the program's suffix."""
    return rng.choice(FORMS[form]).format_map(_Blanks(rng, words, project))
