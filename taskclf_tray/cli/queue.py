"""`taskclf-tray queue`: the blocks that wait for a label, answered from a terminal, and when questions may come."""

from __future__ import annotations

import argparse
from datetime import timedelta
from itertools import pairwise
from typing import Any, Final

from taskclf_tray.cli import time_options
from taskclf_tray.cli.arguments import Commands, OutputPlace, file_path
from taskclf_tray.cli.context import SHOWN_ENTRIES, Record, add_label, add_list, opened, zone_name
from taskclf_tray.cli.output import add_action, add_actions, print_answer, tell
from taskclf_tray.core.config import load_config
from taskclf_tray.core.errors import LabelError
from taskclf_tray.core.plain_text import printable
from taskclf_tray.core.time import to_us
from taskclf_tray.labels.asking_state import AskingState, effective_cap, load_asking, switch_mode, update_asking
from taskclf_tray.labels.queue import ActiveLabelingQueue
from taskclf_tray.labels.queue_file import export_queue, import_into, read_queue_file, write_queue_file
from taskclf_tray.store.requests import AskOutcome, LabelRequest

_REASONS: Final = {"low_confidence": "unsure", "drift": "unusual", "audit": "at random", "gap": "away"}
_ASKS_READ: Final = timedelta(days=3)
SHORTEST_ID: Final = 4
_SHOWN_ID: Final = 8


def add_parser(commands: Commands) -> None:
    """Add the command."""
    actions = add_actions(commands.add_parser("queue", help="blocks that wait for your label, and when you are asked"))
    add_list(actions, "list", handle_list)
    answer = add_action(actions, "answer", handle_answer, "label a block that waits")
    _add_id(answer)
    add_label(answer)
    _add_id(add_action(actions, "skip", handle_skip, "never ask about a block again"))
    asking = add_action(actions, "asking", handle_asking, "show or switch whether you are interrupted with questions")
    asking.add_argument(
        "mode",
        nargs="?",
        choices=("on", "off", "snooze", "not-today"),
        help="snooze: for an hour; not-today: until midnight; without it the state is shown",
    )
    export = add_action(actions, "export", handle_export, "the queue as a JSON list, answered entries too")
    export.add_argument("--out", type=file_path, metavar="FILE", help="where to (default: standard output)")
    imported = add_action(actions, "import", handle_import, "add the entries of a JSON list, all of them or none")
    imported.add_argument(
        "file", type=file_path, metavar="FILE", help="a list that this or the taskclf tool has written"
    )


def _add_id(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "id", metavar="ID", help=f"the id that `queue list` shows, or its first characters ({SHORTEST_ID} at least)"
    )


# -- what waits -----------------------------------------------------------------------------------------------


def handle_list(options: argparse.Namespace) -> int:
    """Print the waiting blocks."""
    with opened(options, read_only=True) as record:
        waiting = waiting_in(record)
    shown = waiting[: options.limit or (len(waiting) if options.json else SHOWN_ENTRIES)]
    names = short_ids(waiting)
    facts = {"waiting": len(waiting), "entries": [_fact(request, names) for request in shown]}
    tell(options, facts, _table(shown, names, len(waiting)))
    return 0


def _table(shown: list[LabelRequest], names: dict[str, str], count: int) -> list[str]:
    if not shown:
        return ["Nothing waits for a label."]
    width = max(len(names[request.request_id]) for request in shown)
    lines = [_line(request, names[request.request_id], width) for request in shown]
    more = [f"… and {count - len(shown)} more (--limit)"] if count > len(shown) else []
    example = names[shown[0].request_id]
    return [*lines, *more, "", f"taskclf-tray queue answer {example} LABEL, or: taskclf-tray queue skip {example}"]


def _line(request: LabelRequest, name: str, width: int) -> str:
    period = time_options.columns(request.bucket_start_ts, request.bucket_end_ts)
    return f"{name:<{width}}  {period}  {_REASONS[request.reason]:<9}  {_guess(request)}"


def _guess(request: LabelRequest) -> str:
    if request.predicted_label is None:
        return "?"
    return f"{request.predicted_label}?" + ("" if request.confidence is None else f" {request.confidence:.0%}")


def _fact(request: LabelRequest, names: dict[str, str]) -> dict[str, Any]:
    return {
        "id": request.request_id,
        "short_id": names.get(request.request_id, request.request_id),
        "start": time_options.iso(request.bucket_start_ts),
        "end": time_options.iso(request.bucket_end_ts),
        "reason": request.reason,
        "predicted_label": request.predicted_label,
        "second_label": request.second_label,
        "confidence": request.confidence,
    }


# -- answering ------------------------------------------------------------------------------------------------


def handle_answer(options: argparse.Namespace) -> int:
    """Label a block; this answers the question wherever it was asked."""
    with opened(options) as record:
        request = find(record, options.id)
        with record.database.transaction():
            change = record.labels.answer(request.request_id, options.label, at=record.now)
            if change is None:
                raise closed(request)
            _settle(record, request, "answered")
    span = time_options.span(request.bucket_start_ts, request.bucket_end_ts)
    line = f"{span} is {options.label}."
    if change.label is None:
        line = f"You had labelled {span} before; those labels stay, and the question is closed."
    facts = {"id": request.request_id, "status": "labeled", "label": change.label}
    tell(options, facts, [line, "`taskclf-tray labels undo` takes it back."], is_done=True)
    return 0


def handle_skip(options: argparse.Namespace) -> int:
    """Close a block without a label."""
    with opened(options) as record:
        request = find(record, options.id)
        with record.database.transaction():
            if not record.labels.skip(request.request_id, at=record.now):
                raise closed(request)
            _settle(record, request, "skipped")
    span = time_options.span(request.bucket_start_ts, request.bucket_end_ts)
    facts = {"id": request.request_id, "status": "skipped", "label": None}
    tell(options, facts, [f"{span} is skipped.", "`taskclf-tray labels undo` takes it back."], is_done=True)
    return 0


def _settle(record: Record, request: LabelRequest, outcome: AskOutcome) -> None:
    record.database.asks.settle(request.request_id, outcome, to_us(record.now))


# -- files ----------------------------------------------------------------------------------------------------


def handle_export(options: argparse.Namespace) -> int:
    """Write or print every entry, answered ones too."""
    with opened(options, read_only=True) as record, record.database.reading():
        requests = record.database.requests.all(record.user_id)
    if options.out is None:
        print_answer(export_queue(requests))
        return 0
    place = OutputPlace(options.out)
    write_queue_file(options.out, requests)
    count = sum(request.reason != "gap" for request in requests)
    facts = {"file": str(options.out), "entries": count}
    tell(options, facts, [f"{_count(count)} written to {options.out}{place.words}."], is_done=True)
    return 0


def handle_import(options: argparse.Namespace) -> int:
    """Merge a list into the queue."""
    with opened(options) as record:
        requests = read_queue_file(options.file)
        own = [request for request in requests if request.user_id == record.user_id]
        changed = import_into(record.database, own, zone_name())
    others, same = len(requests) - len(own), len(own) - changed
    lines = [f"{_count(changed)} imported."]
    lines += [f"{_count(same)} stay as they are." if same > 1 else "1 entry stays as it is."] if same else []
    lines += [f"{_count(others)} of other users left out."] if others else []
    facts = {"file": str(options.file), "imported": changed, "unchanged": same, "of_others": others}
    tell(options, facts, lines, is_done=True)
    return 0


def _count(number: int) -> str:
    return "1 entry" if number == 1 else f"{number} entries"


# -- being asked ----------------------------------------------------------------------------------------------


def handle_asking(options: argparse.Namespace) -> int:
    """Switch asking, when a mode is named; then print the state."""
    with opened(options) as record:
        if options.mode is None:
            state = load_asking(record.database, record.user_id)
        else:
            mode = options.mode.replace("-", "_")
            state = update_asking(
                record.database, record.user_id, lambda old: switch_mode(old, mode, record.now, zone_name())
            )
        facts = _asking_facts(record, state)
    tell(options, facts, _asking_lines(facts, record, state), is_done=options.mode is not None)
    return 0


def _asking_facts(record: Record, state: AskingState) -> dict[str, Any]:
    asks_per_day = load_config(record.paths.config)[0].asks_per_day
    today = time_options.local(record.now).date().isoformat()
    with record.database.reading():
        asks = record.database.asks.since(record.user_id, to_us(record.now - _ASKS_READ))
    return {
        "is_on": state.is_on,
        "is_silent_now": state.is_silent(record.now),
        "snoozed_until": None if state.snoozed_until is None else time_options.iso(state.snoozed_until),
        "quiet_until": None if state.quiet_until is None else time_options.iso(state.quiet_until),
        "asked_today": sum(ask.local_day == today for ask in asks),
        "cap": effective_cap(asks_per_day, state.cap_halvings),
        "asks_per_day": asks_per_day,
        "config": str(record.paths.config),
    }


def _asking_lines(facts: dict[str, Any], record: Record, state: AskingState) -> list[str]:
    ends = [end for end in (state.snoozed_until, state.quiet_until) if end is not None and end > record.now]
    if not state.is_on:
        first = "Asking is off: blocks wait in the queue only. `taskclf-tray queue asking on` switches it on."
    elif ends:
        first = f"Asking is on, and silent until {time_options.local(max(ends)):%Y-%m-%d %H:%M}."
    elif state.first_day == time_options.local(record.now).date():
        first = "Asking is on, from tomorrow: nobody is asked on the first day."
    else:
        first = "Asking is on."
    lowered = facts["cap"] < facts["asks_per_day"]
    why = f" (few were answered; {facts['asks_per_day']} are allowed)" if lowered else ""
    return [
        first,
        f"Asked today: {facts['asked_today']} of at most {facts['cap']}{why}.",
        f"asks_per_day in {facts['config']} sets how many.",
    ]


# -- entries by what a person types of their ids --------------------------------------------------------------


def waiting_in(record: Record) -> list[LabelRequest]:
    """The waiting requests, least confident first."""
    waiting = {request.request_id for request in record.labels.waiting(record.now)}
    pending = ActiveLabelingQueue.over(record.database).get_pending(user_id=record.user_id)
    return [request for request in pending if request.request_id in waiting]


def short_ids(requests: list[LabelRequest]) -> dict[str, str]:
    """Map each id to its first eight characters, or to as many as tell it from the others."""
    ids = sorted((request.request_id for request in requests), key=str.casefold)
    needed = dict.fromkeys(ids, _SHOWN_ID)
    for left, right in pairwise(ids):
        common = _common_length(left.casefold(), right.casefold()) + 1
        needed[left], needed[right] = max(needed[left], common), max(needed[right], common)
    return {name: name[:length] for name, length in needed.items()}


def _common_length(left: str, right: str) -> int:
    pairs = enumerate(zip(left, right, strict=False))
    return next((i for i, (a, b) in pairs if a != b), min(len(left), len(right)))


def find(record: Record, word: str) -> LabelRequest:
    """The waiting request with this id, or with the only id that begins with it. Raises LabelError."""
    with record.database.reading():
        every = record.database.requests.all(record.user_id)
    exact = next((request for request in every if request.request_id == word), None)
    if exact is not None:
        return _still_waiting(exact)
    named = _named(every, word)
    found = [request for request in named if request.status == "pending"]
    if len(found) == 1:
        return found[0]
    if found:
        names = short_ids(every)
        these = ", ".join(names[request.request_id] for request in found[:3])
        more = f" and {len(found) - 3} more" if len(found) > 3 else ""
        raise LabelError(f"{_shown(word)} begins {len(found)} ids: {these}{more}.", "Type more of the one you mean.")
    if len(named) == 1:
        return _still_waiting(named[0])
    raise LabelError(f"No block waits under {_shown(word)}.", "`taskclf-tray queue list` shows what waits.")


def _named(requests: list[LabelRequest], word: str) -> list[LabelRequest]:
    begin = word.strip().casefold()
    found = [request for request in requests if begin and request.request_id.casefold().startswith(begin)]
    if found and len(begin) < SHORTEST_ID:
        raise LabelError(f"{_shown(word)} is too short for an id.", f"Type {SHORTEST_ID} characters of it or more.")
    return found


def _still_waiting(request: LabelRequest) -> LabelRequest:
    if request.status != "pending":
        raise closed(request)
    return request


def closed(request: LabelRequest) -> LabelError:
    """The error for a request that was answered before."""
    span = time_options.span(request.bucket_start_ts, request.bucket_end_ts)
    return LabelError(
        f"{span} is answered already: it was labelled or skipped before.",
        "Nothing has changed; `taskclf-tray labels add` labels it again.",
    )


def _shown(word: str) -> str:
    return f"“{printable(word)}”"
