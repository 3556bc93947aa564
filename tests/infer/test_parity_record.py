"""The law of parity from events to the record on disk: polls, restarts and reloads anywhere change nothing.

Stages 2–9 after every poll: the record equals batch over the rows it holds. Stage 1 at the end: those rows are the
ones built from all events at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from taskclf_tray.adapters.base import ActivitySource, SourceStatus
from taskclf_tray.core.defaults import MIXED_UNKNOWN
from taskclf_tray.core.types import LABEL_SET_V1, AWAwayEvent, FeatureRow, SourceEvents
from taskclf_tray.features.build import build_features_from_aw_events
from taskclf_tray.infer.batch import run_batch
from taskclf_tray.infer.hmm import hmm_codes
from taskclf_tray.infer.pipeline import LABELS_AND_MIXED, PipelineConfig
from taskclf_tray.infer.prediction import WindowPrediction
from taskclf_tray.infer.smooth import merge_short_segments, rolling_majority, segmentize
from taskclf_tray.record.recorder import Recorder
from taskclf_tray.record.suggest import _LabelSuggester
from taskclf_tray.store.database import Database
from tests.support.event_strategies import clipped, inputs, lengths, moments, tab_events, windows
from tests.support.events import at, away, win
from tests.support.examples import examples
from tests.support.parity_settings import USERS, settings_of_a_run
from tests.support.sample_rows import forest
from tests.support.worker_home import USER, recorded, recorder_of

pytestmark = pytest.mark.no_cover  # many repetitions, at half the time

MINUTE = timedelta(minutes=1)
WHOLE = 20_000
"""Rows of a chunk: all at once."""
LAST_POLL = 7200.0
"""An hour after anything can happen: everything is finalised and settled then."""


@dataclass(frozen=True)
class Script(ActivitySource):
    """Given events; what is asked for comes cut to the question."""

    events: SourceEvents
    name: ClassVar[str] = "script"

    def read(self, start: datetime, end: datetime) -> SourceEvents:
        first, last = ((moment - at(0)).total_seconds() for moment in (start, end))
        streams = ("window", "input", "away", "tab")
        return SourceEvents(start, end, **{n: clipped(getattr(self.events, n), first, last) for n in streams})

    def status(self) -> SourceStatus:
        return SourceStatus(self.name, True, frozenset(), "A script.")


minutes = st.tuples(st.sampled_from([0, 0, 3.5, 58]), st.sampled_from(["edit", "web", "meet", "?"]))


@st.composite
def scripts(draw: st.DrawFn) -> SourceEvents:
    """Any windows, inputs, tabs and words of the away watcher, who tends to say something long."""
    away_lengths = st.one_of(lengths, st.integers(300, 900))
    words: list[AWAwayEvent] = [
        away(*part) for part in draw(st.lists(st.tuples(moments, away_lengths, st.booleans()), max_size=5))
    ]
    work = [win(60.0 * i + offset, 55, app) for i, (offset, app) in enumerate(draw(st.lists(minutes, max_size=20)))]
    window = sorted([*work, *draw(windows())], key=lambda e: e.timestamp)
    window = [replace(e, event_id=i) for i, e in enumerate(window)]  # ids grow with time, as a server gives them
    return SourceEvents(
        at(0), at(LAST_POLL), tuple(window), tuple(draw(inputs())), tuple(words), tuple(draw(tab_events()))
    )


class Remembering:
    """The forest, asked once for each row: batch after every poll asks for the same ones again and again.

    (That a row alone has the bits it has among others is a law of the forest, with tests of its own.)
    """

    def __init__(self) -> None:
        self._answers: dict[bytes, np.ndarray] = {}

    def predict(self, matrix: np.ndarray) -> np.ndarray:
        keys = [row.tobytes() for row in matrix]
        for key, row in zip(keys, matrix, strict=True):
            if key not in self._answers:
                self._answers[key] = forest().predict(row[None])[0]
        return np.array([self._answers[key] for key in keys])


class Squared(Remembering):
    """Another model: the forest's probabilities squared."""

    def predict(self, matrix: np.ndarray) -> np.ndarray:
        probs = super().predict(matrix)
        probs *= probs
        total = probs[:, 0]
        for k in range(1, 8):
            total = total + probs[:, k]
        return probs / total[:, None]


class Configs(list[PipelineConfig]):
    """With a short way to be told in a failure."""

    def __repr__(self) -> str:
        told = [
            (c.smooth_window, c.transitions, c.reject_threshold, c.per_user_reject_thresholds, c.calibrator)
            for c in self
        ]
        return f"Configs({told})"


@st.composite
def two_configs(draw: st.DrawFn) -> Configs:
    """What is served before and after a reload; the window is the app's and stays, the transitions are the policy's."""
    first, second = (draw(settings_of_a_run()) for _ in range(2))
    second["smooth_window"] = first["smooth_window"]
    before = PipelineConfig(model=Remembering(), config_id="before", **first)
    model = draw(st.sampled_from([Remembering(), Squared()]))
    return Configs([before, PipelineConfig(model=model, config_id="after", **second)])


actions = st.sampled_from(["", "", "", "restart", "reload"])
polls = st.lists(st.tuples(moments, actions), min_size=2, max_size=9, unique_by=lambda poll: poll[0]).map(sorted)


def expected(rows: Sequence[FeatureRow], served: Sequence[PipelineConfig], chunk_rows: int) -> list[tuple[Any, ...]]:
    """What batch says of each row: stages 2–6 and 8 of its own config, stage 7 over all of one smoother's run."""
    if not rows:
        return []
    distinct = {config.config_id: config for config in served}
    # what a config predicted knows the words before it, and those after it only until the reload
    known = {name: rows[: 1 + max(i for i, c in enumerate(served) if c.config_id == name)] for name in distinct}
    batches = {name: run_batch(config, known[name], chunk_rows=chunk_rows) for name, config in distinct.items()}
    raw = [batches[config.config_id].raw_labels[i] for i, config in enumerate(served)]
    starts = [row.bucket_start_ts for row in rows]
    cuts = (
        i
        for i in range(1, len(rows))
        if starts[i] - starts[i - 1] != MINUTE or served[i].transitions != served[i - 1].transitions
    )
    borders = [0, *cuts, len(rows)]
    smoothed = [
        label
        for a, b in pairwise(borders)
        for label in joined_run(
            raw[a:b], served[a:b], [batches[served[i].config_id].core_probs[i] for i in range(a, b)]
        )
    ]
    answers = []
    for i, config in enumerate(served):
        batch = batches[config.config_id]
        probs = batch.core_probs[i].tolist()
        mapped_name, mapped_probs = smoothed[i], dict(zip(LABEL_SET_V1, probs, strict=True))
        if config.resolver is not None:
            result = config.resolver.resolve_smoothed(smoothed[i], raw[i], probs)
            mapped_name, mapped_probs = result.mapped_label, result.mapped_probs
        decided = (probs, batch.confidences[i], bool(batch.is_rejected[i]), raw[i])
        answers.append((*decided, smoothed[i], mapped_name, mapped_probs, rows[i].decided_by))
    if len(batches) == 1:  # no reload inside: one batch says everything
        (batch,) = batches.values()
        assert batch.smoothed_labels == smoothed
        assert batch.ui_labels == [a[5] for a in answers]
        assert batch.mapped_probs is None or batch.mapped_probs == [a[6] for a in answers]
        assert batch.segments == merge_short_segments(segmentize(starts, smoothed))
    return answers


def joined_run(raw: list[str], served: Sequence[PipelineConfig], probs: list[np.ndarray]) -> list[str]:
    """Stage 7 of the batch over one contiguous run of this record's user."""
    transitions = served[0].transitions
    if transitions is None:
        return rolling_majority(raw, served[0].smooth_window)
    is_rejected = np.array([label == MIXED_UNKNOWN for label in raw])
    codes = hmm_codes(np.array(probs), is_rejected, np.zeros(len(raw), dtype=np.int64), transitions)
    return [LABELS_AND_MIXED[code] for code in codes]


def told(p: WindowPrediction) -> tuple[Any, ...]:
    decided = (p.core_probs, p.confidence, p.is_rejected, p.raw_label)
    return (*decided, p.smoothed_label_name, p.mapped_label_name, p.mapped_probs, p.decided_by)


def rows_of(database: Database) -> list[FeatureRow]:
    return [record.row() for record in database.buckets.between(USER, 0, 1 << 62)]


@examples(160)
@given(script=scripts(), configs=two_configs(), polls=polls, chunk_rows=st.sampled_from([1, 3, WHOLE]))
def test_the_record_equals_batch_after_every_poll(
    tmp_path_factory: pytest.TempPathFactory,
    script: SourceEvents,
    configs: Configs,
    polls: list[tuple[float, str]],
    chunk_rows: int,
) -> None:
    path = tmp_path_factory.mktemp("law") / "tray.db"
    database = Database(path)
    config = configs[0]
    recorder = recorder_of(database, Script(script), config)
    served: dict[datetime, PipelineConfig] = {}
    for moment, action in [*polls, (LAST_POLL - 1, ""), (LAST_POLL, "")]:
        if action == "restart":
            database.close()
            database = Database(path)
            recorder = recorder_of(database, Script(script), config)
        elif action == "reload":
            config = configs[1]
            recorder.use(config)
        for prediction in finalised(recorder, at(moment)):
            assert served.setdefault(prediction.bucket_start_ts, config) is config, "finalised twice"
        record, rows = recorded(database), rows_of(database)
        assert [p.bucket_start_ts for p in record] == [row.bucket_start_ts for row in rows] == list(served)
        assert [p.config_id for p in record] == [c.config_id for c in served.values()]
        chunk = chunk_rows if moment == LAST_POLL else WHOLE
        assert [told(p) for p in record] == expected(rows, list(served.values()), chunk)
    assert rows == built_at_once(script)
    event(f"{len({c.config_id for c in served.values()})} configs, {min(len(rows) // 5, 4)} × 5 buckets")
    suggester = _LabelSuggester(path, USER)
    for p in record[:: max(1, len(record) // 3)]:
        answer = suggester.suggest(p.bucket_start_ts, p.bucket_end_ts)
        probability = dict(zip(LABEL_SET_V1, p.core_probs, strict=True)).get(p.smoothed_label_name, p.confidence)
        # under the categories of today, of which this home has none: the record keeps the names it was made with
        assert answer == (p.smoothed_label_name, pytest.approx(probability, rel=1e-12))
    database.close()


def finalised(recorder: Recorder, now: datetime) -> list[WindowPrediction]:
    found: list[WindowPrediction] = []
    while True:
        step = recorder.step(now)
        found += step.finalised
        if step.is_caught_up:
            return found


def built_at_once(script: SourceEvents) -> list[FeatureRow]:
    return build_features_from_aw_events(
        script.window,
        user_id=USER,
        device_id="desktop",
        input_events=script.input,
        away_events=script.away,
        tab_events=script.tab,
    )


def test_the_user_of_the_record_has_settings_of_their_own() -> None:
    """Else personal calibrators and thresholds would never be met above."""
    assert USERS[0] == USER
