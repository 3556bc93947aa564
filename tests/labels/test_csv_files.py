"""Label files: what is written comes back exactly, what is wrong is named by its line, nothing is taken half."""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taskclf_tray.core.errors import LabelError
from taskclf_tray.core.types import LABEL_SET_V1, LabelSpan
from taskclf_tray.labels import csv_files
from taskclf_tray.labels.csv_files import CSV_COLUMNS, read_label_csv, write_label_csv
from taskclf_tray.labels.spans import LabelStore
from taskclf_tray.store.database import Database

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
NINE = NOON - timedelta(hours=3)
HEADER = "start_ts,end_ts,label,provenance\n"
GOOD = "2026-03-02T09:00:00Z,2026-03-02T09:10:00Z,Build,manual\n"


def read(tmp_path: Path, content: str | bytes, *, adopt: bool = False) -> list[LabelSpan]:
    path = tmp_path / "labels.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_label_csv(path, user_id="u", adopt=adopt, at=NOON)


def refusal(tmp_path: Path, content: str | bytes) -> str:
    with pytest.raises(LabelError) as caught:
        read(tmp_path, content)
    return str(caught.value)


spans_of_a_user = st.lists(
    st.builds(
        lambda start, length, label, provenance, confidence: LabelSpan(
            start, start + length, label, provenance, "u", confidence
        ),
        st.datetimes(datetime(1990, 1, 1), datetime(2026, 3, 1), timezones=st.just(UTC)),
        st.timedeltas(timedelta(microseconds=1), timedelta(days=1)),
        st.sampled_from(LABEL_SET_V1),
        st.sampled_from(["manual", "answer", "import", "auto"]),
        st.none() | st.floats(0, 1),
    ),
    max_size=8,
)


@settings(max_examples=60)
@given(spans_of_a_user)
def test_what_is_written_comes_back_exactly(spans: list[LabelSpan]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "labels.csv"
        assert write_label_csv(path, spans) == len(spans)
        assert read_label_csv(path, user_id="u", at=NOON) == spans


@settings(max_examples=60)
@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_a_user_id_of_any_kind_comes_back_exactly(user_id: str) -> None:
    span = LabelSpan(NINE, NOON, "Build", "manual", user_id)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "labels.csv"
        write_label_csv(path, [span, span])
        assert read_label_csv(path, user_id=user_id, at=NOON) == [span, span]


def test_a_whole_store_moves_to_another_home(tmp_path: Path) -> None:
    ours, theirs = Database(tmp_path / "a.db"), Database(tmp_path / "b.db")
    old, new = LabelStore(ours, "u"), LabelStore(theirs, "v")
    old.add(NINE, NOON, "Build", at=NOON, confidence=0.1)
    old.add(NINE + timedelta(minutes=1, microseconds=7), NINE + timedelta(minutes=9), "Meet", at=NOON)
    old.add(NINE - timedelta(hours=1), NOON, "BreakIdle", at=NOON, provenance="auto")
    assert write_label_csv(tmp_path / "labels.csv", old.everything()) == 4
    with pytest.raises(LabelError, match="another user"):
        read_label_csv(tmp_path / "labels.csv", user_id="v", at=NOON)
    assert new.import_spans(read_label_csv(tmp_path / "labels.csv", user_id="v", adopt=True, at=NOON), at=NOON) == 4
    assert [(s.start_us, s.end_us, s.label, s.provenance, s.confidence) for s in new.everything()] == [
        (s.start_us, s.end_us, s.label, s.provenance, s.confidence) for s in old.everything()
    ]
    assert {s.user_id for s in new.everything()} == {"v"}
    ours.close()
    theirs.close()


@pytest.mark.parametrize(
    "text", ["2026-03-02 09:00:00", "2026-03-02T09:00Z", "2026-03-02T10:00:00+01:00", "20260302T090000"]
)
def test_times_are_iso_of_any_offset_and_utc_without_one(tmp_path: Path, text: str) -> None:
    (span,) = read(tmp_path, f"{HEADER}{text},2026-03-02T12:00:00Z,Build,\n")
    assert span == LabelSpan(NINE, NOON, "Build", "import", "u")


@pytest.mark.parametrize(
    ("text", "provenance"),
    [("manual", "manual"), (" Answer ", "answer"), ("import", "import"), ("auto", "auto"), ("auto_idle", "auto"),
     ("weak:idle", "auto"), ("Weak", "auto"), ("", "import"), ("gold", "import")],
)  # fmt: skip
def test_a_machines_word_stays_one(tmp_path: Path, text: str, provenance: str) -> None:
    (span,) = read(tmp_path, HEADER + GOOD.replace("manual", text))
    assert span.provenance == provenance


def test_columns_come_in_any_order_and_strange_ones_are_passed_over(tmp_path: Path) -> None:
    content = "\ufeffnote, Label ,end_ts,start_ts,Confidence\r\n"
    content += '"a\nb, c",build,2026-03-02 12:00:00,2026-03-02 09:00:00,0.25\r\n\r\n'
    assert read(tmp_path, content) == [LabelSpan(NINE, NOON, "Build", "import", "u", 0.25)]
    assert read(tmp_path, HEADER) == []


def test_rows_of_others_need_to_be_adopted(tmp_path: Path) -> None:
    content = f"user_id,{HEADER}u,{GOOD},{GOOD}=other,{GOOD}"
    assert "line 4: it belongs to another user." in refusal(tmp_path, content)
    assert [span.user_id for span in read(tmp_path, content, adopt=True)] == ["u"] * 3


def test_every_bad_line_is_counted_and_the_first_are_named(tmp_path: Path) -> None:
    bad = [
        "yesterday,2026-03-02T09:10:00Z,Build,manual",
        "2026-03-02T09:10:00Z,2026-03-02T09:10:00Z,Build,manual",
        "2026-03-02T09:00:00Z,2026-03-02T09:10:00Z,Sleep,manual",
        "2026-03-02T09:00:00Z,2026-03-02T12:06:00Z,Build,manual",
        "2026-03-02T09:00:00Z,2026-03-02T09:10:00Z,Build",
        "2026-03-02T09:00:00Z,2026-03-02T09:10:00Z,Build,manual,",
        "0001-01-01T00:00:00+14:00,2026-03-02T09:10:00Z,Build,manual",
        ",,,x",
    ]
    said = refusal(tmp_path, HEADER + GOOD + "\n".join(bad) + "\n" + GOOD)
    assert said == (
        "labels.csv has 8 lines that cannot be used: "
        "line 3: start_ts “yesterday” is not an ISO 8601 time; "
        "line 4: The label would end at 2026-03-02 09:10 UTC, not after its start at 2026-03-02 09:10 UTC; "
        "line 5: “Sleep” is not one of the eight labels; "
        "line 6: The label would end in the future, at 2026-03-02 12:06 UTC; "
        "line 7: 3 cells under 4 columns; and 3 more. "
        "Nothing was imported. Correct the file and import it again."
    )


@pytest.mark.parametrize("confidence", ["high", "1.1", "-0.1", "nan", "inf", "1e999"])
def test_a_confidence_is_between_0_and_1(tmp_path: Path, confidence: str) -> None:
    assert "line 2: " in refusal(tmp_path, f"confidence,{HEADER}{confidence},{GOOD}")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "labels.csv is empty. Its first line must name the columns: start_ts,end_ts,label"),
        (GOOD, "has no column start_ts and no column end_ts and no column label in its first line"),
        (HEADER.replace(",", ";"), "with commas between"),
        (HEADER.strip() + ",label\n", "has the column label twice"),
        ((HEADER + GOOD).encode("utf-16"), "is not UTF-8 (line 1)"),
        ((HEADER + GOOD).encode() + b"\xff\n", "is not UTF-8 (line 3)"),
        (HEADER + GOOD + '"2026,', "line 3: no CSV from here on"),
        (HEADER + GOOD + '"2026"x,' + GOOD, "line 3: no CSV from here on"),
        (HEADER + GOOD + "x" * 200_000 + "," + GOOD, "line 3: no CSV from here on (field larger than field limit"),
        (HEADER + "\0" + GOOD, "line 2: start_ts “�2026-03-02T09:00:00Z” is not an ISO 8601 time"),
        (HEADER + GOOD.replace("Build", "\x1b[2J" + "\u202e" * 99), "line 2: “�[2J����"),
        (HEADER + '"a\nb\n",' + GOOD + "x\n", "line 2: 5 cells under 4 columns; line 5: 1 cells"),
        (bytes(range(128, 192)) + b"\xff\0\xfe", "labels.csv "),
    ],
)
def test_damaged_files_are_refused_in_words(tmp_path: Path, content: str | bytes, said: str) -> None:
    assert said in refusal(tmp_path, content)


def test_files_that_cannot_be_read_or_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(LabelError, match="cannot be opened"):
        read_label_csv(tmp_path / "none.csv", user_id="u", at=NOON)
    with pytest.raises(LabelError, match="cannot be opened"):
        read_label_csv(tmp_path, user_id="u", at=NOON)
    with pytest.raises(LabelError, match="cannot be written"):
        write_label_csv(tmp_path, [])
    monkeypatch.setattr(csv_files, "MAX_FILE_BYTES", 100)
    assert "larger than" in refusal(tmp_path, HEADER + GOOD * 3)


def test_a_failed_export_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    write_label_csv(path, [])
    assert path.read_text() == ",".join(CSV_COLUMNS) + "\n"
    with pytest.raises(AttributeError):
        write_label_csv(path, [LabelSpan(NINE, NOON, "Build"), None])  # type: ignore[list-item]
    assert path.read_text() == ",".join(CSV_COLUMNS) + "\n"
    assert [left.name for left in tmp_path.iterdir()] == ["labels.csv"]
