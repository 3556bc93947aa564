"""Trainings that end as a test wants: `python -m tests.support.training_jobs REQUEST`; a file in the home says how."""

from __future__ import annotations

if __name__ == "__main__":
    from taskclf_tray.system.job_entry import start

    start("tests.support.training_jobs")

import json
import os
import shutil
import signal
import time
from pathlib import Path
from typing import Any

from taskclf_tray.labels.learning import Reinference, save_reinference
from taskclf_tray.models.identity import load_or_create_identity
from taskclf_tray.models.promotion import promote, served_now
from taskclf_tray.models.retention import staging_dir
from taskclf_tray.store.database import Database
from tests.support.promotion_home import FIRST, STORE, make_small
from tests.support.sample_rows import BUNDLE

SENTENCES = ["Debug is now recognised: recall 0.31 → 0.68."]


def say(**event: Any) -> None:
    print(json.dumps(event), flush=True)


def main(arguments: list[str]) -> int:
    """As the file `way` says; each start is noted beside it, with the request."""
    request = json.loads(arguments[0])
    home = Path(request["home"])
    with (home / "trainings").open("a") as file:
        file.write(json.dumps(request | {"pid": os.getpid()}) + "\n")
    way = (home / "way").read_text()
    say(event="step", text="Training on 42 labelled minutes in 7 blocks on 3 days.")
    say(event="progress", done=40, total=100)
    if way == "slow":
        time.sleep(600)
    if way == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if way == "too few":
        say(event="error", title="There are 3 labelled blocks; 10 are needed.", next_step="Label 7 more.")
        return 1
    if way == "refused":
        say(event="done", outcome="refused", model=FIRST, sentences=["Macro F1 is 0.41; 0.65 is needed."])
        return 0
    models = Path(request["models_dir"])
    staged = make_small(Path(shutil.copytree(BUNDLE, staging_dir(models) / FIRST)))
    database = Database(home / "tray" / "tray.db")
    save_reinference(database, load_or_create_identity(home).user_id, Reinference(FIRST))
    database.close()
    served = served_now(models)
    replaces = None if served is None else served.bundle_id
    promote(models, staged, STORE, reject_threshold=0.61, replaces=replaces)
    say(event="done", outcome="promoted", model=FIRST, sentences=SENTENCES)
    return 0
