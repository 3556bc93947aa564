"""Window titles as numbers: a salted hash, two hashed sketches, five scalars (contract, section 3).

The title stays in memory only while these are derived. All of them are keyed by the title secret of the installation,
so nobody without it can test stored features for a title.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from taskclf_tray.adapters.calls import is_call_title
from taskclf_tray.core.errors import IdentityError
from taskclf_tray.core.types import PROGRAM_BUCKETS, WORD_BUCKETS, Sketch

BINS: Final = 128
TOKEN_NAMESPACE: Final = "title_token_sketch_v1"  # noqa: S105  # a name in the clear, not a password
CHAR3_NAMESPACE: Final = "title_char3_sketch_v1"
WORD_NAMESPACE: Final = "title_word_v1"
PROGRAM_NAMESPACE: Final = "program_v1"
MAX_TOKENS: Final = 32
MAX_CHARACTERS: Final = 256
MAX_TITLE_CHARACTERS: Final = 8192
"""The length of a title from which everything but the hash is derived: real ones are shorter, and NFKC takes quadratic
time on a hostile one (64 Ki combining marks: 3 s; 8 Ki: 0.05 s)."""

_SPACE = re.compile(r"\s+")
_DIGITS = re.compile(r"\d+")
_DIGIT = re.compile(r"\d")
_NOT_WORD = re.compile(r"[^0-9A-Za-z]+")
_NOT_WORD_OF_ANY_SCRIPT = re.compile(r"[\W_]+")
_SECRET = re.compile(r"[0-9a-fA-F]{64}")
_SEPARATORS: Final = "|-:/•"
_CACHED_TITLES: Final = 256
_CACHED_BINS: Final = 4096


@dataclass(frozen=True, slots=True)
class TitleFeatures:
    """The features of a title, with the field names of `core.types.AWEvent`."""

    window_title_hash: str
    window_title_bucket: int
    title_token_sketch: Sketch
    title_char3_sketch: Sketch
    title_char_count: int
    title_token_count: int
    title_unique_token_ratio: float
    title_digit_ratio: float
    title_separator_count: int
    is_call_title: bool = False
    """Whether the title names a service for calls."""
    word_buckets: tuple[int, ...] = ()
    """The buckets of its words, rising, each once."""


class TitleHasher:
    """Derives title features with one secret and caches recent ones; its repr shows neither.

    Titles repeat all day and each costs about 60 HMACs, so there are two bounded caches: features by the title's hash
    (256), and bins by trigram (4096). Neither holds a title or a word of one. Raises IdentityError for a missing or
    malformed secret.
    """

    __slots__ = ("_bins", "_features", "_key", "_programs", "_secret")

    def __init__(self, secret: str) -> None:
        self._secret = checked_secret(secret)
        self._key = self._secret.encode("utf-8")
        self._bins: dict[str, int] = {}
        self._features: dict[str, TitleFeatures] = {}
        self._programs: dict[str, int] = {}

    def __repr__(self) -> str:
        return "TitleHasher(secret hidden)"

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("a TitleHasher holds a secret and is never written out")

    def features(self, title: str) -> TitleFeatures:
        """Return the features of a raw title."""
        # the whole digest is the key, so the cache holds no title
        digest = hashlib.sha256(_utf8(self._secret + title)).hexdigest()
        known = self._features.pop(digest, None)
        if known is None:
            known = self._derive(title[:MAX_TITLE_CHARACTERS], digest[:12])
            if len(self._features) >= _CACHED_TITLES:
                self._features.pop(next(iter(self._features)))
        self._features[digest] = known  # newest last: the oldest is dropped first
        return known

    def _derive(self, title: str, title_hash: str) -> TitleFeatures:
        text = normalise_title(title)
        words = tokens(text)
        return TitleFeatures(
            window_title_hash=title_hash,
            window_title_bucket=int(title_hash, 16) % 256,
            title_token_sketch=self._sketch(words, self._token_bin),
            title_char3_sketch=self._sketch(char3_grams(text), self._char3_bin),
            title_char_count=len(text),
            title_token_count=len(words),
            title_unique_token_ratio=round(len(set(words)) / len(words), 6) if words else 0.0,
            title_digit_ratio=round(len(_DIGIT.findall(text)) / len(text), 6) if text else 0.0,
            title_separator_count=sum(text.count(mark) for mark in _SEPARATORS),
            is_call_title=is_call_title(text),
            word_buckets=tuple(sorted({self._number(f"{WORD_NAMESPACE}:{w}", WORD_BUCKETS) for w in any_words(text)})),
        )

    def program_bucket(self, app_id: str) -> int:
        """Return the bucket of a program, behind those of words."""
        number = self._programs.get(app_id)
        if number is None:
            if len(self._programs) >= _CACHED_TITLES:
                self._programs.clear()
            number = WORD_BUCKETS + self._number(f"{PROGRAM_NAMESPACE}:{app_id}", PROGRAM_BUCKETS)
            self._programs[app_id] = number
        return number

    def _sketch(self, items: Sequence[str], bin_of: Callable[[str], int]) -> Sketch:
        each: dict[str, int] = {}  # a Counter takes as long to make as all the rest here
        for item in items:
            each[item] = each.get(item, 0) + 1
        counts: dict[int, int] = {}
        for item, count in each.items():
            number = bin_of(item)
            counts[number] = counts.get(number, 0) + count
        return tuple([(number, round(counts[number] / len(items), 6)) for number in sorted(counts)])

    def _token_bin(self, token: str) -> int:
        return self._bin(f"{TOKEN_NAMESPACE}:{token}")

    def _char3_bin(self, gram: str) -> int:
        number = self._bins.get(gram)
        if number is None:
            if len(self._bins) >= _CACHED_BINS:
                self._bins.clear()
            number = self._bins[gram] = self._bin(f"{CHAR3_NAMESPACE}:{gram}")
        return number

    def _bin(self, message: str) -> int:
        return self._number(message, BINS)

    def _number(self, message: str, numbers: int) -> int:
        return int.from_bytes(hmac.digest(self._key, _utf8(message), "sha256")[:8], "big") % numbers


def title_features(title: str, secret: str) -> TitleFeatures:
    """Return the features of a single title, without a cache. Raises IdentityError for a bad secret."""
    return TitleHasher(secret).features(title)


def checked_secret(secret: str) -> str:
    """Return `secret` if it is 64 hex characters.

    Raises IdentityError otherwise: features of another or an empty secret would mean nothing to a model.
    """
    if isinstance(secret, str) and _SECRET.fullmatch(secret):
        return secret
    raise IdentityError(
        "The title secret of this data folder is missing or damaged.",
        "Restore data/processed/.title_secret from a backup, or ask for a new one and retrain your models.",
    )


def normalise_title(title: str) -> str:
    """Apply NFKC, collapse white space to single spaces, and strip."""
    return _SPACE.sub(" ", unicodedata.normalize("NFKC", title)).strip()


def tokens(text: str) -> list[str]:
    """Return the first 32 words of a normalised title: lower case, ASCII, numbers as `num`, no single characters."""
    marked = _DIGITS.sub("<num>", text.lower())
    return [word for word in _NOT_WORD.split(marked) if len(word) > 1][:MAX_TOKENS]


def any_words(text: str) -> list[str]:
    """Return the first 32 words of a normalised title in any script: lower case, numbers as one word, no single
    characters. For the personal head; the words of a sketch are `tokens`.
    """
    marked = _DIGITS.sub(" 00 ", text.lower())
    return [word for word in _NOT_WORD_OF_ANY_SCRIPT.split(marked) if len(word) > 1][:MAX_TOKENS]


def char3_grams(text: str) -> list[str]:
    """Return the trigrams of the first 256 characters: lower case, a run of digits as `0`."""
    squeezed = _DIGITS.sub("0", text.lower())[:MAX_CHARACTERS]
    return [squeezed[i : i + 3] for i in range(len(squeezed) - 2)]


def _utf8(text: str) -> bytes:
    # JSON may carry half a surrogate pair, which strict UTF-8 refuses
    return text.encode("utf-8", "surrogatepass")
