"""The hidden Markov smoother: by hand, against the textbook, and one run against a table to the bit."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taskclf_tray.core.defaults import MIXED_UNKNOWN
from taskclf_tray.core.smoothing import BUILT_IN_TRANSITIONS, SMOOTHER_CHOICES, Transitions
from taskclf_tray.core.types import LABEL_SET_V1
from taskclf_tray.infer.forward_state import (
    ForwardState,
    TransitionsOf,
    ahead_buckets,
    forward_state_after,
    smoothed_labels,
)
from taskclf_tray.infer.hmm import LAG_BUCKETS, MIXED_CODE, UNIFORM, forward, hmm_codes, hmm_run
from taskclf_tray.infer.pipeline import PipelineConfig, decide_rows, finish, make_config_id
from taskclf_tray.infer.prediction import WindowPrediction
from taskclf_tray.infer.predictor import OnlinePredictor
from tests.support.pipeline_configs import config_of, letters
from tests.support.sample_rows import FakeModel, told_row

pytestmark = pytest.mark.no_cover  # many repetitions, at half the time

MINUTE = timedelta(minutes=1)
STICKY = BUILT_IN_TRANSITIONS


def sure(label: str, share: float = 0.9) -> list[float]:
    """An answer: this label, the rest alike."""
    return [share if name == label else (1 - share) / 7 for name in LABEL_SET_V1]


def names(answers: str, transitions: Transitions = STICKY) -> str:
    """B is Build, M is Meet, small letters are half sure, ? is rejected, I is idle by rule."""
    kinds = {
        "B": sure("Build"), "M": sure("Meet"), "b": sure("Build", 0.4), "m": sure("Meet", 0.4), "?": UNIFORM,
        "I": sure("BreakIdle", 1.0),
    }  # fmt: skip
    codes = hmm_run([kinds[a] for a in answers], [a == "?" for a in answers], transitions)
    return "".join("?" if code == MIXED_CODE else "IB..M..."[code] for code in codes)


@pytest.mark.parametrize(
    ("answers", "smoothed"),
    [
        ("B", "B"),
        ("b", "B"),
        ("BBmBB", "BBBBB"),  # one half sure minute among sure ones
        ("BMB", "BBB"),  # as the majority has it
        ("BBMMMBB", "BBMMMBB"),
        ("BBBmmmmMMM", "BBBMMMMMMM"),
        ("BBIBB", "BBIBB"),  # the idle rule is never outvoted
        ("?", "?"),
        ("????", "????"),
        ("BB?BB", "BBBBB"),  # between minutes of one label
        ("BB???BB", "BBBBBBB"),
        ("BB????", "BB????"),  # nothing says that it went on
        ("????BB", "????BB"),
        ("BB?MM", "BB?MM"),
        ("I?I", "III"),
    ],
)
def test_by_hand(answers: str, smoothed: str) -> None:
    assert names(answers) == smoothed


def test_it_waits_for_five_minutes_and_no_more() -> None:
    """A half sure minute after sure ones of another label, then as many more as it takes to be believed."""
    answers = "BBBB" + "m" * 40
    seen = [names(answers[:count]) for count in range(1, len(answers) + 1)]
    for t in range(len(answers)):
        waited = [labels[t] for labels in seen[t:]]
        assert len(set(waited[LAG_BUCKETS:])) <= 1
    assert names("BBBBm") == "BBBBB"
    assert names(answers).rstrip("M") == "BBBB"


shares = st.lists(st.sampled_from([0.0, 1e-12, 0.01, 0.2, 0.5, 1.0]), min_size=8, max_size=8).filter(any)
emissions = shares.map(lambda parts: [part / sum(parts) for part in parts])
rows = st.lists(st.floats(1e-6, 1.0), min_size=8, max_size=8).map(lambda parts: tuple(p / sum(parts) for p in parts))
chains = st.one_of(st.just(STICKY), st.lists(rows, min_size=8, max_size=8).map(lambda chain: Transitions(tuple(chain))))
minutes = st.lists(st.tuples(emissions, st.booleans(), st.sampled_from([True, True, True, False])), max_size=30)


@settings(max_examples=200)
@given(minutes=minutes, chain=chains)
def test_a_table_has_the_bits_of_its_runs(minutes: list[tuple[list[float], bool, bool]], chain: Transitions) -> None:
    probs = np.array([m[0] for m in minutes]).reshape(-1, 8)
    rejected = np.array([m[1] for m in minutes], dtype=np.bool_)
    run_of = np.cumsum([not m[2] for m in minutes]).astype(np.int64)
    expected: list[int] = []
    for run in np.unique(run_of).tolist():
        own = run_of == run
        told = np.where(rejected[own][:, None], UNIFORM[0], probs[own]).tolist()
        whole = hmm_run(told, rejected[own].tolist(), chain)
        cut = len(told) // 2  # the end of a run alone, given what was before
        before = None
        for emission in told[:cut]:
            before = forward(before, emission, chain)
        assert hmm_run(told[cut:], rejected[own].tolist()[cut:], chain, before) == whole[cut:]
        expected += whole
    assert hmm_codes(probs, rejected, run_of, chain).tolist() == expected


@settings(max_examples=60)
@given(minutes=st.lists(emissions, min_size=1, max_size=4), chain=chains)
def test_it_is_the_posterior_over_all_paths(minutes: list[list[float]], chain: Transitions) -> None:
    """Every path of labels with its probability, and for each minute the sum of those that go through a label."""
    steps = np.array(chain.rows)
    paths = np.array(minutes[0])
    for emission in minutes[1:]:
        paths = paths[..., None] * steps * np.array(emission)
    codes = hmm_run(minutes, [False] * len(minutes), chain)
    for t, code in enumerate(codes):
        posterior = paths.sum(axis=tuple(other for other in range(len(minutes)) if other != t))
        assert posterior[code] == pytest.approx(posterior.max(), rel=1e-9)


@settings(max_examples=60)
@given(minutes=st.lists(emissions, min_size=LAG_BUCKETS + 2, max_size=20), chain=chains)
def test_a_label_is_that_of_the_run_up_to_five_later(minutes: list[list[float]], chain: Transitions) -> None:
    whole = hmm_run(minutes, [False] * len(minutes), chain)
    for t in range(len(minutes)):
        seen = minutes[: t + 1 + LAG_BUCKETS]
        assert hmm_run(seen, [False] * len(seen), chain)[t] == whole[t]


def test_a_long_run_of_contradictions_stays_a_number() -> None:
    """Certain answers in turn, joined by the rarest change there may be."""
    rare = Transitions.sticky(1 - 7e-9)
    answers = [sure("Build" if k % 2 else "Meet", 1.0) for k in range(3_000)]
    codes = hmm_codes(np.array(answers), np.zeros(3_000, dtype=np.bool_), np.zeros(3_000, dtype=np.int64), rare)
    assert codes.tolist() == [answer.index(1.0) for answer in answers]


def test_no_rows() -> None:
    nothing = np.zeros(0, dtype=np.int64)
    assert len(hmm_codes(np.empty((0, 8)), nothing.astype(np.bool_), nothing, STICKY)) == 0
    assert smoothed_labels([], smooth_window=3, step=MINUTE) == []
    assert forward_state_after([], step=MINUTE, transitions_of=lambda _: STICKY) is None


# -- over predictions ---------------------------------------------------------------------------------------------


def decided(letters_: str, config_id: str = "c1", **changes: Any) -> list[WindowPrediction]:
    """As `letters`: small ones are rejected, a dot is a missing minute."""
    return decide_rows(config_of(config_id=config_id, **changes), letters(letters_))


def labels_of(
    predictions: list[WindowPrediction], transitions_of: TransitionsOf, past: ForwardState | None = None
) -> str:
    done = finish(predictions, resolver_of=lambda _: None, transitions_of=transitions_of, forward_state=past)
    return "".join("?" if p.smoothed_label_name == MIXED_UNKNOWN else p.smoothed_label_name[0] for p in done)


def by_hmm(_config_id: str) -> Transitions:
    return STICKY


def test_a_gap_ends_a_run() -> None:
    assert labels_of(decided("BBbBB"), by_hmm) == "BBBBB"
    assert labels_of(decided("BB.bBB"), by_hmm) == "BB?BB"
    assert labels_of(decided("BBb.BB"), by_hmm) == "BB?BB"


def test_a_change_of_smoother_ends_a_run_and_one_of_the_threshold_does_not() -> None:
    first, second = decided("BB"), decided("..bBB", "c2")
    smoothers = {"c1": STICKY, "c2": STICKY, "c3": Transitions.sticky(0.5), "c4": None}
    assert labels_of([*first, *second], smoothers.__getitem__) == "BBBBB"
    for other in ("c3", "c4"):
        assert labels_of([*first, *decided("..bBB", other)], smoothers.__getitem__) == "BB?BB"
    alone = decided("..mBM", "c4")
    assert labels_of([*first, *alone], smoothers.__getitem__) == "BB" + labels_of(alone, lambda _: None)


def test_the_past_stands_for_the_buckets_before() -> None:
    predictions = decided("MMBBbBbbM.BBMbBBBmMMM")
    whole = labels_of(predictions, by_hmm)
    for cut in range(len(predictions) + 1):
        past = forward_state_after(predictions[:cut], step=MINUTE, transitions_of=by_hmm)
        assert labels_of(predictions[cut:], by_hmm, past) == whole[cut:]
        for middle in range(cut):
            first = forward_state_after(predictions[:middle], step=MINUTE, transitions_of=by_hmm)
            assert (
                forward_state_after(predictions[middle:cut], step=MINUTE, transitions_of=by_hmm, forward_state=first)
                == past
            )
    assert forward_state_after(predictions, step=MINUTE, transitions_of=lambda _: None) is None


def test_a_past_of_other_transitions_or_another_time_is_none() -> None:
    past = forward_state_after(decided("BBBB"), step=MINUTE, transitions_of=by_hmm)
    assert past is not None
    later = decided("....bB", "c2")
    assert labels_of(later, by_hmm, past) == "BB"
    assert labels_of(later, lambda _: Transitions.sticky(0.9), past) == "?B"
    assert labels_of(decided(".....bB"), by_hmm, past) == "?B"


def test_how_long_a_label_waits_and_what_names_it() -> None:
    assert [ahead_buckets(3, None), ahead_buckets(7, None), ahead_buckets(1, STICKY)] == [1, 3, LAG_BUCKETS]
    assert config_of().ahead_buckets == 1
    assert config_of(transitions=STICKY).ahead_buckets == LAG_BUCKETS
    ids = {make_config_id("d", None, 3, chain) for chain in (None, STICKY, Transitions.sticky(0.9))}
    assert len(ids) == 3
    resolved = SimpleNamespace(
        model=FakeModel(), metadata=SimpleNamespace(schema_version="v3", time_basis="utc"), cat_encoders=None,
        calibrator=None, calibrator_store=None, reject_threshold=0.5, per_user_reject_thresholds={},
        model_version="m", config_digest="d", transitions=Transitions.sticky(0.9),
    )  # fmt: skip
    chosen = [PipelineConfig.from_resolved(resolved, taxonomy=None, smoother=name) for name in SMOOTHER_CHOICES]
    assert [config.transitions for config in chosen] == [resolved.transitions, None, resolved.transitions]
    resolved.transitions = None
    chosen = [PipelineConfig.from_resolved(resolved, taxonomy=None, smoother=name) for name in SMOOTHER_CHOICES]
    assert [config.transitions for config in chosen] == [None, None, STICKY]


def test_online_revises_for_five_minutes_with_a_bounded_state() -> None:
    live = OnlinePredictor(FakeModel(), SimpleNamespace(schema_version="v3"), transitions=STICKY, reject_threshold=0.55)
    shown = [live.predict_bucket(row).smoothed_label_name for row in letters("BBbbBB")]
    assert shown == ["Build", "Build", MIXED_UNKNOWN, MIXED_UNKNOWN, "Build", "Build"]
    assert {p.bucket_start_ts.minute: p.smoothed_label_name for p in live.take_revised()} == {2: "Build", 3: "Build"}
    for k in range(6, 400):
        live.predict_bucket(told_row(k + k // 100, ["Build", "Meet", "Write"][k // 9 % 3]))
    (state,) = live._users.values()
    assert len(state.tail) == LAG_BUCKETS + 1
    assert sum(segment.bucket_count for segment in live.get_segments()) == 400
