"""From what the worker knows to the one sentence, the icon state and the menu's facts."""

from __future__ import annotations

from taskclf_tray.core.defaults import MIXED_UNKNOWN
from taskclf_tray.core.errors import SourceError, TaskclfError
from taskclf_tray.infer.prediction import WindowPrediction
from taskclf_tray.infer.taxonomy import TaxonomyConfig
from taskclf_tray.store.blackouts import Blackout
from taskclf_tray.ui import text
from taskclf_tray.ui.icon import IconState
from taskclf_tray.ui.recorder import Live, Step
from taskclf_tray.ui.session import Session, paused_until
from taskclf_tray.ui.snapshot import ModelChoice, Snapshot


def snapshot_of(
    session: Session,
    step: Step,
    *,
    blackouts: list[Blackout],
    problem: TaskclfError | None,
    banner: str | None,
) -> Snapshot:
    """The snapshot of this moment."""
    state, line = _state_and_line(session, step.live, blackouts, problem)
    shown = step.live if state in (IconState.LIVE, IconState.UNSURE, IconState.AWAY) else None
    prediction = None if shown is None else shown.prediction
    taxonomy = None if session.serving.config is None else session.serving.config.taxonomy
    return Snapshot(
        state=state,
        line=line,
        ui_label=None if prediction is None else prediction.ui_label,
        core_label=None if prediction is None else prediction.core_label_name,
        probability=None if prediction is None else prediction.confidence,
        since=None if shown is None else shown.since,
        color=None if prediction is None else color_of(prediction, taxonomy),
        banner=banner,
        is_paused=any(b.reason == "pause" for b in blackouts),
        is_private=any(b.reason == "private" for b in blackouts),
        models=model_choices(session),
        source=session.source.name,
    )


def _state_and_line(
    session: Session, live: Live | None, blackouts: list[Blackout], problem: TaskclfError | None
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
        return IconState.AWAY, text.WAITING
    prediction = live.prediction
    if prediction.decided_by == "idle_rule":
        return IconState.AWAY, text.away_line(live.since)
    if prediction.decided_by == "no_window":
        return IconState.UNSURE, text.NO_WINDOW
    if prediction.ui_label == mixed_name(session) or prediction.is_rejected:
        return IconState.UNSURE, text.unsure_line(prediction.core_label_name, prediction.confidence)
    line = text.live_line(prediction.ui_label, prediction.core_label_name, prediction.confidence, live.since)
    return IconState.LIVE, line


def mixed_name(session: Session) -> str:
    """What rejected minutes are called."""
    taxonomy = None if session.serving.config is None else session.serving.config.taxonomy
    return MIXED_UNKNOWN if taxonomy is None else taxonomy.mixed_label_name


def color_of(prediction: WindowPrediction, taxonomy: TaxonomyConfig | None) -> str | None:
    """The colour the person gave the shown bucket; None without a taxonomy (then the core label has one)."""
    if taxonomy is None:
        return None
    return next((b.color for b in taxonomy.buckets if b.name == prediction.ui_label), None)


def model_choices(session: Session) -> tuple[ModelChoice, ...]:
    """The bundles of the home, the one in use marked."""
    resolved = session.serving.resolved
    active = None if resolved is None else resolved.bundle_dir.name
    return tuple(ModelChoice(b.name, b.name == active, b.problem) for b in session.bundles())
