"""The places of a home, and whether the home can be used."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import platformdirs

from taskclf_tray.core.atomic import write_new_file
from taskclf_tray.core.defaults import LABEL_COPY_FILE, POLICY_FILE, RECORD_FILE
from taskclf_tray.core.errors import TaskclfError, is_full_disk
from taskclf_tray.core.private_files import foreign_owner, make_private_folder
from taskclf_tray.models.identity import user_id_path

HOME_VARIABLE: Final = "TASKCLF_HOME"


class HomeError(TaskclfError):
    """The home directory cannot be used."""


class HomeNotWritableError(HomeError):
    """Nothing can be written to the home; its files may be read."""


def home_dir(override: Path | None = None, environ: Mapping[str, str] | None = None) -> Path:
    """The home: `override`, else TASKCLF_HOME, else the platform's user data directory for taskclf. Absolute.

    The same places as the taskclf tool's: `~/.local/share/taskclf` (or XDG_DATA_HOME), `~/Library/Application
    Support/taskclf`, `%LOCALAPPDATA%\\taskclf`. Raises HomeError for a `~` nobody is behind.
    """
    chosen = str(override) if override is not None else (os.environ if environ is None else environ).get(HOME_VARIABLE)
    if not chosen:
        chosen = platformdirs.user_data_dir("taskclf", appauthor=False)
    try:
        return Path(chosen).expanduser().resolve()
    except (RuntimeError, OSError, ValueError) as error:
        raise HomeError(
            f"The home directory {chosen!r} cannot be found.", f"Set {HOME_VARIABLE} to a folder of your own."
        ) from error


@dataclass(frozen=True, slots=True)
class HomePaths:
    """The places inside a home. All but `tray` are shared with the taskclf tool; own state is under `tray` only."""

    home: Path

    @property
    def models(self) -> Path:
        """Model bundles, the policy, the active pointer."""
        return self.home / "models"

    @property
    def policy(self) -> Path:
        """The inference policy."""
        return self.models / POLICY_FILE

    @property
    def configs(self) -> Path:
        """The taxonomy."""
        return self.home / "configs"

    @property
    def taxonomy(self) -> Path:
        """The person's taxonomy."""
        return self.configs / "user_taxonomy.yaml"

    @property
    def artifacts(self) -> Path:
        """Calibrator stores, telemetry."""
        return self.home / "artifacts"

    @property
    def processed(self) -> Path:
        """The identity files, and data of the taskclf tool."""
        return self.home / "data" / "processed"

    @property
    def config(self) -> Path:
        """The person's settings."""
        return self.home / "config.toml"

    @property
    def tool_labels(self) -> Path:
        """The labels of the taskclf tool."""
        return self.processed / "labels_v1" / "labels.parquet"

    @property
    def tool_queue(self) -> Path:
        """The queue of the taskclf tool, a JSON list."""
        return self.processed / "labels_v1" / "queue.json"

    @property
    def tool_config(self) -> Path:
        """The settings of the taskclf tool."""
        return self.processed / "config.toml"

    @property
    def tray(self) -> Path:
        """This program's own state."""
        return self.home / "tray"

    @property
    def database(self) -> Path:
        """The record."""
        return self.tray / RECORD_FILE

    @property
    def activity(self) -> Path:
        """The built-in watcher's events of the last days."""
        return self.tray / "activity.db"

    @property
    def label_copy(self) -> Path:
        """A copy of the person's labels, for when the record is damaged."""
        return self.tray / LABEL_COPY_FILE

    @property
    def log(self) -> Path:
        """The log file."""
        return self.tray / "tray.log"

    @property
    def lock(self) -> Path:
        """Held by the running instance."""
        return self.tray / "tray.lock"

    @property
    def status(self) -> Path:
        """What the running app shows, for `taskclf-tray status`."""
        return self.tray / "status.json"

    @property
    def outputs(self) -> Path:
        """predictions.csv, segments and reports, where no other directory is chosen."""
        return self.tray / "out"

    @property
    def schemas(self) -> Path:
        """JSON Schemas of the files a person edits."""
        return self.tray / "schemas"

    @property
    def drift(self) -> Path:
        """Reports of the daily drift check."""
        return self.tray / "drift"


def prepare_home(home: Path) -> HomePaths:
    """Create the missing directories, for the user alone, and check that files can be written.

    Raises HomeError, which names the directory at fault; also for a home of another user.
    """
    if home == Path(home.anchor) or home == Path.home():
        raise HomeError(f"{home} itself cannot be the home of taskclf.", f"Set {HOME_VARIABLE} to a folder inside it.")
    owner = foreign_owner(home)
    if owner is not None:
        raise HomeError(
            f"{home} belongs to another user of this computer (user id {owner}).",
            f"Start the program as that user, or set {HOME_VARIABLE} to a folder of your own.",
        )
    paths = HomePaths(home)
    for directory in (paths.models, paths.configs, paths.artifacts, paths.processed, paths.tray):
        try:
            make_private_folder(directory)
        except OSError as error:
            raise _unusable(directory, error) from error
    probe = paths.tray / f".probe-{os.getpid()}"
    try:
        write_new_file(probe, b"x")
        probe.unlink()
    except OSError as error:
        with contextlib.suppress(OSError):
            probe.unlink()
        raise _unusable(paths.tray, error) from error
    return paths


def require_home(paths: HomePaths, *, was_used: bool = False) -> None:
    """Check that a prepared home is still there: it is not created a second time. Raises HomeError.

    `was_used`: a session was open in it, so a folder without a user id is not that home.
    """
    if not paths.tray.is_dir() or (was_used and not user_id_path(paths.home).exists()):
        raise HomeError(
            "Your data folder is not there any more.",
            f"Put {paths.home} back; or quit taskclf-tray, and start it with the new place.",
        )


def _unusable(directory: Path, error: OSError) -> HomeNotWritableError:
    if is_full_disk(error):
        return HomeNotWritableError(
            f"Nothing can be written to {directory} ({error.strerror}).",
            f"The disk is full. Free some space, or set {HOME_VARIABLE} to a folder with space on its disk.",
        )
    return HomeNotWritableError(
        f"Nothing can be written to {directory} ({error.strerror or type(error).__name__}).",
        f"Make it a folder your user may write to with space on its disk, or set {HOME_VARIABLE} to another one.",
    )
