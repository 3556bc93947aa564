"""The person's exclusions: programs by any of their names, and windows by patterns on their titles.

Doubtful cases are excluded: an entry covers every name of the same program, and a pattern that exceeds its time on a
title counts as a match.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from taskclf_tray.adapters.apps import AppRegistry, clean_name
from taskclf_tray.core.errors import ConfigError

if TYPE_CHECKING:
    import regex

MAX_MATCHED_CHARACTERS: Final = 4096
"""The length of a title that the patterns examine."""
SECONDS_A_TITLE: Final = 0.05
"""The time limit of one pattern on one title, which usually takes about 10 µs."""
SECONDS_A_READ: Final = 1.0
"""The time that timed-out patterns may take in one read; then every title counts as a match."""

_WORDS: Final = re.compile(r"[^\W_]+")
_NOT_PART_OF_A_NAME: Final = (".exe", ".appimage", "-bin", ".bin", "-wrapped")
_UNKNOWN_PREFIX: Final = "unknown."
_REMEMBERED: Final = 1024


class Exclusions:
    """Decides about programs and titles; its repr shows neither. Used by one thread.

    Args:
        registry: finds the program of an entry.
        apps: names in any spelling, reported names or ids. An entry covers the names that the registry files under the
            same program, and every name that contains the entry's words in a row: `KeePassXC` covers
            `org.keepassxc.KeePassXC`, `KeePassXC.exe` and `keepassxc-bin`.
        patterns: regular expressions, searched without regard to case.

    Raises:
        ConfigError: a pattern is not a regular expression.
    """

    def __init__(self, registry: AppRegistry, apps: Sequence[str] = (), patterns: Sequence[str] = ()) -> None:
        self._registry = registry
        self._entries = [(words, app_ids_of(registry, name)) for name in apps if (words := _words_of(name))]
        self._patterns = tuple(_compiled(pattern) for pattern in patterns)
        self._spent_seconds = 0.0
        self.undecided = 0
        """Titles since `begin_read` that a pattern could not decide about in time; they were excluded."""
        self.has_app = functools.lru_cache(_REMEMBERED)(self._has_app) if self._entries else _never

    def __repr__(self) -> str:
        return "Exclusions()"

    def begin_read(self) -> None:
        """Restart the time limit for a read."""
        self._spent_seconds, self.undecided = 0.0, 0

    def has_app_id(self, app_id: str) -> bool:
        """Whether the program of this id is excluded: for events that no longer bear the reported name."""
        words = _words_of(app_id.removeprefix(_UNKNOWN_PREFIX))
        return any(app_id in ids or _holds(words, entry) for entry, ids in self._entries)

    def has_title(self, title: str) -> bool:
        """Whether a pattern matches the title, or exceeds its time on it."""
        return any(self._matches(pattern, title[:MAX_MATCHED_CHARACTERS]) for pattern in self._patterns)

    def _has_app(self, name: str) -> bool:
        words, app_id = _words_of(name), self._registry.lookup(name).app_id
        return any(app_id in ids or _holds(words, entry) for entry, ids in self._entries)

    def _matches(self, pattern: regex.Pattern[str], title: str) -> bool:
        if self._spent_seconds >= SECONDS_A_READ:
            self.undecided += 1
            return True
        try:
            return pattern.search(title, timeout=SECONDS_A_TITLE) is not None
        except TimeoutError:
            self._spent_seconds += SECONDS_A_TITLE
            self.undecided += 1
            return True


def app_ids_of(registry: AppRegistry, entry: str) -> frozenset[str]:
    """Return the ids of the known programs that an entry of `exclude_apps` covers."""
    words = _words_of(entry)
    if not words:
        return frozenset()
    named = {
        info.app_id
        for name, info in registry.named()
        if _holds(_words_of(name), words) or _holds(_words_of(info.app_id), words)
    }
    return frozenset(named | {registry.lookup(entry).app_id})


def names_covered(registry: AppRegistry, entry: str) -> list[str]:
    """Return the sorted reported names of known programs that an entry covers; empty for an unknown program."""
    ids = app_ids_of(registry, entry)
    return sorted(name for name, info in registry.named() if info.app_id in ids)


def _never(_name: str) -> bool:
    return False


@functools.lru_cache(8192)  # more than the tables hold
def _words_of(name: str) -> tuple[str, ...]:
    """Split a name into words: `org.keepassxc.KeePassXC` has org, keepassxc, keepassxc.

    A usual ending is left out, unless nothing else is in the name: `.BIN` is the word bin.
    """
    words = _WORDS.findall(clean_name(name))
    cleaned = clean_name(name).removeprefix(_UNKNOWN_PREFIX)
    for ending in _NOT_PART_OF_A_NAME:
        cleaned = cleaned.removesuffix(ending)
        words = _WORDS.findall(cleaned) or words
    return tuple(words)


def _holds(words: tuple[str, ...], entry: tuple[str, ...]) -> bool:
    """Whether `words` contain the entry's words in a row, also joined: `KeePass XC` is KeePassXC."""
    size = len(entry)
    if any(words[k : k + size] == entry for k in range(len(words) - size + 1)):
        return True
    joined = "".join(entry)
    return joined in words or "".join(words) == joined


def _compiled(pattern: str) -> regex.Pattern[str]:
    import regex  # 2.2 MiB, which only a person with patterns needs

    try:
        return regex.compile(pattern, regex.IGNORECASE)
    except (regex.error, ValueError, OverflowError, RecursionError) as error:
        raise ConfigError(
            f"The excluded title pattern {pattern[:100]!r} is not a regular expression: {error}.",
            "Correct it in config.toml; until then nothing is read, so nothing private can slip through.",
        ) from error
