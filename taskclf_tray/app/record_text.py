"""What the person reads about the record: its source, the clock, damage on the disk, files of the taskclf tool."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

from taskclf_tray.adapters.base import BucketState, Stream, Unread
from taskclf_tray.app.text import Message
from taskclf_tray.system.local_zone import local_time


def zone_not_usable(problem: str, name: str) -> Message:
    """The time zone of the computer is unknown."""
    return "The time zone of this computer cannot be used", f"{problem} Days are counted in {name}. {ZONE_STEP}"


def clock_put_back(by: timedelta, minutes: int, labels: int) -> Message:
    """The clock was ahead; what was recorded ahead of it is kept apart."""
    parts = [_counted(count, what) for count, what in ((minutes, "minute"), (labels, "label")) if count]
    verb = "is" if parts in (["1 minute"], ["1 label"]) else "are"
    return (
        f"The clock was put back by about {_about(by)}",
        f"{' and '.join(parts)} recorded ahead of it {verb} kept apart: they count in no report and no question. "
        "Recording continues from now.",
    )


def clock_without_battery(now: datetime) -> Message:
    """The clock shows a time before this program was written."""
    return (
        f"The clock of this computer shows {local_time(now):%Y-%m-%d %H:%M}",
        "Set it right: until then little is recorded, and at the wrong time.",
    )


def record_ahead(newest: datetime) -> str:
    """The check-up finds marks of the future, and no app that has noticed."""
    return f"the record reaches to {local_time(newest):%Y-%m-%d %H:%M}, ahead of the clock"


RECORD_AHEAD_STEP = (
    "Start the app: it keeps apart what lies ahead, and continues to record. If the clock is slow, set it first."
)


def kept_apart(minutes: int, labels: int, start: datetime, found: datetime) -> str:
    """What was recorded before the clock was put back."""
    parts = [_counted(count, what) for count, what in ((minutes, "minute"), (labels, "label")) if count]
    return (
        f"kept apart: {' and '.join(parts)} from {local_time(start):%Y-%m-%d %H:%M} on, recorded before the clock was "
        f"put back to {local_time(found):%Y-%m-%d %H:%M}"
    )


def minutes_back(count: int) -> Message:
    """The clock has passed minutes that were kept apart: it had been right before it was put back."""
    verb = "is" if count == 1 else "are"
    return (
        f"{_counted(count, 'minute')} {verb} back in the record",
        "The clock had been put back for a while; what was kept apart meanwhile counts again.",
    )


def _about(length: timedelta) -> str:
    """`2 hours`, `3 years`: rounded, for a sentence."""
    hours = length / timedelta(hours=1)
    for unit, size in (("year", 24 * 365.25), ("day", 24.0), ("hour", 1.0)):
        if hours >= 0.95 * size:
            return _counted(round(hours / size), unit)
    return _counted(max(1, round(hours * 60)), "minute")


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


ZONE_STEP = "Choose the time zone again in the system settings, or set TZ to a name such as Europe/Berlin."
_STREAM_WORDS = {
    Stream.WINDOW: "windows",
    Stream.AWAY: "away time",
    Stream.INPUT: "keyboard and mouse counts",
    Stream.TAB: "browser tabs",
}


_UNREAD_WORDS = {
    Unread.OTHER_TYPE: "not read: of a kind that is not used",
    Unread.PHONE: "not read: a phone's, which is never work at a desk",
    Unread.COPY: "not read: aw-sync's copy from another computer",
    Unread.OTHER_HOST: "not read: another computer was chosen",
    Unread.NO_WINDOWS: "not read: that computer has no windows here, and several others report",
    Unread.BAD_NAME: "not read: the server cannot be asked for a bucket of this name",
    Unread.REFUSED: "not read: the server lists it but does not give its events",
}


_DOCTOR = "taskclf-tray doctor lists what is read."


def age(moment: datetime | None, now: datetime) -> str:
    """`newest event 3 days ago`."""
    if moment is None:
        return "no event yet"
    seconds = round((now - moment).total_seconds())
    for size, one, many in ((86_400, "day", "days"), (3600, "hour", "hours"), (60, "minute", "minutes")):
        if abs(seconds) >= 2 * size or (abs(seconds) >= size and size < 86_400):
            count = abs(seconds) // size
            words = f"{count} {one if count == 1 else many}"
            return f"newest event {words} ago" if seconds > 0 else f"newest event {words} in the future"
    return "newest event just now"


def bucket_line(bucket: BucketState, now: datetime) -> str:
    """`aw-watcher-window_desk (windows of desk): newest event 2 minutes ago; read`."""
    what = bucket.kind if bucket.stream is None else _STREAM_WORDS[bucket.stream]
    host = f" of {bucket.hostname}" if bucket.hostname else ""
    return f"{bucket.bucket_id} ({what}{host}): {age(bucket.newest, now)}; {_read_or_not(bucket)}"


def _read_or_not(bucket: BucketState) -> str:
    if bucket.unread is not None:
        return _UNREAD_WORDS[bucket.unread]
    if not bucket.is_newest:
        return f"read for its own time only: {bucket.machine} has a newer one"
    is_renamed = bucket.machine and bucket.hostname and bucket.machine.casefold() != bucket.hostname.casefold()
    return f"read, as one of {bucket.machine}" if is_renamed else "read"


def bucket_unread(bucket: BucketState) -> Message:
    """An active bucket of the source is not read."""
    title, body = {
        Unread.PHONE: (
            "A phone's activity is left out",
            f"{bucket.bucket_id} reports what a phone shows. Only work at a computer is recorded.",
        ),
        Unread.COPY: (
            "Another computer's activity is not read here",
            f"{bucket.bucket_id} is aw-sync's copy of it. Start taskclf-tray on that computer to record its work.",
        ),
        Unread.NO_WINDOWS: (
            f"The away time of {bucket.hostname} is not read",
            "ActivityWatch has no windows of that computer. Start aw-watcher-window there.",
        ),
        Unread.BAD_NAME: (
            "A bucket of ActivityWatch cannot be read",
            f"{bucket.bucket_id}: its name is damaged or too long. Delete it in ActivityWatch under Raw Data.",
        ),
    }.get(
        bucket.unread or Unread.REFUSED,
        (
            "A bucket of ActivityWatch cannot be read",
            f"The server lists {bucket.bucket_id} but does not give its events. Restart ActivityWatch.",
        ),
    )
    return title, f"{body} {_DOCTOR}"


def windows_stay_away(other: BucketState | None) -> Message:
    """No bucket that is read reports windows any more. `other`: an active bucket of windows that is not read."""
    only = "" if other is None else f" Only {other.bucket_id} reports any, which is not read."
    return (
        "No windows arrive from this computer",
        f"Nothing was reported for a quarter of an hour.{only} Restart aw-watcher-window (on Wayland: awatcher). "
        f"{_DOCTOR}",
    )


def too_many_unknown() -> Message:
    """Most windows have no name: Wayland without a suitable watcher."""
    return (
        "Most windows have no name",
        "On Wayland the standard window watcher sees nothing. Install awatcher, which reports to ActivityWatch.",
    )


TOOL_FILES = "The taskclf tool has data in this home"
TOOL_CONFIG_COPY = "Advanced → Edit Config opens config.toml; copy the lines you want into it."


def record_recovered(minutes: int, labels: int, kept: Path) -> Message:
    """A damaged record was replaced by what could be read of it."""
    saved = f"{_minutes(minutes)} and {labels} label{'' if labels == 1 else 's'}"
    return (
        "Your record was damaged and has been repaired",
        f"{saved} were saved. What could not be read is missing; the damaged file is {kept}. Check the disk.",
    )


def minutes_damaged(again: int, gone: int) -> Message:
    """Damaged minutes: `again` were read again, `gone` are lost."""
    read = f"{_minutes(again)} {'was' if again == 1 else 'were'} read again from ActivityWatch" if again else ""
    lost = f"{_minutes(gone)} {'is' if gone == 1 else 'are'} lost" if gone else ""
    rest = "Check the disk. `taskclf-tray doctor` looks at all of the record."
    return f"{_minutes(again + gone)} of your record {'was' if again + gone == 1 else 'were'} damaged", (
        f"{', '.join(part for part in (read, lost) if part)}. {rest}"
    )


def minutes_left_out(count: int) -> str:
    """What a command says about damaged minutes."""
    is_one = count == 1
    return (
        f"{_minutes(count)} of the record {'is' if is_one else 'are'} damaged and left out. The running app reads "
        f"{'it' if is_one else 'them'} again where ActivityWatch still has {'it' if is_one else 'them'}."
    )


def _minutes(count: int) -> str:
    return "1 minute" if count == 1 else f"{count} minutes"


def record_deleted() -> Message:
    """The record was deleted and restored."""
    return (
        "Your record was deleted while the app was running",
        "The app has put it back. To begin a new one, quit the app first, then delete tray.db.",
    )


def record_replaced() -> Message:
    """Another record stands in its place."""
    return (
        "Your record was replaced while the app was running",
        "The app continues with the new one, and reads minutes again that ActivityWatch kept.",
    )


def record_not_saved(title: str, next_step: str) -> Message:
    """The record was deleted and could not be restored."""
    return "Your record was deleted while the app was running, and could not be put back", f"{title} {next_step}"


def record_kept_beside(path: object) -> Message:
    """A file that is no record of ours stands in its place."""
    return (
        "Your record was overwritten while the app was running",
        f"The record as it was is in {path}: quit the app, and put it in the place of tray.db.",
    )


def home_gone(home: object) -> Message:
    """The whole data folder was moved or deleted."""
    return (
        "Your data folder was moved or deleted while the app was running",
        f"Nothing is recorded until {home} is back. To use a new place, quit the app and start it there.",
    )


def labels_apart(count: int, path: object) -> Message:
    """A copy beside the record holds labels that the record lacks."""
    labels = "1 label is" if count == 1 else f"{count} labels are"
    return f"{labels} in a copy and not in your record", f"To bring back: taskclf-tray labels import {path}"


def tool_files_found(names: list[str]) -> str:
    """Told once, at the start."""
    return f"Not used here yet: {', '.join(names)}. taskclf-tray doctor says how to take each of them over."


def tool_labels(path: object) -> str:
    """Labels that were not imported, or have changed since."""
    return f"it has labels in {path} that were not taken over"


def tool_questions(count: int, path: object) -> str:
    """Entries of its queue that are not in ours."""
    return f"{'1 question waits' if count == 1 else f'{count} questions wait'} in {path} and not in this queue"


def tool_settings(path: object, lines: list[str]) -> str:
    """Settings of the tool that differ from ours."""
    return f"its settings in {path} are not used here: {'; '.join(lines)}"


def loop_done(blocks: int, buckets: int, out_dir: object) -> str:
    """The end of an online loop with a queue."""
    queued = "1 block" if blocks == 1 else f"{blocks} blocks"
    return f"Queued for a label: {queued}, {buckets} bucket{'' if buckets == 1 else 's'}. Results are in {out_dir}"


def once_done(minutes: int, out_dir: object, *, is_dark: bool) -> str:
    """The result of `--once`. `is_dark`: a pause or private mode was on."""
    done = f"{minutes} minute{'' if minutes == 1 else 's'} finalised; results are in {out_dir}"
    return f"{done}\nPaused or private: nothing more was read." if is_dark else done
