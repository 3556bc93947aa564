"""What the person was told of drifts, kept in the database: a drift is told once, and again only after it was gone.

And which buckets wait for a label because of it.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from taskclf_tray.core.time import from_us, to_us
from taskclf_tray.drift.report import DriftReport
from taskclf_tray.drift.story import CAUSES, Story
from taskclf_tray.labels.queue import DEFAULT_DRIFT_LABEL_LIMIT, ActiveLabelingQueue
from taskclf_tray.labels.queue_rows import frame_rows
from taskclf_tray.store.database import Database

GONE_AFTER: Final = timedelta(days=7)
"""A drift that no check has found for so long is gone: the days it was found in have left the window."""
_TOLD_KEPT: Final = 20


@dataclass(frozen=True, slots=True)
class Told:
    """A notification about a drift: when, after the check of which day, and its text."""

    at: datetime
    day: date
    key: str
    title: str
    body: str


@dataclass(frozen=True, slots=True)
class DriftMemory:
    """`checked_day`: the last day of the newest check; `last_seen`: by story, when it was last found."""

    checked_day: date | None = None
    checked_at: datetime | None = None
    too_little_data: str | None = None
    last_seen: Mapping[str, date] = field(default_factory=dict)
    told: tuple[Told, ...] = ()

    def noting(self, told: Told) -> DriftMemory:
        """The memory with one more notification."""
        return dataclasses.replace(self, told=(*self.told, told)[-_TOLD_KEPT:])


def take_in(
    memory: DriftMemory, stories: Sequence[Story], day: date, at: datetime, lacking: str | None
) -> tuple[DriftMemory, Story | None]:
    """The memory after the check of a day, and the story to tell, None without news.

    A story is news if no check of the last week has found it. While a drift lasts, the story must also name a cause of
    another kind, or have begun after what was told. `lacking`: why the check could say nothing; what was found before
    then stands.
    """
    if lacking is not None:
        standing = dict.fromkeys(memory.last_seen, day)
        return dataclasses.replace(
            memory, checked_day=day, checked_at=at, too_little_data=lacking, last_seen=standing
        ), None
    known = {key: seen for key, seen in memory.last_seen.items() if abs(day - seen) <= GONE_AFTER}
    fresh = [story for story in stories if story.key not in known]
    news = [story for story in fresh if not known or _is_another(story, known, memory.told)]
    last_seen = known | {story.key: day for story in stories}
    return DriftMemory(day, at, None, last_seen, memory.told), next(iter(news), None)


def _is_another(story: Story, known: Iterable[str], told: Sequence[Told]) -> bool:
    is_other_cause = story.kind in CAUSES and not any(key.startswith(story.kind) for key in known)
    is_later = story.since is not None and story.is_begin_seen and bool(told) and story.since > told[-1].day
    return is_other_cause or is_later


def load_memory(database: Database, user_id: str) -> DriftMemory:
    """What is remembered; the default before the first check. Raises StoreError."""
    with database.reading():
        saved = database.state.get(_name(user_id))
    return DriftMemory() if saved is None else _parsed(json.loads(saved))


def update_memory(database: Database, user_id: str, change: Callable[[DriftMemory], DriftMemory]) -> DriftMemory:
    """Read, change and write in one transaction; the new memory. Raises StoreError."""
    with database.transaction():
        after = change(load_memory(database, user_id))
        database.state.set(_name(user_id), _text(after))
    return after


def _name(user_id: str) -> str:
    return f"drift:{user_id}"


def _text(memory: DriftMemory) -> str:
    values = {
        "checked_day": None if memory.checked_day is None else memory.checked_day.isoformat(),
        "checked_at_us": None if memory.checked_at is None else to_us(memory.checked_at),
        "too_little_data": memory.too_little_data,
        "last_seen": {key: day.isoformat() for key, day in memory.last_seen.items()},
        "told": [[to_us(t.at), t.day.isoformat(), t.key, t.title, t.body] for t in memory.told],
    }
    return json.dumps(values, ensure_ascii=False)


def _parsed(values: Mapping[str, Any]) -> DriftMemory:
    day, at = values["checked_day"], values["checked_at_us"]
    return DriftMemory(
        None if day is None else date.fromisoformat(day),
        None if at is None else from_us(at),
        values["too_little_data"],
        {key: date.fromisoformat(seen) for key, seen in values["last_seen"].items()},
        tuple(Told(from_us(t[0]), date.fromisoformat(t[1]), *t[2:]) for t in values["told"]),
    )


# -- labels that would help -----------------------------------------------------------------------------------------


def auto_enqueue_drift_labels(
    drift_report: DriftReport,
    cur_features_df: Any,
    queue_path: Path,
    *,
    cur_confidences: Sequence[float] | None = None,
    limit: int = DEFAULT_DRIFT_LABEL_LIMIT,
) -> int:
    """Queue the least confident buckets of the users a drift report has an alert for.

    Contiguous buckets are one entry, and the limit of entries per day does not count them.

    Args:
        drift_report: without an alert nothing is queued; an alert that names no user is about all users.
        cur_features_df: the rows of the current window.
        queue_path: the queue.
        cur_confidences: of the rows; None for their column `confidence`. A bucket without one comes last.
        limit: the most buckets.

    Returns:
        The number of new entries.

    Raises:
        LabelError: a row has no user.
        StoreError: the queue cannot be written.
        ValueError: lengths differ.
    """
    if not drift_report.alerts:
        return 0
    affected = {user for alert in drift_report.alerts for user in alert.affected_user_ids}
    is_about_all = not all(alert.affected_user_ids for alert in drift_report.alerts)
    rows = {(row.user_id, row.start_us): row for row in frame_rows(cur_features_df, cur_confidences)}
    theirs = [rows[key] for key in sorted(rows) if is_about_all or key[0] in affected]
    queue = ActiveLabelingQueue(queue_path)
    try:
        return queue.enqueue_drifted_rows(theirs, limit)
    finally:
        queue.close()
