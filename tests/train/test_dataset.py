"""From label spans to a dataset: whose word counts, blocks, days, and the one hash of one content."""

from __future__ import annotations

import dataclasses
import json
import random
import zlib
from datetime import date, timedelta
from typing import Any

import numpy as np
import pytest

from taskclf_tray.core.schema import SCHEMAS
from taskclf_tray.core.types import FeatureRow
from taskclf_tray.infer.encode import Encoder
from taskclf_tray.store.buckets import pack_row, unpack_words
from taskclf_tray.train import lgb_dataset
from taskclf_tray.train.dataset import NO_LABEL, Dataset, Provenance
from taskclf_tray.train.dataset_sources import from_rows
from taskclf_tray.train.encoded_rows import encoded_once, words_of
from taskclf_tray.train.weak import WEAK_WEIGHT
from tests.support.labelled import BUILD, DEBUG, MEET, USER, line, row, span
from tests.support.sample_rows import vocabularies


def rows(count: int) -> list[FeatureRow]:
    return [row(minute) for minute in range(count)]


def always_meet(_: FeatureRow) -> int:
    return MEET


def test_minutes_wholly_inside_one_label() -> None:
    made = from_rows(rows(10), [span(0.5, 4), span(4, 6, "Debug"), span(7, 8.5)])
    assert made.labels.tolist() == [BUILD] * 3 + [DEBUG] * 2 + [BUILD]
    assert [r.bucket_start_ts.minute for r in made.rows()] == [1, 2, 3, 4, 5, 7]
    assert made.weights.tolist() == [1.0] * 6
    assert not made.is_weak.any()
    assert set(made.user_ids.tolist()) == {USER}


def test_minutes_without_a_window_are_never_learnt() -> None:
    made = from_rows(
        [row(0), row(1, decided_by="no_window"), row(2, decided_by="idle_rule")], [span(0, 3)], weak=always_meet
    )
    assert [r.decided_by for r in made.rows()] == ["model", "idle_rule"]
    assert made.is_models.tolist() == [True, False]


def test_a_rule_speaks_only_where_no_person_has() -> None:
    spans = [span(1.5, 3), span(5, 6, "Debug", provenance="auto"), span(2, 3, "Debug", provenance="auto")]
    made = from_rows(rows(7), spans, weak=always_meet)
    found = {r.bucket_start_ts.minute: int(label) for r, label in zip(made.rows(), made.labels, strict=True)}
    assert found == {0: MEET, 2: BUILD, 3: MEET, 4: MEET, 5: DEBUG, 6: MEET}  # minute 1 is partly the person's
    assert made.is_weak.tolist() == [True, False, True, True, True, True]
    assert made.weights.tolist() == [WEAK_WEIGHT, 1.0, *[WEAK_WEIGHT] * 4]
    assert made.labelled_by_person().labels.tolist() == [BUILD]
    assert len(from_rows(rows(7), spans)) == 1


def test_a_rule_that_does_not_know_labels_nothing() -> None:
    assert len(from_rows(rows(3), [], weak=lambda _: NO_LABEL)) == 0


def test_labels_of_another_user_say_nothing_about_mine() -> None:
    other = "22222222-0000-4000-8000-000000000002"
    mixed = [*rows(3), *(row(minute, other) for minute in range(3))]
    made = from_rows(mixed, [span(0, 3, user_id=other), span(1, 2, "Debug", user_id=USER)])
    assert list(zip(made.user_ids.tolist(), made.labels.tolist(), strict=True)) == [
        (USER, DEBUG),
        *[(other, BUILD)] * 3,
    ]


def test_a_block_is_one_run_of_one_label_of_one_day() -> None:
    evening = 1440 - 2
    lines = [
        *(line(k) for k in range(5)),
        *(line(k) for k in range(9, 11)),  # 4 minutes later: still the same
        *(line(k) for k in range(16, 18)),  # 5 minutes later
        *(line(k, DEBUG) for k in range(18, 20)),
        *(line(k) for k in range(evening, 1440 + 2)),  # over midnight
        line(1441, user_id="z"),
    ]
    made = Dataset.of(lines)
    assert made.block_ids.tolist() == [0] * 7 + [1] * 2 + [2] * 2 + [3] * 2 + [4] * 2 + [5]
    assert (made.block_count, made.day_count) == (6, 3)


def test_the_day_is_the_local_one_of_each_row() -> None:
    late = [row(0, time_zone="UTC"), row(1, time_zone="Asia/Tokyo"), row(8 * 60, time_zone="Asia/Tokyo")]  # 01:00 there
    made = from_rows(late, [span(0, 600)])
    first = date(2026, 3, 2).toordinal()
    assert made.days.tolist() == [first, first, first + 1]
    assert made.date_range == ("2026-03-02", "2026-03-03")


def test_nothing_labelled() -> None:
    made = from_rows(rows(3), [])
    assert (len(made), made.block_count, made.day_count, made.date_range) == (0, 0, 0, ("", ""))
    assert len(made.dataset_hash) == 64


def test_the_order_of_the_input_changes_nothing() -> None:
    spans = [span(0, 9), span(9, 20, "Debug"), span(30, 50, "Meet"), span(35, 36, "Write")]
    shuffled, spans_shuffled = rows(60), list(spans)
    random.Random(3).shuffle(shuffled)
    random.Random(4).shuffle(spans_shuffled)
    one, other = from_rows(rows(60), spans), from_rows(shuffled, spans_shuffled)
    assert one.packed == other.packed
    assert one.dataset_hash == other.dataset_hash


@pytest.mark.parametrize(
    "change",
    [
        {"keys_per_min": 12.25},
        {"title_token_sketch": ((3, 1.0),)},
        {"time_zone": "Asia/Tokyo"},
        {"app_id": "another"},
        {"decided_by": "idle_rule"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_the_hash_sees_every_row(change: dict[str, Any]) -> None:
    spans = [span(0, 5)]
    changed = [*rows(4), dataclasses.replace(row(4), **change)]
    assert from_rows(changed, spans).dataset_hash != from_rows(rows(5), spans).dataset_hash


def test_the_hash_sees_every_label() -> None:
    base = from_rows(rows(5), [span(0, 5)])
    others = [
        from_rows(rows(5), [span(0, 4)]),
        from_rows(rows(5), [span(0, 4), span(4, 5, "Debug")]),
        from_rows(rows(5), [span(0, 5)], provenance="synthetic"),
        from_rows(rows(6), [span(0, 5)], weak=always_meet),
        dataclasses.replace(base, weights=base.weights * 2),
    ]
    assert len({made.dataset_hash for made in [base, *others]}) == 6
    assert from_rows(rows(6), [span(0, 5), span(7, 9)]).dataset_hash == base.dataset_hash


def test_what_several_sources_know_counts_once() -> None:
    record = Dataset.of([line(0), line(1), line(2, is_weak=True, weight=0.2), line(3, MEET, is_weak=True)])
    file = Dataset.of([line(0), line(1, DEBUG), line(2, DEBUG), line(3, DEBUG, is_weak=True), line(4)])
    for parts in ([record, file], [file, record]):
        joined = Dataset.joined(parts)
        minutes = joined.start_us // 60_000_000
        assert dict(zip(minutes.tolist(), joined.labels.tolist(), strict=True)) == {0: BUILD, 2: DEBUG, 4: BUILD}


@pytest.mark.parametrize(
    ("kinds", "expected"),
    [
        (("real", "real"), "real"),
        (("real", "synthetic"), "mixed"),
        (("synthetic", "synthetic"), "synthetic"),
        (("mixed", "real"), "mixed"),
    ],
)
def test_provenance_of_a_mixture(kinds: tuple[Provenance, ...], expected: str) -> None:
    parts = [Dataset.of([line(k)], kind) for k, kind in enumerate(kinds)]
    assert Dataset.joined([*parts, Dataset.of([], "synthetic")]).provenance == expected


def test_some_lines_of_it() -> None:
    made = from_rows(rows(12), [span(0, 4), span(6, 12, "Debug")])
    part = made.take(np.array([1, 4, 5]))
    assert [r.bucket_start_ts.minute for r in part.rows()] == [1, 6, 7]
    assert part.block_ids.tolist() == [0, 1, 1]
    assert Dataset.of(part.lines()).packed == part.packed
    assert made.take(made.labels == DEBUG).labels.tolist() == [DEBUG] * 6


def test_the_matrix_is_that_of_the_rows_whatever_the_portions() -> None:
    made = from_rows(rows(50), [span(0, 50)])
    encoder = Encoder("v3", vocabularies(), "local")
    assert np.array_equal(made.matrix(encoder), encoder.encode_rows(rows(50)))
    assert [start for start, _ in made.chunks(20)] == [0, 20, 40]
    assert [r for _, part in made.chunks(7) for r in part] == made.rows()


def test_minutes_of_different_zones_stay_in_order() -> None:
    made = from_rows([row(k, time_zone="Asia/Tokyo" if k % 2 else "UTC") for k in range(4)], [span(0, 4)])
    assert np.all(np.diff(made.start_us) == timedelta(minutes=1) // timedelta(microseconds=1))


def test_rows_encoded_once_give_the_same_bits() -> None:
    made = from_rows(rows(50), [span(0, 50)])
    once, odd = encoded_once(made), np.arange(1, 50, 2)
    encoder = Encoder("v3", vocabularies(), "local")
    assert once.take(odd).matrix(encoder).tobytes() == made.take(odd).matrix(encoder).tobytes()
    assert once.matrix(Encoder("v1", vocabularies())).tobytes() == made.matrix(Encoder("v1", vocabularies())).tobytes()
    schema = SCHEMAS["v3"]
    assert lgb_dataset.vocabularies(once.take(odd), schema, 3) == lgb_dataset.vocabularies(made.take(odd), schema, 3)
    assert (words_of(once.take(odd)) != words_of(made.take(odd))).nnz == 0
    assert len(encoded_once(from_rows([], [])).matrix(encoder)) == 0


def test_rows_of_earlier_versions_have_no_words() -> None:
    values = json.loads(zlib.decompress(pack_row(row(0, word_seconds=((3, 60),)))))
    assert unpack_words(zlib.compress(json.dumps(values).encode())) == [[3, 60]]
    assert not unpack_words(zlib.compress(json.dumps(values[:-1]).encode()))
