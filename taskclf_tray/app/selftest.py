"""The self-test of an installation: every part that packaging can break, on simulated data in a folder of its own.

It touches neither the person's home nor their record, and shows nothing but one short notification.
"""

from __future__ import annotations

import json
import logging
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import Any, Final

import numpy as np

from taskclf_tray.adapters.base import Stream
from taskclf_tray.app.home_checks import CheckResult
from taskclf_tray.app.retraining import JOB as RETRAIN_JOB
from taskclf_tray.app.retraining import has_libraries
from taskclf_tray.core.errors import TaskclfError
from taskclf_tray.core.schema import SCHEMAS
from taskclf_tray.core.time import from_us, to_us
from taskclf_tray.jobs.child import ChildJob
from taskclf_tray.labels.csv_files import write_label_csv
from taskclf_tray.models.bundle import load_model_bundle, starter_bundle
from taskclf_tray.notify.base import Notice, Urgency
from taskclf_tray.notify.factory import choose_notifier
from taskclf_tray.simulation.person import SimulatedPerson
from taskclf_tray.store.database import Database
from taskclf_tray.system.job_entry import install_step
from taskclf_tray.system.paths import prepare_home

PartTest = Callable[[Path], str]
"""Tests one part in an empty folder; returns what works. Raises NotHereError, TaskclfError, or anything else."""

EXPECTED: Final = (
    (0.049478, 0.32447, 0.051454, 0.108122, 0.082417, 0.069925, 0.244617, 0.069517),
    (0.035526, 0.186256, 0.064242, 0.204032, 0.189769, 0.164389, 0.062561, 0.093224),
)
"""The starter model's probabilities for the two rows of `probe_rows`, rounded to six decimals."""
_BATCH_JOB: Final = "taskclf_tray.jobs.batch"
_DAYS: Final = (date(2026, 3, 2), date(2026, 3, 3))
_JOB_SECONDS: Final = 600.0
_NEXT_STEP: Final = "Install it again; if that does not help, --debug shows where it fails."

log = logging.getLogger(__name__)


class SelftestError(TaskclfError):
    """A part works, and does not do what it should."""


class NotHereError(TaskclfError):
    """A part that this machine or this edition does not have: said, and no failure."""


def check_parts(screen: Mapping[str, PartTest], *, is_debug: bool = False) -> Iterator[CheckResult]:
    """Test each part in turn; `screen` has those of what is drawn, by name. Raises what a part raised if `is_debug`."""
    for subject, test in {**_PARTS, **screen, "Notifications": _notifications}.items():
        with tempfile.TemporaryDirectory(prefix="taskclf-selftest-") as folder:
            try:
                yield CheckResult(subject, "ok", test(Path(folder)))
            except NotHereError as error:
                yield CheckResult(subject, "note", f"not tested: {error.title}", error.next_step)
            except TaskclfError as error:
                if is_debug:
                    raise
                yield CheckResult(subject, "failed", error.title, error.next_step or _NEXT_STEP)
            except Exception as error:
                if is_debug:
                    raise
                log.exception("the self-test of %s failed", subject)
                yield CheckResult(subject, "failed", f"{type(error).__name__}: {error}", _NEXT_STEP)


def probe_rows(columns: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Two rows of small whole numbers, float64, shape (2, `columns`)."""
    return np.array([[(7 * row + 3 * column) % 5 for column in range(columns)] for row in range(2)], dtype=np.float64)


def _model(_folder: Path) -> str:
    """The shipped model is the one that was shipped, and its trees are added up right."""
    bundle = starter_bundle()
    model, metadata, _ = load_model_bundle(bundle)
    found = model.predict(probe_rows(len(SCHEMAS[metadata.schema_version].model_columns)))
    if not np.allclose(found, EXPECTED, rtol=0, atol=1e-6):
        raise SelftestError(f"{bundle.name} does not predict what it should ({np.round(found, 6).tolist()})")
    return f"{bundle.name} predicts what it should"


def _record(folder: Path) -> str:
    """What is written to the database of a new home is there when it is opened again."""
    paths = prepare_home(folder / "home")
    with closing(Database(paths.database)) as database, database.transaction():
        database.state.set("selftest", "written")
    with closing(Database(paths.database)) as database, database.reading():
        if database.state.get("selftest") != "written" or not database.is_sound():
            raise SelftestError("what was written to a new record cannot be read again")
    return "a new record keeps what is written to it"


def _job(folder: Path) -> str:
    """A process of its own predicts a simulated morning."""
    export = write_mornings(folder)[0]
    request = {"home": str(folder / "home"), "input": str(export), "out_dir": str(folder)}
    answer = _answer(_BATCH_JOB, request)
    if not answer["rows"] or not answer["is_starter"]:
        raise SelftestError(f"the batch predicted {answer['rows']} minutes with {answer['model']}")
    return f"a process of its own predicted {answer['rows']} minutes"


def _training(folder: Path) -> str:
    """A process of its own trains on labelled minutes, and judges what it trained."""
    if not has_libraries():
        raise NotHereError("this edition predicts and does not train", install_step("lightgbm"))
    export, labels, end_us = write_mornings(folder)
    home = prepare_home(folder / "home").home
    request = {"home": str(home), "inputs": [str(export)], "label_files": [str(labels)], "times": "utc"}
    answer = _answer(RETRAIN_JOB, {**request, "is_synthetic": True, "now_us": end_us})
    if answer["outcome"] not in ("promoted", "refused"):
        raise SelftestError(f"the training ended with {answer['outcome']}")
    return f"a model was trained on {answer['labelled_minutes']} minutes and {answer['outcome']}"


def _notifications(_folder: Path) -> str:
    """The notification service takes a notice, and takes it back."""
    choice = choose_notifier()
    with closing(choice.notifier) as notifier:
        if not notifier.capabilities:
            raise NotHereError(choice.reason if notifier.name == "none" else "no notification service answers")
        notice = Notice("taskclf-tray", "Notifications work.", urgency=Urgency.LOW, tag="selftest")
        if not notifier.notify(notice):
            raise SelftestError("the notification service did not take a notice")
        notifier.withdraw("selftest")
        return f"{notifier.name} showed one"


_PARTS: Final[Mapping[str, PartTest]] = {"Model": _model, "Record": _record, "Jobs": _job, "Training": _training}


def write_mornings(folder: Path) -> tuple[Path, Path, int]:
    """Two mornings of a simulated developer: an ActivityWatch export, the true labels as CSV, and the end in µs."""
    person = SimulatedPerson("developer", 1)
    windows, spans = [], []
    for day in _DAYS:
        start, _ = person.working_day(day)
        end = start.replace(hour=start.hour + 3)
        windows += person.raw_events(start, end)[Stream.WINDOW]
        spans += person.truth(start, end)
    name = "aw-watcher-window_selftest"
    events = [
        {"timestamp": from_us(e.start_us).isoformat(), "duration": e.duration_us / 1e6, "data": dict(e.data)}
        for e in windows
    ]
    bucket = {"id": name, "type": "currentwindow", "client": "selftest", "hostname": "selftest", "events": events}
    export, labels = folder / "export.json", folder / "labels.csv"
    export.write_text(json.dumps({"buckets": {name: bucket}}), encoding="utf-8")
    write_label_csv(labels, spans)
    return export, labels, to_us(spans[-1].end_ts)


def _answer(module: str, request: Mapping[str, Any]) -> dict[str, Any]:
    return ChildJob(module, request, timeout_seconds=_JOB_SECONDS).run(lambda _event: None)
