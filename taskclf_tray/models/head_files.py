"""The file of a personal head, `tray/heads/<first digits of its SHA-256>.json`, and the policy's key that names it.

What is served is what the file says: numbers are rounded when they are written, so a head is used as it is read back.
The file names the title secret that its word buckets were made with, by a check value that does not reveal it: with
another secret the same words have other buckets, so the head would answer at random.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from taskclf_tray.core.atomic import write_bytes_atomic
from taskclf_tray.core.errors import HeadError, IdentityError, PolicyValidationError
from taskclf_tray.core.person_files import FileModel, Number, TimeText, Whole, about, checked, misplaced, where
from taskclf_tray.core.private_files import PRIVATE_FILE
from taskclf_tray.core.regular_files import Links
from taskclf_tray.core.strict_json import BadJsonError, parse_json_object, read_bounded
from taskclf_tray.core.types import LABEL_SET_V1, PROGRAM_BUCKETS, WORD_BUCKETS
from taskclf_tray.infer.head import PersonalHead
from taskclf_tray.models.identity import title_secret
from taskclf_tray.models.policy_checks import inside, is_inner_path

HEADS: Final = "tray/heads"
"""The folder of the heads, relative to the home."""
MAX_HEAD_BYTES: Final = 3_000_000
"""Twice the size of a head that knows every bucket."""
NEXT_STEP: Final = "Label a block or retrain to learn your words again."
DIGITS: Final = 6
"""Significant digits of a number in the file."""

_BUCKETS: Final = WORD_BUCKETS + PROGRAM_BUCKETS
_CHECK_MESSAGE: Final = b"personal_head_v1"
_CHECK_DIGITS: Final = 16
_Weight = Annotated[Number, Field(ge=-1e6, le=1e6)]
_Row = Annotated[list[_Weight], Field(min_length=len(LABEL_SET_V1), max_length=len(LABEL_SET_V1))]
_Power = Annotated[Number, Field(ge=0, le=1000)]
_ROW: Final = "8 finite numbers, one for each label"


class HeadEntry(BaseModel):
    """The policy's key `personal_head`."""

    model_config = ConfigDict(frozen=True, extra="allow")

    file: Annotated[str, where(is_inner_path)] = about(
        "The file of the head, relative to the folder that holds models/.",
        expected=f'a path relative to the folder that holds models/ and without .., such as "{HEADS}/0123abcd.json"',
    )
    sha256: str = about(
        "The SHA-256 of that file.", expected="64 hexadecimal digits in quotation marks", pattern="^[0-9A-Fa-f]{64}$"
    )


class HeadFile(FileModel):
    """The content of the file; `own`, `context` and `bias` have a number for each label, in `label_set`'s order."""

    model_config = ConfigDict(extra="forbid")

    head_version: Literal["v1"] = about(expected='"v1"')
    secret_check: str = about(expected=f"{_CHECK_DIGITS} hexadecimal digits", pattern=f"^[0-9a-f]{{{_CHECK_DIGITS}}}$")
    fitted_at: TimeText = about(expected="a time in ISO 8601")
    labelled_minutes: Annotated[Whole, Field(ge=0)] = about(expected="a whole number from 0")
    label_set: tuple[str, ...] = about(expected=f"the labels {', '.join(LABEL_SET_V1)}")
    head_power: _Power = about(expected="a number from 0 to 1000")
    forest_power: _Power = about(expected="a number from 0 to 1000")
    bias: _Row = about(expected=_ROW)
    buckets: list[Annotated[Whole, Field(ge=0, lt=_BUCKETS)]] = about(
        expected=f"whole numbers from 0 to {_BUCKETS - 1}", max_length=_BUCKETS
    )
    idf: list[Annotated[Number, Field(gt=0, le=1e6)]] = about(expected="a positive number for each bucket")
    own: list[_Row] = about(expected=f"for each bucket {_ROW}")
    context: list[_Row] = about(expected=f"for each bucket {_ROW}")

    @classmethod
    def refusal(cls, mistake: Any) -> HeadError:
        """Return a HeadError with the key."""
        return HeadError(f"{mistake}.", NEXT_STEP)

    @model_validator(mode="after")
    def _fits_together(self) -> HeadFile:
        if self.label_set != LABEL_SET_V1:
            raise misplaced(("label_set",), "is not the label set of this program in its order")
        if any(left >= right for left, right in zip(self.buckets, self.buckets[1:], strict=False)):
            raise misplaced(("buckets",), "does not rise from entry to entry")
        for name in ("idf", "own", "context"):
            length = len(getattr(self, name))
            if length != len(self.buckets):
                raise misplaced((name,), f"has {length} entries for {len(self.buckets)} buckets")
        return self


@dataclass(frozen=True, slots=True, eq=False)
class StoredHead:
    """A head as its file has it. `fitted_at`: in ISO 8601, or empty. `labelled_minutes`: those it has learnt from."""

    head: PersonalHead
    path: Path
    fitted_at: str
    labelled_minutes: int


def save_head(head: PersonalHead, home: Path, *, fitted_at: datetime, labelled_minutes: int) -> HeadEntry:
    """Write the head into the home, mode 0600, atomically. The same head written twice is one file.

    Args:
        head: what was fitted; its numbers are rounded to `DIGITS` digits, and its digest has no effect.
        home: the home whose title secret its words were hashed with.
        fitted_at: when it was fitted, aware.
        labelled_minutes: how many labelled minutes it has learnt from.

    Returns:
        The policy's key for it.

    Raises:
        HeadError: a number is not finite or out of range, or the home has no title secret.
        OSError: the file cannot be written.
    """
    content = _content(head, _secret_check(home), fitted_at.isoformat(), labelled_minutes)
    data = _text(HeadFile.model_validate(content)).encode()
    sha256 = hashlib.sha256(data).hexdigest()
    entry = HeadEntry(file=f"{HEADS}/{sha256[:16]}.json", sha256=sha256)
    path = Path(home) / entry.file
    if not _is_there(path, sha256):
        write_bytes_atomic(path, data, PRIVATE_FILE, Links.NONE)
    return entry


def as_written(head: PersonalHead) -> PersonalHead:
    """The head with its numbers as its file will have them, for judging what will be served."""
    return PersonalHead(
        buckets=head.buckets,
        idf=np.array(_rounded(head.idf)),
        own=_matrix(_rounded(head.own)),
        context=_matrix(_rounded(head.context)),
        bias=np.array(_rounded(head.bias)),
        head_power=_round(head.head_power),
        forest_power=_round(head.forest_power),
        digest=head.digest,
    )


def load_head(path: Path, sha256: str) -> StoredHead:
    """Read and check a head's file whole. Raises HeadError; `sha256` is what the file must have."""
    return _parsed(path, sha256)[0]


def head_of_entry(home: Path, entry: HeadEntry) -> StoredHead:
    """Read the head that a policy of the home names.

    Raises:
        HeadError: the file is missing, damaged, another one, outside the home, or of another title secret.
    """
    stored, check = _parsed(place_of(home, entry), entry.sha256)
    if check != _secret_check(home):
        raise HeadError(
            f"The personal head {stored.path} belongs to another installation: its words were hashed with another "
            "title secret.",
            NEXT_STEP,
        )
    return stored


def place_of(home: Path, entry: HeadEntry) -> Path:
    """Return the path of the head's file, inside the home. Raises HeadError for a link that leads out of it."""
    try:
        return inside(home, entry.file, "personal_head.file")
    except PolicyValidationError as error:
        raise HeadError(error.title, NEXT_STEP) from error


def _parsed(path: Path, sha256: str) -> tuple[StoredHead, str]:
    """(the head, the check value of its secret). Raises HeadError."""
    try:
        data = read_bounded(path, MAX_HEAD_BYTES)
        found = hashlib.sha256(data).hexdigest()
        if found != sha256.lower():
            raise BadJsonError("is not the file that the policy names (its SHA-256 differs)")
        content, mistakes = checked(HeadFile, parse_json_object(data))
    except BadJsonError as error:
        raise HeadError(f"The personal head {path} {error}.", NEXT_STEP) from error
    if content is None:
        raise HeadError(f"The personal head {path} is damaged: {mistakes[0]}.", NEXT_STEP)
    head = PersonalHead(
        buckets=np.array(content.buckets, dtype=np.int64),
        idf=np.array(content.idf, dtype=np.float64),
        own=_matrix(content.own),
        context=_matrix(content.context),
        bias=np.array(content.bias, dtype=np.float64),
        head_power=content.head_power,
        forest_power=content.forest_power,
        digest=found,
    )
    return StoredHead(head, path, content.fitted_at, content.labelled_minutes), content.secret_check


def _content(head: PersonalHead, secret_check: str, fitted_at: str, labelled_minutes: int) -> dict[str, Any]:
    return {
        "head_version": "v1",
        "secret_check": secret_check,
        "fitted_at": fitted_at,
        "labelled_minutes": labelled_minutes,
        "label_set": LABEL_SET_V1,
        "head_power": _round(head.head_power),
        "forest_power": _round(head.forest_power),
        "bias": _rounded(head.bias),
        "buckets": head.buckets.tolist(),
        "idf": _rounded(head.idf),
        "own": _rounded(head.own),
        "context": _rounded(head.context),
    }


def _text(content: HeadFile) -> str:
    """One line for each key, and for each bucket within it."""
    lines = [f"{json.dumps(key)}: {_lines(value)}" for key, value in content.model_dump().items()]
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _lines(value: Any) -> str:
    if isinstance(value, list) and value and isinstance(value[0], list):
        return "[\n" + ",\n".join(json.dumps(row, separators=(",", ":")) for row in value) + "\n]"
    return json.dumps(value)


def _rounded(values: Iterable[Any]) -> list[Any]:
    """The array as nested lists of rounded numbers."""
    listed = values.tolist() if isinstance(values, np.ndarray) else values
    return [_rounded(value) if isinstance(value, list) else _round(value) for value in listed]


def _round(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")


def _matrix(rows: list[list[float]]) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.array(rows, dtype=np.float64).reshape(-1, len(LABEL_SET_V1))


def _secret_check(home: Path) -> str:
    """The check value of the home's title secret. Raises HeadError."""
    try:
        secret = title_secret(home)
    except IdentityError as error:
        raise HeadError(error.title, error.next_step) from error
    if secret is None:
        raise HeadError(
            f"The home {home} has no title secret, so a personal head cannot tell its words.",
            "Start the app once, or put the title secret back.",
        )
    return hmac.digest(secret.encode(), _CHECK_MESSAGE, "sha256").hex()[:_CHECK_DIGITS]


def _is_there(path: Path, sha256: str) -> bool:
    try:
        return hashlib.sha256(read_bounded(path, MAX_HEAD_BYTES)).hexdigest() == sha256
    except BadJsonError:
        return False
