"""Inspection of a model.txt without building its trees: size, line ends, kind of model.

Listing models uses this module; the evaluator (`infer/forest_text.py`) refuses the same files in the same words.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from taskclf_tray.core.regular_files import open_regular

MAX_MODEL_BYTES: Final = 32 * 2**20
"""The largest model that is served: its trees take about twice that in memory."""
TOO_LARGE: Final = f"it is larger than {MAX_MODEL_BYTES >> 20} MiB"
WINDOWS_LINE_ENDS: Final = "it has Windows line ends (CR LF), which LightGBM never writes"
NO_END: Final = 'the line "end of trees" is missing'

_FIRST_LINE: Final = b"tree\r\n"
_LINEAR: Final = b"\nis_linear=1"
_TREE: Final = b"\nTree="
_END: Final = b"\nend of trees"
_MAX_HEADER_BYTES: Final = 2**20
_CHUNK_BYTES: Final = 2**20


@dataclass(frozen=True, slots=True)
class ModelText:
    """The inspection of a model.txt. `problem`: why the evaluator cannot serve it, None when it may."""

    sha256: str
    header: Mapping[str, str]
    problem: str | None


def has_windows_line_ends(head: bytes) -> bool:
    """Whether the file was rewritten with CR LF; `head` holds its first bytes."""
    return head.startswith(_FIRST_LINE)


def linear_tree(number: int) -> str:
    """Return the reason for refusing a tree whose leaves are equations (`linear_tree=true` in training)."""
    return f"tree {number} is a linear tree (is_linear='1'), whose leaves are equations"


def kind_problem(header: Mapping[str, str]) -> str | None:
    """Return why a model with this header is not supported: version, averaged trees or objective; else None."""
    version, objective = header.get("version", ""), header.get("objective", "")
    if version not in ("v3", "v4"):
        return f"its format version is {quoted(version)}, not v3 or v4"
    if "average_output" in header:
        return "it averages its trees (average_output, a random forest)"
    if objective != f"multiclass num_class:{header.get('num_class')}" or header.get("num_class") in ("0", "1"):
        return f"its objective is {quoted(objective)}, not multiclass softmax"
    return None


def quoted(text: str) -> str:
    """Quote at most 40 printable characters of the file for an error message."""
    return ascii(text[:40])


def look_at(path: Path) -> ModelText:
    """Inspect the file in one pass; an unchanged file comes from a cache. Raises OSError."""
    status = path.stat()
    return _look(path, status.st_mtime_ns, status.st_size, status.st_ino)


@functools.lru_cache(maxsize=64)
def _look(path: Path, mtime_ns: int, size: int, inode: int) -> ModelText:  # noqa: ARG001 - the key of the cache
    if size > MAX_MODEL_BYTES:
        return ModelText("", {}, TOO_LARGE)
    digest = hashlib.sha256()
    head, kept, trees = b"", b"", 0
    problem: str | None = None
    is_ended = False
    with open_regular(path) as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
            head = head or chunk[:_MAX_HEADER_BYTES]
            seen = kept + chunk
            is_ended = is_ended or _END in seen
            linear = seen.find(_LINEAR)
            if linear >= 0 and problem is None:
                problem = linear_tree(trees + seen.count(_TREE, 0, linear) - 1)
            kept = seen[-len(_END) :]
            trees += seen.count(_TREE) - kept.count(_TREE)
    header = _header(head)
    if has_windows_line_ends(head):
        problem = WINDOWS_LINE_ENDS
    elif problem is None:
        problem = kind_problem(header) or (None if is_ended else NO_END)
    return ModelText(digest.hexdigest(), header, problem)


def _header(head: bytes) -> dict[str, str]:
    lines = head.split(b"\n\n")[0].decode("utf-8", "replace").splitlines()
    return dict(line.partition("=")[::2] for line in lines)
