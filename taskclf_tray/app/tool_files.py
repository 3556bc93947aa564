"""Files of the taskclf tool in a shared home that are taken over only on request: labels, questions and settings.

Models, policy, active pointer, calibrators, categories and identity are shared as they are.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from taskclf_tray.app import record_text
from taskclf_tray.core.config import WITHOUT_EFFECT, Config, load_config, setting_line
from taskclf_tray.core.errors import LabelError
from taskclf_tray.core.file_watch import file_stamp
from taskclf_tray.core.time import to_us
from taskclf_tray.labels.queue_file import read_queue_file
from taskclf_tray.store.database import Database
from taskclf_tray.system.paths import HomePaths

Kind = Literal["labels", "queue", "config"]
_TAKEN: str = "taken_over:"
_TOLD: str = "tool_files_told"


@dataclass(frozen=True, slots=True)
class ToolFile:
    """A file with something new in it. `detail` and `next_step` are for the person."""

    kind: Kind
    path: Path
    detail: str
    next_step: str


def tool_files(paths: HomePaths, database: Database, user_id: str, config: Config) -> list[ToolFile]:
    """Find what the taskclf tool has in this home that is not here yet. Raises StoreError."""
    found = [_labels(paths, database), _questions(paths, database, user_id), _settings(paths, config)]
    return [file for file in found if file is not None]


def remember_taken_over(database: Database, path: Path) -> None:
    """Note that the current state of the file was imported. Raises StoreError."""
    signature = _signature(path)
    if signature is not None:
        with database.transaction():
            database.state.set(_TAKEN + str(path.resolve()), signature)


def tell_once(paths: HomePaths, database: Database, user_id: str, config: Config) -> tuple[str, str] | None:
    """The message about such files; None when there are none, or when their current state was told.

    Raises StoreError.
    """
    files = tool_files(paths, database, user_id, config)
    seen = hashlib.sha256("\n".join(f"{file.path}: {_signature(file.path)}" for file in files).encode()).hexdigest()
    with database.reading():
        known = database.state.get(_TOLD)
    if not files or known == seen:
        return None
    with database.transaction():
        database.state.set(_TOLD, seen)
    return record_text.TOOL_FILES, record_text.tool_files_found([file.path.name for file in files])


def _labels(paths: HomePaths, database: Database) -> ToolFile | None:
    path = paths.tool_labels
    signature = _signature(path)
    if signature is None:
        return None
    with database.reading():
        if database.state.get(_TAKEN + str(path.resolve())) == signature:
            return None
    return ToolFile("labels", path, record_text.tool_labels(path), f"taskclf-tray labels import {path}")


def _questions(paths: HomePaths, database: Database, user_id: str) -> ToolFile | None:
    path = paths.tool_queue
    if _signature(path) is None:
        return None
    step = f"taskclf-tray queue import {path}"
    try:
        waiting = [one for one in read_queue_file(path) if one.status == "pending" and one.user_id == user_id]
    except LabelError as error:
        return ToolFile("queue", path, error.title, step)
    with database.reading():
        new = [one for one in waiting if database.requests.at(user_id, to_us(one.bucket_start_ts)) is None]
    return ToolFile("queue", path, record_text.tool_questions(len(new), path), step) if new else None


def _settings(paths: HomePaths, config: Config) -> ToolFile | None:
    path = paths.tool_config
    if _signature(path) is None:
        return None
    lines = different_settings(path, config)
    if not lines:
        return None
    step = record_text.TOOL_CONFIG_COPY if paths.config.exists() else "taskclf-tray config import"
    return ToolFile("config", path, record_text.tool_settings(path, lines), step)


def different_settings(path: Path, config: Config) -> list[str]:
    """The lines `key = value` of a config file that have an effect here and differ."""
    theirs, default = load_config(path)[0], Config()
    names = [name for name in Config.model_fields if name not in WITHOUT_EFFECT]
    return [
        setting_line(name, getattr(theirs, name))
        for name in names
        if getattr(theirs, name) not in (getattr(config, name), getattr(default, name))
    ]


def _signature(path: Path) -> str | None:
    stamp = file_stamp(path)
    return None if stamp is None else f"{stamp.modified_ns}:{stamp.size}"
