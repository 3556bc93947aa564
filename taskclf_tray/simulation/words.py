"""The words of one simulated person: project, file, people and page names that no other person has."""

from __future__ import annotations

import hashlib
import random
from dataclasses import dataclass


def _split(words: str) -> tuple[str, ...]:
    return tuple(words.split())


_SYLLABLES = _split(
    "al an ar ba be bo ca ce co da de do el en er fa fi go ha hi in is ja ka ke ko la le lo ma me mi mo na ne ni no "
    "or os pa pe po qua ra re ri ro sa se si so ta te ti to ul ur va ve vi wa we xi ya ze zo"
)
_SUBJECTS = _split(
    "budget forecast churn onboarding pricing roadmap survey migration incident retention billing search climate "
    "housing grammar logistics inventory sensor turbine sleep reading river archive festival nutrition payroll tenant"
)
_PAPER_FORMS = _split("plan notes draft report summary proposal chapter brief review outline")
_FIRST_NAMES = _split(
    "Ana Ben Chloé Dmitri Elif Farid Grace Hugo Ingrid Jonas Kenji Lena Marta Nils Olu Priya Quentin Rosa Sven Tomás "
    "Uma Viktor Wen Xenia Yusuf Zoë"
)
_CHANNELS = _split("general random team-{0} {0}-dev {1}-help announcements {1} support lunch design ops")
_EXTENSIONS = ("py", "py", "ts", "tsx", "rs", "go", "java", "sql", "css", "kt")


def rng_of(*parts: object) -> random.Random:
    """Return a generator seeded by SHA-256 of the parts' texts: equal on every machine, independent for other parts."""
    digest = hashlib.sha256("\x1f".join(map(str, parts)).encode()).digest()
    return random.Random(int.from_bytes(digest, "big"))  # noqa: S311 - a simulation, no secret


def invented_word(rng: random.Random, syllables: int = 3) -> str:
    """Return a pronounceable word with this number of syllables."""
    return "".join(rng.choice(_SYLLABLES) for _ in range(syllables))


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The words in this person's window titles."""

    user: str
    host: str
    company: str
    projects: tuple[str, ...]
    files: tuple[str, ...]
    own_papers: tuple[str, ...]
    others_papers: tuple[str, ...]
    subjects: tuple[str, ...]
    people: tuple[str, ...]
    channels: tuple[str, ...]
    places: tuple[str, ...]
    """Host names of small sites that no registry knows."""


def _papers(rng: random.Random, subjects: tuple[str, ...], count: int) -> tuple[str, ...]:
    return tuple(
        f"{rng.choice(subjects).capitalize()} {rng.choice(_PAPER_FORMS)}"
        + rng.choice(("", "", f" v{rng.randint(1, 9)}", f" {rng.choice(('Q1', 'Q2', '2026', 'final'))}"))
        for _ in range(count)
    )


def invent_vocabulary(rng: random.Random) -> Vocabulary:
    """Draw a new vocabulary."""
    projects = tuple(invented_word(rng) for _ in range(4))
    company = invented_word(rng, 2).capitalize()
    subjects = tuple(rng.sample(_SUBJECTS, 7))
    people = tuple(f"{name} {invented_word(rng, 2).capitalize()}" for name in rng.sample(_FIRST_NAMES, 9))
    files = tuple(
        f"{invented_word(rng, rng.randint(1, 3))}{rng.choice(('', '_view', '_model', '_utils', ''))}."
        f"{rng.choice(_EXTENSIONS)}"
        for _ in range(24)
    )
    channels = tuple(name.format(projects[0], projects[1]) for name in rng.sample(_CHANNELS, 6))
    return Vocabulary(
        user=people[0].split()[0].lower().encode("ascii", "ignore").decode() or "me",
        host=invented_word(rng, 2),
        company=company,
        projects=projects,
        files=files,
        own_papers=_papers(rng, subjects, 8),
        others_papers=_papers(rng, subjects, 14),
        subjects=subjects,
        people=people,
        channels=channels,
        places=tuple(f"{invented_word(rng)}.{rng.choice(('net', 'org', 'io', 'blog'))}" for _ in range(6)),
    )
