"""The process behind `train replay`: `python -m taskclf_tray.jobs.replay REQUEST`, REQUEST as JSON.

It reads an export and a label file, and writes into one folder. The record of the replayed life is in a hidden folder
there, which is removed at the end, however that comes. The results appear whole or not at all. What it prints:
`process.py`.
"""

from __future__ import annotations

if __name__ == "__main__":  # handlers of stop signals before any import
    from taskclf_tray.system.job_entry import start

    start("taskclf_tray.jobs.replay")

import dataclasses
import hashlib
import shutil
import signal
import tempfile
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from types import FrameType
from typing import Any, Final

from taskclf_tray.adapters.export import MAX_FILE_BYTES, ExportSource
from taskclf_tray.adapters.normalise import Normaliser
from taskclf_tray.core.atomic import json_text, replace, sync_directory, write_new_file
from taskclf_tray.core.config import Config, load_config, require_exclusions
from taskclf_tray.core.errors import ExportFormatError, LabelError, file_error
from taskclf_tray.core.private_files import make_private_folder
from taskclf_tray.core.progress import ProgressCallback
from taskclf_tray.core.regular_files import read_regular
from taskclf_tray.core.time import to_us
from taskclf_tray.core.types import LabelSpan
from taskclf_tray.jobs.process import serve
from taskclf_tray.jobs.replay_days import Evening, ReplayedLife
from taskclf_tray.jobs.train import Stoppable
from taskclf_tray.labels.csv_files import LabelTimes, read_label_csv
from taskclf_tray.models.identity import load_or_create_identity, secret_path, user_id_path
from taskclf_tray.store.blackouts import Blackout
from taskclf_tray.store.database import Database
from taskclf_tray.system.paths import HomePaths, prepare_home
from taskclf_tray.system.stop_signals import install, is_importing
from taskclf_tray.train.batch_inputs import tell_export
from taskclf_tray.train.replay_figures import ReplayedMinute, days_of, figures_of, intervals_of, predictions_csv
from taskclf_tray.train.replay_page import learning_curve, page, summary
from taskclf_tray.train.train_request import MinutesRequest

PREDICTIONS_FILE: Final = "predictions.csv"
FIGURES_FILE: Final = "replay.json"
PAGE_FILE: Final = "replay.md"
CURVE_FILE: Final = "learning_curve.png"
_SCRATCH: Final = ".replay-"
_STALE_SECONDS: Final = 86_400.0
"""A scratch folder this old belongs to a process that was killed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayRequest(MinutesRequest):
    """Live through one export.

    Args:
        home: the folder with the person's settings and pauses; nothing is written there.
        out_dir: where the results go.
        answers_per_day: the questions a day that are answered; None for all labels at the end of their day.
        from_day: the first day that is judged, counted from 1; earlier ones are only learnt from.
    """

    home: str
    out_dir: str
    answers_per_day: int | None = None
    from_day: int = 1


def run(request: ReplayRequest, stoppable: Stoppable) -> dict[str, Any]:
    """Replay, judge and write. Returns the figures and the files.

    Raises TaskclfError: for an export without windows, labels that lie outside its time, a day that is not there, a
    full disk.
    """
    out = Path(request.out_dir)
    try:
        make_private_folder(out)
        _remove_stale(out)
        stoppable.say({"event": "writing"})
        with tempfile.TemporaryDirectory(prefix=_SCRATCH, dir=out) as scratch:
            facts, files = _replayed(request, Path(scratch), stoppable)
            written = _written(files, Path(scratch), out)
    except OSError as error:
        raise file_error(error, None if error.filename else out) from error
    return {**facts, "summary": summary(facts), "files": {name: str(path) for name, path in written.items()}}


def _remove_stale(out: Path) -> None:
    for left in out.glob(f"{_SCRATCH}*"):
        if time.time() - left.stat().st_mtime > _STALE_SECONDS:
            shutil.rmtree(left, ignore_errors=True)


def _replayed(request: ReplayRequest, scratch: Path, stoppable: Stoppable) -> tuple[dict[str, Any], dict[str, bytes]]:
    home, export = HomePaths(Path(request.home)), Path(request.inputs[0])
    config, problems = load_config(home.config)
    require_exclusions(problems)
    paths = _new_home(scratch / "home", export)
    source = _export(export, paths, config, request, stoppable.say)
    try:
        span = source.span
        labels = _labels(request, paths, span[1], stoppable.say)
        life = ReplayedLife(
            paths, source, span, config, labels, stoppable.say,
            time_zone=request.time_zone,
            answers_per_day=request.answers_per_day,
            blackouts=_blackouts(home, to_us(span[0]), to_us(span[1])),
            after_training=lambda: _listen(stoppable),
        )  # fmt: skip
        _check_labels(life.labelled_days(), labels, request)  # before it takes minutes
        minutes, evenings = life.run()
    finally:
        source.close()
    recorded = [(date.fromisoformat(day["date"]).toordinal(), day["labelled_minutes"]) for day in days_of(minutes)]
    _check_labels(recorded, labels, request)
    facts = _facts(request, minutes, evenings, stoppable.say)
    files = {
        PREDICTIONS_FILE: predictions_csv(minutes).encode(),
        FIGURES_FILE: json_text(facts).encode(),
        PAGE_FILE: page(facts, CURVE_FILE).encode(),
        CURVE_FILE: learning_curve(facts),
    }
    return facts, files


def _new_home(folder: Path, export: Path) -> HomePaths:
    """A home whose identity follows from the export: the same export is replayed to the same answers."""
    try:
        digest = hashlib.sha256(read_regular(export, MAX_FILE_BYTES)).hexdigest()
    except OSError:
        digest = "0" * 64  # the export's own reader says what is wrong with it
    paths = prepare_home(folder)
    write_new_file(secret_path(folder), digest.encode())
    write_new_file(user_id_path(folder), str(uuid.uuid5(uuid.NAMESPACE_OID, digest)).encode())
    return paths


def _export(
    export: Path, paths: HomePaths, config: Config, request: ReplayRequest, say: ProgressCallback
) -> ExportSource:
    normaliser = Normaliser.by_settings(load_or_create_identity(paths.home).title_secret, config)
    source = ExportSource(export, normaliser, hostname=request.host)
    if not source.report.has_windows:
        raise ExportFormatError(
            f"{source.report.why_no_windows()}.", "Name an export of a computer on which the window watcher ran."
        )
    tell_export(source.report, say)
    return source


def _labels(request: ReplayRequest, paths: HomePaths, end: datetime, say: ProgressCallback) -> list[LabelSpan]:
    """The spans of the label files. Raises LabelError."""
    times = LabelTimes(request.time_zone if request.times == "local" else None)
    user_id, at = load_or_create_identity(paths.home).user_id, max(end, datetime.now(UTC))
    found = [
        span
        for name in request.label_files
        for span in read_label_csv(Path(name), user_id=user_id, adopt=True, at=at, times=times)
    ]
    note = times.note(request.time_zone) if request.times is None else None
    if note is not None:
        say({"event": "warning", "text": note})
    return found


def _blackouts(home: HomePaths, start_us: int, end_us: int) -> list[Blackout]:
    """What the person paused or made private in this time, where the home has a record; all with an end."""
    if not home.database.exists():
        return []
    database = Database(home.database, read_only=True)
    try:
        with database.reading():
            found = database.blackouts.overlapping(start_us, end_us)
    finally:
        database.close()
    return [dataclasses.replace(one, end_us=end_us if one.end_us is None else one.end_us) for one in found]


def _listen(stoppable: Stoppable) -> None:
    """Handle the next stop signal, and only that: Ctrl-C in a terminal is followed by the parent's own signal.

    Called again after each training, whose promotion ignores stop signals until its process ends.
    """

    def stop(number: int, frame: FrameType | None) -> None:
        if not is_importing(frame):
            install(signal.SIG_IGN)  # what cleans up is not interrupted
        stoppable.stop(number, frame)

    install(stop)


def _check_labels(days: Sequence[tuple[int, int]], labels: Sequence[LabelSpan], request: ReplayRequest) -> None:
    """Refuse what cannot be judged. `days`: (ordinal, labelled minutes) of each day.

    Raises ExportFormatError, LabelError.
    """
    if not days:
        raise ExportFormatError(
            "Every window of the export is excluded by your settings, or falls into a pause.",
            "Look at exclude_apps and exclude_title_patterns in config.toml.",
        )
    if not any(minutes for _, minutes in days):
        first, last = (date.fromordinal(days[place][0]) for place in (0, -1))
        given = f"{_day(min(s.start_ts for s in labels))} – {_day(max(s.end_ts for s in labels))}" if labels else "none"
        raise LabelError(
            f"No recorded minute has a label: the export holds {first} – {last}, the label file {given}.",
            "Choose a label file of these days, and check its time zone (--times local).",
        )
    if not any(minutes for _, minutes in days[request.from_day - 1 :]):
        raise LabelError(
            f"There is no labelled minute from day {request.from_day} on; the export holds {len(days)}.",
            "Choose an earlier day with --from-day.",
        )


def _day(moment: datetime) -> str:
    return moment.date().isoformat()


def _facts(
    request: ReplayRequest, minutes: Sequence[ReplayedMinute], evenings: Sequence[Evening], say: ProgressCallback
) -> dict[str, Any]:
    """JSON-ready."""
    days = days_of(minutes)
    first = date.fromisoformat(days[request.from_day - 1]["date"]).toordinal()
    judged = [minute for minute in minutes if minute.day >= first]
    say({"event": "writing"})
    return {
        "export": Path(request.inputs[0]).name,
        "label_files": [Path(name).name for name in request.label_files],
        "time_zone": request.time_zone,
        "answers_per_day": request.answers_per_day,
        "from_day": request.from_day,
        "judged_days": sum(minutes["labelled_minutes"] > 0 for minutes in days[request.from_day - 1 :]),
        "judged_minutes": sum(minute.truth is not None for minute in judged),
        **figures_of(judged),
        "intervals_95": intervals_of(judged),
        "days": days,
        "evenings": [evening.to_dict() for evening in evenings],
    }


def _written(files: dict[str, bytes], scratch: Path, out: Path) -> dict[str, Path]:
    """Write all files beside their places first, so that a full disk leaves what was there before."""
    for name, content in files.items():
        write_new_file(scratch / name, content)
    for name in files:
        replace(scratch / name, out / name)
    sync_directory(out)
    return {name: out / name for name in files}


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when done, 1 after an error that was said."""

    def begin(values: dict[str, Any], say: ProgressCallback) -> dict[str, Any]:
        stoppable = Stoppable(say)
        _listen(stoppable)
        return run(ReplayRequest.from_json(values), stoppable)

    return serve(begin, arguments, what="replay")
