"""What the first start in a home does: the starter model is copied in."""

from __future__ import annotations

import logging
import shutil
from importlib import resources
from pathlib import Path

from taskclf_tray.core.atomic import write_new_file
from taskclf_tray.core.private_files import PRIVATE_FOLDER
from taskclf_tray.models.registry import holds_a_bundle
from taskclf_tray.store.database import Database
from taskclf_tray.system.paths import HomePaths

log = logging.getLogger(__name__)
_STATE = "starter_installed"


def install_starter_model(paths: HomePaths, database: Database) -> Path | None:
    """Copy the shipped bundle into `models/` once per home; a person who deletes it is not given it again.

    A home that holds any other bundle never gets it: the taskclf tool, which may share the home, would take it for the
    best. Returns where it was put, None when nothing was done. The bundle appears whole: copied beside, renamed in.
    Raises OSError (a full disk), and leaves nothing behind then.
    """
    with database.reading():
        if database.state.get(_STATE):
            return None
    if holds_a_bundle(paths.models):
        return None
    with resources.as_file(resources.files("taskclf_tray") / "data" / "starter") as shipped:
        bundle = next(path for path in sorted(shipped.iterdir()) if path.is_dir())
        goal = paths.models / bundle.name
        if not goal.exists():
            beside = paths.models / f".{bundle.name}.new"
            shutil.rmtree(beside, ignore_errors=True)
            _copy(bundle, beside)
            beside.rename(goal)
    with database.transaction():
        database.state.set(_STATE, goal.name)
    log.info("The starter model was copied into the home.")
    return goal


def _copy(bundle: Path, beside: Path) -> None:
    """Copy the files of a bundle, which has no folders, for the owner alone."""
    beside.mkdir(mode=PRIVATE_FOLDER)
    try:
        for file in sorted(bundle.iterdir()):
            write_new_file(beside / file.name, file.read_bytes())
    except BaseException:
        shutil.rmtree(beside, ignore_errors=True)
        raise
