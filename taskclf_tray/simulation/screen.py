"""Expansion of a day's plan into the content of the screen: program, title, address and input rhythm over time.

Titles are forms with blanks, filled with the person's own words.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from taskclf_tray.core.types import CoreLabel
from taskclf_tray.simulation.habits import Habits, Place
from taskclf_tray.simulation.personas import Persona
from taskclf_tray.simulation.plan import Block, Presence
from taskclf_tray.simulation.scenes import GLANCES, WANDERINGS, Scene
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
"""Title forms by name; one is drawn, and its blanks are filled each time."""


class _Blanks(dict[str, str]):
    """Fills each blank on access by `format_map`."""

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
    """Fill a title form, without the program's suffix."""
    return rng.choice(FORMS[form]).format_map(_Blanks(rng, words, project))


_KEPT_TITLES = 3
"""The number of titles of one form that a block reuses before it opens another."""


@dataclass(frozen=True, slots=True)
class View:
    """[start_ms, end_ms) with one window in front;

    `url` is None outside browsers; `is_on` False: the machine sleeps.
    """

    start_ms: int
    end_ms: int
    app: str
    title: str
    rhythm: str
    url: str | None = None
    is_audible: bool = False
    is_on: bool = True


class ScreenWriter:
    """Generates the views of one day; its only state is the previous window in front."""

    def __init__(self, persona: Persona, habits: Habits, rng: random.Random, project: str) -> None:
        self._persona = persona
        self._habits = habits
        self._rng = rng
        self._project = project
        self._in_front: tuple[str, str, str | None] = (habits.browser, "New Tab", "about:newtab")

    def views(self, blocks: list[Block]) -> list[View]:
        """Return contiguous views from the first block's start to the last one's end."""
        return [view for block in blocks for view in self._block(block)]

    def _block(self, block: Block) -> Iterator[View]:
        if block.presence is Presence.WORKING:
            yield from self._working(block)
            return
        app, title, url = self._in_front
        if block.presence is Presence.LOCKED:
            app, title, url = self._habits.locker, self._rng.choice((self._habits.locker, "Lock screen", "")), None
        is_on = block.presence is not Presence.ASLEEP
        yield View(block.start_ms, block.end_ms, app, title, "gone", url, is_on=is_on)

    def _working(self, block: Block) -> Iterator[View]:
        rng, persona = self._rng, self._persona
        scenes, weights = self._habits.scenes[block.label]
        titles: dict[str, list[str]] = {}
        per_view_hour = 1 / 3_600_000
        at, is_first = block.start_ms, True
        while at < block.end_ms:
            scene = rng.choices(scenes, weights=weights)[0]
            if is_first and block.label is CoreLabel.MEET:
                scene = scenes[0]
            is_first = False
            stay = min(max(int(rng.expovariate(1 / scene.seconds) * 1000), 700), int(scene.seconds * 5000))
            end = min(at + stay, block.end_ms)
            yield self._view(scene, at, end, titles, block.is_web_meeting)
            hours = (end - at) * per_view_hour
            at = end
            for noise, rate in ((GLANCES, persona.glances_per_hour), (WANDERINGS, persona.wanderings_per_hour)):
                if at < block.end_ms and rng.random() < rate * hours:
                    stray = rng.choices(noise, weights=[s.weight for s in noise])[0]
                    end = min(at + int(rng.expovariate(1 / stray.seconds) * 1000) + 800, block.end_ms)
                    yield self._view(stray, at, end, titles, False)
                    at = end
            if at < block.end_ms and rng.random() < 0.012:
                end = min(at + rng.randint(900, 4500), block.end_ms)
                yield View(at, end, "unknown", "unknown", "pointing")
                at = end

    def _view(self, scene: Scene, start: int, end: int, titles: dict[str, list[str]], is_web_meeting: bool) -> View:
        surface = "meeting:web" if scene.surface == "meeting" and is_web_meeting else scene.surface
        place = self._habits.places[surface]
        title = self._title(scene.words, titles)
        full = title + self._habits.suffix(place.app)
        url = self._url(place, title) if place.hosts else None
        self._in_front = (place.app, full, url)
        return View(start, end, place.app, full, scene.rhythm, url, scene.is_audible and url is not None)

    def _title(self, form: str, titles: dict[str, list[str]]) -> str:
        kept = titles.setdefault(form, [])
        if kept and self._rng.random() < 0.72:
            return self._rng.choice(kept)
        title = write_title(form, self._rng, self._habits.vocabulary, self._project)
        kept.append(title)
        del kept[:-_KEPT_TITLES]
        return title

    def _url(self, place: Place, title: str) -> str:
        """Return one address per title, so that a return to a page is a return to its host."""
        key = sum(map(ord, title))
        host = place.hosts[key % len(place.hosts)]
        scheme = "http" if host.startswith(("localhost", "127.")) else "https"
        return f"{scheme}://{host}/{key:x}"
