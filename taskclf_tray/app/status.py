"""Turns what the worker knows into a snapshot: the status sentence, the icon state and the facts of the menu.

The same for other programs: `StatusFile` writes each snapshot into the home, for `taskclf-tray status`.
"""

from __future__ import annotations

import contextlib
import json
import logging
from dataclasses import asdict
from datetime import timedelta
from typing import Final

from taskclf_tray.app import text
from taskclf_tray.app.live_status import STARTS, LiveStatus
from taskclf_tray.app.session import Session, paused_until
from taskclf_tray.app.snapshot import LABELLED_STATES, IconState, ModelChoice, Snapshot
from taskclf_tray.core.atomic import write_text_atomic
from taskclf_tray.core.defaults import HIGH_WATER_LEAD_SECONDS, MIXED_UNKNOWN
from taskclf_tray.core.errors import SourceError, TaskclfError
from taskclf_tray.core.regular_files import Links
from taskclf_tray.core.types import LABEL_SET_V1
from taskclf_tray.infer.prediction import WindowPrediction
from taskclf_tray.infer.taxonomy_config import TaxonomyConfig
from taskclf_tray.record.live_label import LiveLabel
from taskclf_tray.record.recorder import StepResult
from taskclf_tray.store.blackouts import Blackout
from taskclf_tray.system.paths import HomePaths

log = logging.getLogger(__name__)

_STATES: Final = {
    IconState.LIVE: "?", IconState.UNSURE: "Not sure", IconState.NO_SOURCE: "No source",
    IconState.NO_MODEL: "No model", IconState.ATTENTION: "Look at the log",
}  # fmt: skip
"""What a panel shows where there is no label."""


def snapshot_of(
    session: Session,
    step: StepResult,
    *,
    blackouts: list[Blackout],
    problem: TaskclfError | None,
    banner: str | None,
) -> Snapshot:
    """Build the snapshot of this moment."""
    live, is_fresh = step.live, True
    if live is None and step.is_caught_up and problem is None and not blackouts:
        live, is_fresh = _recent(session), False
    state, line = _state_and_line(session, live, blackouts, problem, is_caught_up=step.is_caught_up)
    shown = live if state in (IconState.LIVE, IconState.UNSURE, IconState.AWAY) else None
    prediction = None if shown is None else shown.prediction
    taxonomy = None if session.serving.config is None else session.serving.config.taxonomy
    block_start = None
    if shown is not None and not shown.is_away:
        block_start = shown.block_start if is_fresh else session.recorded_block()
    core_label, probability = (None, None) if prediction is None else shown_core_label(prediction, taxonomy)
    return Snapshot(
        state=state,
        line=line,
        ui_label=None if prediction is None else prediction.ui_label,
        core_label=core_label,
        probability=probability,
        since=None if shown is None else shown.since,
        color=None if prediction is None else color_of(prediction, taxonomy),
        banner=banner,
        is_paused=any(b.reason == "pause" for b in blackouts),
        is_private=any(b.reason == "private" for b in blackouts),
        models=model_choices(session),
        source=session.source.name,
        moment=None if prediction is None else prediction.bucket_end_ts,
        block_start=block_start,
        is_starter=session.serving.is_starter,
    )


def _state_and_line(
    session: Session,
    live: LiveLabel | None,
    blackouts: list[Blackout],
    problem: TaskclfError | None,
    *,
    is_caught_up: bool,
) -> tuple[IconState, str]:
    if any(b.reason == "private" for b in blackouts):
        return IconState.PAUSED, text.PRIVATE
    if blackouts:
        return IconState.PAUSED, text.paused_line(paused_until(blackouts))
    if session.serving.config is None:
        return IconState.NO_MODEL, text.NO_MODEL
    if isinstance(problem, SourceError):
        return IconState.NO_SOURCE, problem.title
    if problem is not None:
        return IconState.ATTENTION, problem.title
    if live is None:
        last = session.newest() if is_caught_up else None
        return IconState.AWAY, text.WAITING if last is None else text.quiet_line(last.bucket_end_ts)
    prediction = live.prediction
    if live.is_away:
        return IconState.AWAY, text.away_line(live.since)
    if prediction.decided_by == "no_window":
        return IconState.UNSURE, text.NO_WINDOW
    if prediction.ui_label == mixed_name(session) or prediction.is_rejected:
        return IconState.UNSURE, text.unsure_line(prediction.core_label_name, prediction.confidence)
    taxonomy = None if session.serving.config is None else session.serving.config.taxonomy
    core_label, probability = shown_core_label(prediction, taxonomy)
    return IconState.LIVE, text.live_line(prediction.ui_label, core_label, probability, live.since)


def _recent(session: Session) -> LiveLabel | None:
    """The newest bucket as the live label, while it is not older than the lead of the high-water mark."""
    newest = session.newest()
    if newest is None or session.now() - newest.bucket_end_ts > timedelta(seconds=HIGH_WATER_LEAD_SECONDS):
        return None
    return LiveLabel(newest, newest.bucket_start_ts)


def shown_core_label(prediction: WindowPrediction, taxonomy: TaxonomyConfig | None) -> tuple[str, float]:
    """The core label beside the UI label, with its calibrated probability.

    That is the predicted label, except where a category won by the sum of its labels or by smoothing while another
    label is more probable: then the most probable label of that category.
    """
    best = (prediction.core_label_name, prediction.confidence)
    if taxonomy is None:
        members = [prediction.ui_label]
    else:
        members = next((b.core_labels for b in taxonomy.buckets if b.name == prediction.ui_label), [])
    own = [(name, p) for name, p in zip(LABEL_SET_V1, prediction.core_probs, strict=True) if name in members]
    return best if not own or best[0] in members else max(own, key=lambda item: item[1])


def mixed_name(session: Session) -> str:
    """The name of rejected minutes."""
    taxonomy = None if session.serving.config is None else session.serving.config.taxonomy
    return MIXED_UNKNOWN if taxonomy is None else taxonomy.mixed_label_name


def color_of(prediction: WindowPrediction, taxonomy: TaxonomyConfig | None) -> str | None:
    """The colour of the shown category; None without a taxonomy, where the core label has its own."""
    if taxonomy is None:
        return None
    return next((b.color for b in taxonomy.buckets if b.name == prediction.ui_label), None)


def model_choices(session: Session) -> tuple[ModelChoice, ...]:
    """The bundles of the home; the one in use is marked."""
    resolved = session.serving.resolved
    active = None if resolved is None else resolved.bundle_dir.name
    return tuple(ModelChoice(b.name, b.name == active, b.problem) for b in session.bundles())


# -- for panels and other programs ----------------------------------------------------------------------------


def panel_label_of(snapshot: Snapshot) -> str:
    """`Build`, `Build?` while unsure, `Away` or `Paused`; empty where the icon alone says it."""
    if snapshot.state in LABELLED_STATES and snapshot.line != text.NO_WINDOW:
        label = snapshot.ui_label if snapshot.state is IconState.LIVE else snapshot.core_label
        return f"{text.name_of(label)}{'' if snapshot.state is IconState.LIVE else '?'}" if label else ""
    return {IconState.AWAY: "Away", IconState.PAUSED: "Paused"}.get(snapshot.state, "")


def status_of(snapshot: Snapshot) -> LiveStatus:
    """Convert a snapshot for other programs."""
    return LiveStatus(
        state=snapshot.state.value,
        line=snapshot.line,
        text=panel_label_of(snapshot) or _STATES[snapshot.state],
        ui_label=snapshot.ui_label,
        core_label=snapshot.core_label,
        confidence=None if snapshot.probability is None else round(snapshot.probability, 6),
        since=None if snapshot.since is None else snapshot.since.isoformat(),
        color=snapshot.color,
        is_own_label=snapshot.is_own_label,
        is_private=snapshot.is_private,
        review_count=snapshot.labels.review_count,
        simulated=snapshot.banner is not None,
    )


class StatusFile:
    """Writes the status file; a listener of the publisher."""

    shows_messages = False

    def __init__(self, paths: HomePaths) -> None:
        self._path = paths.status
        self._written: LiveStatus | None = None
        self._write(STARTS)

    def on_snapshot(self, snapshot: Snapshot) -> None:
        """Write what has changed."""
        status = status_of(snapshot)
        if status != self._written:
            self._write(status)

    def on_step(self, step: StepResult) -> None:
        """Ignore it: the file holds the live label only."""

    def on_message(self, message: tuple[str, str]) -> None:
        """Ignore it: messages are notifications."""

    def close(self) -> None:
        """Remove the file."""
        with contextlib.suppress(OSError):
            self._path.unlink()

    def _write(self, status: LiveStatus) -> None:
        try:
            write_text_atomic(self._path, json.dumps(asdict(status)) + "\n", links=Links.NONE, is_durable=False)
        except OSError as error:
            if self._written is not None or status is STARTS:
                log.warning("The status file cannot be written (%s).", error.strerror)
            self.close()  # an old status would be wrong
            self._written = None
        else:
            self._written = status
