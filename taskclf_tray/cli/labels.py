"""`taskclf-tray labels`: label a time, list and undo labels, and exchange them as CSV."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime, timedelta

from taskclf_tray.cli import time_options
from taskclf_tray.cli.arguments import Commands, UsageError
from taskclf_tray.cli.context import Record, add_label, add_list, opened
from taskclf_tray.cli.label_files import add_export, add_import, span_fact
from taskclf_tray.cli.output import add_action, add_actions, tell
from taskclf_tray.core.errors import LabelError
from taskclf_tray.core.time import from_us
from taskclf_tray.labels.current import Named, current_block
from taskclf_tray.labels.spans import FUTURE_MINUTES, extend_growing, is_ongoing
from taskclf_tray.store.labels import LabelChange, SpanRecord

_EARLIEST, _LATEST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
_FROM = {"manual": "you", "answer": "an answer", "import": "a file", "auto": "automatic"}


def add_parser(commands: Commands) -> None:
    """Add the command."""
    actions = add_actions(commands.add_parser("labels", help="say what a time was, take it back, import and export"))
    add = add_action(actions, "add", handle_add, "label a range of time; this replaces older labels there")
    _add_period(add)
    add_label(add)
    add.add_argument("--confidence", type=_share, metavar="NUMBER", help="how sure you are: 0.8 or 80%%")
    now = add_action(actions, "now", handle_now, "label what you are doing now, from where it began")
    add_label(now)
    listed = add_action(actions, "list", handle_list, "the labels of today, or of another time")
    _add_list_options(listed)
    add_action(actions, "undo", handle_undo, "undo the newest label, answer, skip or import (for one day)")
    delete = add_action(actions, "delete", handle_delete, "delete every label in a range of time")
    _add_period(delete)
    add_export(actions)
    add_import(actions)
    add_list(actions, "show-queue", handle_queue)


def _add_period(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--start", type=time_options.moment, required=True, metavar="TIME", help="where it begins")
    parser.add_argument("--end", type=time_options.moment, required=True, metavar="TIME", help="where it ends")
    parser.epilog = time_options.HELP


def _add_list_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--day", type=time_options.day, metavar="DAY", help="a local date, today or yesterday")
    parser.add_argument("--from", dest="start", type=time_options.since, metavar="WHEN", help="a local date or a time")
    parser.add_argument(
        "--to", dest="end", type=time_options.until, metavar="WHEN", help="a local date (included) or a time"
    )
    parser.epilog = time_options.HELP


def _share(word: str) -> float:
    share = share_of(word)
    if share is None:
        raise argparse.ArgumentTypeError("a confidence lies between 0 and 1, or 0% and 100%")
    return share


# -- labelling ------------------------------------------------------------------------------------------------


def handle_add(options: argparse.Namespace) -> int:
    """Label [start, end)."""
    with opened(options) as record:
        _check_period(options.start, options.end, record.now)
        record.labels.add(options.start, options.end, options.label, at=record.now, confidence=options.confidence)
    span = f"{time_options.span(options.start, options.end)} ({time_options.minutes(options.start, options.end)})"
    facts = {"start": time_options.iso(options.start), "end": time_options.iso(options.end), "label": options.label}
    tell(options, facts, [f"{span} is {options.label}."], is_done=True)
    return 0


def _check_period(start: datetime, end: datetime, now: datetime) -> None:
    """Check the period as the label store does, with local times in the sentence. Raises LabelError."""
    if start >= end:
        raise LabelError(
            f"The end, {_clock(end)}, does not come after the start, {_clock(start)}.",
            "HH:MM means today; name the day of another one, as in --start '2026-03-02 23:50'.",
        )
    if end > now + timedelta(minutes=FUTURE_MINUTES):
        raise LabelError(f"The label would end in the future, at {_clock(end)}.", "Name an end that has passed.")


def handle_now(options: argparse.Namespace) -> int:
    """Label the current block; the label holds until the block ends."""
    with opened(options) as record:
        block = current_block(record.database, record.user_id, record.now, names=lambda: _names(record))
        if block is None:
            raise LabelError(
                "There is no current block: nothing is on record of the last minutes, or you were away or paused.",
                f"Name the times: `taskclf-tray labels add --start 14:05 --end 14:25 {options.label}`.",
            )
        record.labels.add(*block, options.label, at=record.now, is_growing=True)
    start, end = block
    facts = {"start": time_options.iso(start), "end": time_options.iso(end), "label": options.label}
    line = f"{time_options.span(start, end)} is {options.label}, and what follows until the work changes."
    tell(options, facts, [line], is_done=True)
    return 0


def _names(record: Record) -> Named:
    """How minutes are named; asked for only while no app runs."""
    # the categories load numpy, which is half of the time that `labels now` takes
    from taskclf_tray.labels import categories

    return categories.Categories(
        record.database, categories.categories_in_force(record.database, record.paths.taxonomy)[0]
    ).ui_label


def handle_delete(options: argparse.Namespace) -> int:
    """Delete labels. It is no failure when there are none."""
    with opened(options) as record:
        if options.start >= options.end:
            _check_period(options.start, options.end, record.now)
        was_there = record.labels.erase(options.start, options.end, at=record.now)
    span = time_options.span(options.start, options.end)
    line = f"No label is left in {span}." if was_there else f"There was no label in {span}."
    facts = {"deleted": was_there, "start": time_options.iso(options.start), "end": time_options.iso(options.end)}
    tell(options, facts, [line], is_done=True)
    return 0


def handle_undo(options: argparse.Namespace) -> int:
    """Undo the newest step. Raises LabelError when there is none."""
    with opened(options) as record:
        change = record.labels.undo(at=record.now)
    if change is None:
        raise LabelError("There is nothing to undo.", "A label, answer or skip can be taken back for one day.")
    facts = {
        "undone": change.kind,
        "label": change.label,
        "start": time_options.iso(from_us(change.start_us)),
        "end": time_options.iso(from_us(change.end_us)),
    }
    tell(options, facts, [_undone(change)], is_done=True)
    return 0


def _undone(change: LabelChange) -> str:
    span, label = time_options.span(from_us(change.start_us), from_us(change.end_us)), change.label or "labels"
    match change.kind:
        case "skip":
            return f"Undone: the skip of {span}, which waits again."
        case "answer":
            return f"Undone: the answer for {span}, which waits again."
        case "import":
            return f"Undone: the import of labels in {span}."
        case "erase":
            return f"Undone: the deletion of {label} in {span}."
        case "merge":
            return f"Undone: the merge of {label} in {span}."
        case "label" | "auto":
            return f"Undone: {label} {span}."


# -- reading --------------------------------------------------------------------------------------------------


def handle_list(options: argparse.Namespace) -> int:
    """Print the labels in force of a time."""
    if options.day is not None and (options.start is not None or options.end is not None):
        raise UsageError(
            "taskclf-tray labels list", "--day does not go with --from and --to.", "Leave one of them out."
        )
    start, end = _asked_for(options)
    with opened(options, read_only=True) as record:
        now = record.now
        spans = extend_growing(record.labels.between(start or _EARLIEST, end or _LATEST), now)
    facts = {
        "from": None if start is None else time_options.iso(start),
        "to": None if end is None else time_options.iso(end),
        "labels": [span_fact(span) for span in spans],
    }
    tell(options, facts, [_line(span, now) for span in spans] or [_nothing(options)])
    return 0


def handle_queue(options: argparse.Namespace) -> int:
    """Print the waiting blocks, as `queue list` does."""
    # loads numpy and pydantic, which `labels now` has no use for
    from taskclf_tray.cli import queue

    return queue.handle_list(options)


def _asked_for(options: argparse.Namespace) -> tuple[datetime | None, datetime | None]:
    if options.start is None and options.end is None:
        return options.day or time_options.today()
    return options.start, options.end


def _line(span: SpanRecord, now: datetime) -> str:
    """`2026-03-02 14:05–14:25   20 min  Build         an answer`."""
    period = time_options.columns(from_us(span.start_us), from_us(span.end_us))
    sure = "" if span.confidence is None else f", {span.confidence:.0%} sure"
    on = ", still open" if is_ongoing(span, now) else ""
    return f"{period}  {span.label:<12}  {_FROM[span.provenance]}{sure}{on}"


def _nothing(options: argparse.Namespace) -> str:
    if options.day is None and options.start is None and options.end is None:
        return "There is no label of today yet. --day and --from show other days."
    return "There is no label in this time."


def _clock(at: datetime) -> str:
    return f"{time_options.local(at):%Y-%m-%d %H:%M}"


def share_of(word: str) -> float | None:
    """Parse `0.8`, `80%` or `80` as a share from 0 to 1."""
    text = word.strip()
    try:
        number = float(text.removesuffix("%").rstrip())
    except ValueError:
        return None
    is_percent = text.endswith("%") or (number.is_integer() and number > 1)
    share = number / 100 if is_percent else number
    return share if 0 <= share <= 1 else None
