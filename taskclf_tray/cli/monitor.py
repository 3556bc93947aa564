"""`taskclf-tray monitor`: whether the work still looks as it did to the model, and how confident the model was each
day.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final

from taskclf_tray.cli import time_options
from taskclf_tray.cli.arguments import Commands, UsageError
from taskclf_tray.cli.context import Record, opened
from taskclf_tray.cli.output import add_action, add_actions, tell
from taskclf_tray.core.config import load_config
from taskclf_tray.core.strict_json import read_json_object
from taskclf_tray.drift.memory import DriftMemory, Told, load_memory
from taskclf_tray.drift.story import Story, stories_of, too_little_data, words
from taskclf_tray.drift.wording import NEVER_CHECKED, NO_DRIFT
from taskclf_tray.jobs.child import ProgressBar, run_child
from taskclf_tray.report.days import near_us, read_day
from taskclf_tray.report.telemetry import DayTelemetry, asks_on, day_telemetry
from taskclf_tray.system.console import complain

_JOB: Final = "taskclf_tray.jobs.drift"
_DAY: Final = timedelta(days=1)
_SHOWN_DAYS: Final = 7
_MOST_DAYS: Final = 400
_MAX_REPORT_BYTES: Final = 16 << 20


def add_parser(commands: Commands) -> None:
    """Add the command."""
    actions = add_actions(commands.add_parser("monitor", help="whether the model still fits your work"))
    check = add_action(actions, "drift-check", handle_drift_check, "compare the last seven days with the seven before")
    check.add_argument(
        "--day",
        type=time_options.local_date,
        metavar="DAY",
        help="the last of the days: a date, or today (default: yesterday)",
    )
    add_action(actions, "show", handle_show, "what the daily checks have found, and what you were told of it")
    telemetry = add_action(actions, "telemetry", handle_telemetry, "how sure the model was, day by day")
    telemetry.add_argument(
        "--day", type=time_options.local_date, metavar="DAY", help="one day: a date, today or yesterday"
    )
    telemetry.add_argument(
        "--from",
        dest="first",
        type=time_options.local_date,
        metavar="DAY",
        help=f"the first day (default: {_SHOWN_DAYS} days in all)",
    )
    telemetry.add_argument(
        "--to", dest="last", type=time_options.local_date, metavar="DAY", help="the last day (default: today)"
    )


# -- drift ----------------------------------------------------------------------------------------------------


def handle_drift_check(options: argparse.Namespace) -> int:
    """Run the drift check now. Unlike the daily check, this sends no notification and queues no blocks."""
    with opened(options) as record:
        day = options.day or _today(record) - _DAY
        names_apps = _names_apps(record)
    request = {"home": str(record.paths.home), "last_day": day.isoformat(), "is_debug": options.debug}
    answer = run_child(_JOB, request, _warn, is_debug=options.debug)
    report = _read_report(Path(answer["report"]))
    facts = {
        "day": day.isoformat(),
        "too_little_data": too_little_data(report),
        "found": _found(report, day, names_apps=names_apps),
        "report": answer["report"],
    }
    heading = f"The seven days up to {day} beside the seven before:"
    tell(options, facts, [heading, *_check_lines(facts), f"Written to {facts['report']}."], is_done=True)
    return 0


def handle_show(options: argparse.Namespace) -> int:
    """Print the results of the daily checks."""
    with opened(options, read_only=True) as record:
        memory = load_memory(record.database, record.user_id)
        names_apps = _names_apps(record)
        with record.database.reading():
            waiting = sum(request.reason == "drift" for request in record.database.requests.pending(record.user_id))
    facts = {
        "day": None if memory.checked_day is None else memory.checked_day.isoformat(),
        "checked_at": None if memory.checked_at is None else time_options.iso(memory.checked_at),
        "too_little_data": memory.too_little_data,
        "found": _found_lately(record, memory, names_apps=names_apps),
        "told": [_told_fact(told) for told in reversed(memory.told)],
        "waiting": waiting,
    }
    tell(options, facts, _show_lines(facts, memory))
    return 0


def _check_lines(facts: Mapping[str, Any]) -> Iterator[str]:
    if facts["too_little_data"] is not None:
        yield facts["too_little_data"]
    elif not facts["found"]:
        yield NO_DRIFT
    for story in facts["found"]:
        yield f"· {story['text']}"


def _show_lines(facts: Mapping[str, Any], memory: DriftMemory) -> Iterator[str]:
    if memory.checked_day is None or memory.checked_at is None:
        yield NEVER_CHECKED
        return
    at = time_options.local(memory.checked_at)
    yield f"Checked on {at:%Y-%m-%d %H:%M}, with the days up to {memory.checked_day}:"
    yield from (f"  {line}" for line in _check_lines(facts))
    if memory.told:
        yield "You were told, the newest first:"
        yield from (f"  {time_options.local(told.at):%Y-%m-%d %H:%M}  {told.body}" for told in reversed(memory.told))
    if facts["waiting"]:
        blocks = "1 block waits" if facts["waiting"] == 1 else f"{facts['waiting']} blocks wait"
        yield f"{blocks} for a label because of a drift: `taskclf-tray queue list`."


def _told_fact(told: Told) -> dict[str, str]:
    return {"at": time_options.iso(told.at), "day": told.day.isoformat(), "text": told.body}


def _found_lately(record: Record, memory: DriftMemory, *, names_apps: bool) -> list[dict[str, Any]]:
    """What the newest check has found; empty when its report is gone or damaged."""
    day = memory.checked_day
    if day is None or memory.too_little_data is not None:
        return []
    try:
        report = _read_report(record.paths.drift / f"drift_{day.isoformat()}.json")
        return _found(report, day, names_apps=names_apps)
    except (OSError, ValueError, LookupError, TypeError):
        return []


def _found(report: Mapping[str, Any], day: date, *, names_apps: bool) -> list[dict[str, Any]]:
    def fact(story: Story) -> dict[str, Any]:
        return {
            "kind": story.kind,
            "since": None if story.since is None else story.since.isoformat(),
            "text": words(story, day + _DAY, names_apps=names_apps),
        }

    return [fact(story) for story in stories_of(report)]


def _read_report(path: Path) -> dict[str, Any]:
    return read_json_object(path, _MAX_REPORT_BYTES)


def _names_apps(record: Record) -> bool:
    return not load_config(record.paths.config)[0].privacy_notifications


def _warn(event: Mapping[str, Any]) -> None:
    if event["event"] == "warning":
        complain(f"taskclf-tray: {event['text']}")


def _today(record: Record) -> date:
    return time_options.local(record.now).date()


# -- telemetry ------------------------------------------------------------------------------------------------


def handle_telemetry(options: argparse.Namespace) -> int:
    """Print the telemetry of some days, computed from the record."""
    with opened(options, read_only=True) as record:
        days = _days(options, _today(record))
        found = list(_telemetry_of(record, days))
    facts = {"user_id": record.user_id, "days": [telemetry.to_dict() for telemetry in found]}
    tell(options, facts, _table(found) if found else [_nothing(days)])
    return 0


def _days(options: argparse.Namespace, today: date) -> Sequence[date]:
    """The days that are meant. Raises UsageError."""
    program = "taskclf-tray monitor telemetry"
    if options.day is not None:
        if options.first is not None or options.last is not None:
            raise UsageError(program, "--day does not go with --from and --to.", "Leave one of them out.")
        return [options.day]
    last = options.last or today
    first = options.first or last - (_SHOWN_DAYS - 1) * _DAY
    count = (last - first).days + 1
    if count < 1:
        raise UsageError(program, f"the first day, {first}, is after the last, {last}.", "Change one of them.")
    if count > _MOST_DAYS:
        title = f"from {first} to {last} are {count} days; {_MOST_DAYS} can be shown at once."
        raise UsageError(program, title, "Choose a later first day.")
    return [first + number * _DAY for number in range(count)]


def _telemetry_of(record: Record, days: Sequence[date]) -> Iterator[DayTelemetry]:
    """The telemetry of each day with a recorded minute."""
    bar = ProgressBar()
    for number, day in enumerate(days, 1):
        bar.show(number, len(days))
        records = read_day(record.database, record.user_id, day)
        if records:
            yield day_telemetry(day, records, asks_on(record.database, record.user_id, day, near_us(day)[0]))
    bar.clear()


def _nothing(days: Sequence[date]) -> str:
    if len(days) == 1:
        return f"Nothing is on record of {days[0]}."
    return f"Nothing is on record from {days[0]} to {days[-1]}."


def _table(found: Sequence[DayTelemetry]) -> Iterator[str]:
    yield "day         minutes  sure  rejected  entropy  no input  no title  asked  answered  labels"
    for one in found:
        shares = sorted(one.core_label_shares.items(), key=lambda item: -item[1])
        labels = ", ".join(f"{label} {share:.0%}" for label, share in shares[:3] if share > 0)
        yield (
            f"{one.date}  {one.bucket_count:>7}  {_percent(one.mean_confidence):>4}  {_percent(one.reject_rate):>8}  "
            f"{_bits(one.mean_entropy_bits):>7}  {one.missing_input_share:>8.0%}  {one.missing_title_share:>8.0%}  "
            f"{one.ask_count:>5}  {one.ask_outcome_counts['answered']:>8}  {labels}"
        )
    yield "sure, rejected, entropy (bits): over the minutes the model decided. Nothing of this leaves the computer."


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{share:.0%}"


def _bits(bits: float | None) -> str:
    return "–" if bits is None else f"{bits:.2f}"
