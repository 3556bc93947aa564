"""`taskclf-tray labels export` and `labels import`: labels as CSV.

The taskclf tool's Parquet is converted in a child process.
"""

from __future__ import annotations

import argparse
import contextlib
import tempfile
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from taskclf_tray.cli import context as records
from taskclf_tray.cli import time_options
from taskclf_tray.cli.arguments import OutputPlace, add_times, file_path
from taskclf_tray.cli.context import Record, opened, zone_name
from taskclf_tray.cli.output import Actions, add_action, paths_of, print_answer, tell
from taskclf_tray.core.errors import LabelError
from taskclf_tray.core.regular_files import open_regular
from taskclf_tray.core.time import from_us, to_us
from taskclf_tray.core.types import LabelSpan
from taskclf_tray.jobs.child import run_child
from taskclf_tray.labels.csv_files import LabelTimes, label_csv, read_label_csv, write_label_csv
from taskclf_tray.labels.spans import label_span
from taskclf_tray.models.identity import user_id_path
from taskclf_tray.store.labels import SpanRecord

_JOB: Final = "taskclf_tray.jobs.labels"
_PARQUET: Final = b"PAR1"


def add_export(actions: Actions) -> None:
    """`labels export`."""
    parser = add_action(actions, "export", handle_export, "all labels as CSV")
    parser.add_argument("--out", type=file_path, metavar="FILE", help="where to (default: standard output)")


def add_import(actions: Actions) -> None:
    """`labels import`."""
    parser = add_action(actions, "import", handle_import, "add the labels of a file, all of them or none")
    parser.add_argument(
        "file",
        type=file_path,
        metavar="FILE",
        help="CSV with the columns start_ts, end_ts, label, times in ISO 8601; or labels.parquet of the taskclf tool",
    )
    parser.add_argument("--adopt", action="store_true", help="take over labels of other users as yours")
    add_times(parser)


def span_fact(span: SpanRecord) -> dict[str, Any]:
    """A label as JSON shows it."""
    return {
        "start": time_options.iso(from_us(span.start_us)),
        "end": time_options.iso(from_us(span.end_us)),
        "label": span.label,
        "provenance": span.provenance,
        "confidence": span.confidence,
        "is_growing": span.is_growing,
    }


def handle_export(options: argparse.Namespace) -> int:
    """Write or print every label in force."""
    with opened(options, read_only=True) as record:
        spans = list(record.labels.everything())
    if options.out is not None:
        place = OutputPlace(options.out)
        count = write_label_csv(options.out, spans)
        facts = {"file": str(options.out), "labels": count}
        tell(options, facts, [f"{_count(count)} written to {options.out}{place.words}."], is_done=True)
    elif options.json:
        tell(options, {"labels": [span_fact(span) for span in spans]}, [])
    else:
        print_answer(label_csv(spans).replace("\r\n", "\n"))
    return 0


def handle_import(options: argparse.Namespace) -> int:
    """Overlay the labels of a file on the existing ones; in a new home, create what they need."""
    with as_csv(options.file, is_debug=options.debug) as path:
        return _import(options, path)


def _import(options: argparse.Namespace, path: Path) -> int:
    # loads the settings and their checks, which `labels now` has no use for
    from taskclf_tray.app.tool_files import remember_taken_over

    home = paths_of(options).home
    is_new = not home.exists()
    if not user_id_path(home).exists():
        _read(options, path, "", records.now())  # a file that cannot be used makes neither home nor identity
    with opened(options, create=True) as record:
        spans, notes = _read(options, path, record.user_id, record.now)
        before = _contents(record)
        count = record.labels.import_spans(spans, at=record.now)
        known = count if _contents(record) == before else sum(_content(span) in before for span in spans)
        outside = _outside_record(record, spans)
        remember_taken_over(record.database, options.file)
    facts = {"file": str(options.file), "labels": count, "already_there": known, "outside_record": outside}
    lines = [_imported(count, known), *_outside(outside, count), *notes]
    lines += [f"The home {home} was made for them."] if is_new else []
    tell(options, {**facts, "notes": notes}, lines, is_done=True)
    return 0


def _read(options: argparse.Namespace, path: Path, user_id: str, at: datetime) -> tuple[list[LabelSpan], list[str]]:
    """Read the labels, and a note on what was assumed about their times. Raises LabelError.

    Where only the owner of the labels is wrong, the error says how to adopt them.
    """
    try:
        return _read_as(options, path, user_id, at, adopt=options.adopt)
    except LabelError as error:
        if not options.adopt and _can_be_adopted(options, path, user_id, at):
            raise LabelError(error.title, "Nothing was imported. With --adopt they become your labels.") from error
        raise


def _read_as(
    options: argparse.Namespace, path: Path, user_id: str, at: datetime, *, adopt: bool
) -> tuple[list[LabelSpan], list[str]]:
    times = LabelTimes(zone_name() if options.times == "local" else None)
    spans = read_label_csv(path, user_id=user_id, adopt=adopt, at=at, times=times)
    note = times.note(zone_name()) if options.times is None else None
    return spans, [] if note is None else [note]


def _can_be_adopted(options: argparse.Namespace, path: Path, user_id: str, at: datetime) -> bool:
    try:
        return bool(_read_as(options, path, user_id, at, adopt=True)[0])
    except LabelError:
        return False


# -- what has come of it --------------------------------------------------------------------------------------


def _contents(record: Record) -> set[tuple[object, ...]]:
    """The labels in force."""
    return {_content(label_span(span)) for span in record.labels.everything()}


def _content(span: LabelSpan) -> tuple[object, ...]:
    return (span.start_ts, span.end_ts, span.label, span.provenance, span.confidence)


def _outside_record(record: Record, spans: Sequence[LabelSpan]) -> int:
    """How many labels lie outside every recorded minute."""
    buckets = record.database.buckets
    with record.database.reading():
        return sum(not buckets.has_any(record.user_id, to_us(span.start_ts), to_us(span.end_ts)) for span in spans)


def _imported(count: int, known: int) -> str:
    were = "was" if known == 1 else "were"
    if known == 0:
        return f"{_count(count)} imported."
    if known == count:
        return f"{_count(count)} {were} there already: nothing has changed."
    return f"{_count(count - known)} imported; {_count(known)} {were} there already."


def _outside(outside: int, count: int) -> list[str]:
    if not outside:
        return []
    which = "It" if count == 1 else f"All {count}" if outside == count else f"{outside} of the {count}"
    verb, they = ("lies", "it counts") if outside == 1 else ("lie", "they count")
    return [
        f"{which} {verb} outside recorded time: for training {they} only together with an export of that time "
        "(`taskclf-tray train retrain --input EXPORT.json`)."
    ]


def _count(number: int) -> str:
    return "1 label" if number == 1 else f"{number} labels"


@contextlib.contextmanager
def as_csv(path: Path, *, is_debug: bool) -> Iterator[Path]:
    """The file as CSV, under its own name. Raises JobError for Parquet that cannot be read."""
    if not _is_parquet(path):
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="taskclf-") as folder:
        made = Path(folder) / path.name
        run_child(_JOB, {"file": str(path), "out": str(made), "is_debug": is_debug}, lambda _: None, is_debug=is_debug)
        yield made


def _is_parquet(path: Path) -> bool:
    try:
        with open_regular(path) as file:
            return file.read(len(_PARQUET)) == _PARQUET
    except OSError:
        return False  # the reader of CSV says what is wrong
