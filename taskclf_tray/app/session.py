"""Everything the worker owns for one home and one source, opened together and closed together.

The first session in a home also installs the starter model.
"""

from __future__ import annotations

import contextlib
import dataclasses
import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from taskclf_tray.adapters.base import ActivitySource
from taskclf_tray.app import record_text
from taskclf_tray.app.clock_watch import watch_of
from taskclf_tray.app.commands import Pause, PrivacyCommand, PrivateMode
from taskclf_tray.app.label_view import read_label_view
from taskclf_tray.app.rescue import Rescue
from taskclf_tray.app.serving import Overrides, Serving
from taskclf_tray.app.snapshot import LabelView, TodayView
from taskclf_tray.app.text import Message
from taskclf_tray.app.today import TodayTally
from taskclf_tray.app.tool_files import tell_once
from taskclf_tray.app.unreadable import UnreadableMinutes
from taskclf_tray.core.config import Config
from taskclf_tray.core.errors import StoreError, TaskclfError, file_error
from taskclf_tray.core.file_watch import FileWatch
from taskclf_tray.core.time import from_us, local_day_bounds, to_us
from taskclf_tray.infer.pipeline import map_label
from taskclf_tray.infer.prediction import WindowPrediction
from taskclf_tray.infer.taxonomy_config import TaxonomyConfig
from taskclf_tray.labels.categories import Categories, KeptCategories
from taskclf_tray.labels.current import BlockNote, recorded_block
from taskclf_tray.labels.label_copy import LabelCopy
from taskclf_tray.labels.spans import LabelStore
from taskclf_tray.models.bundle import copy_starter
from taskclf_tray.models.identity import Identity, load_or_create_identity
from taskclf_tray.models.registry import BundleInfo, holds_a_bundle, list_bundles
from taskclf_tray.record.guard import GuardedReader
from taskclf_tray.record.live_label import LiveLabel
from taskclf_tray.record.outputs import DAYS_A_WRITE, OutputWriter
from taskclf_tray.record.recorder import Recorder
from taskclf_tray.store.blackouts import Blackout
from taskclf_tray.store.database import Database
from taskclf_tray.store.recovery import recover_damaged, remove_old_backups
from taskclf_tray.store.repack import repack
from taskclf_tray.system.local_zone import local_zone_name
from taskclf_tray.system.paths import HomePaths, require_home

log = logging.getLogger(__name__)

SourceFactory = Callable[[Identity], ActivitySource]
DEVICE_ID = "desktop"
_STARTER_STATE = "starter_installed"


class Session:
    """One home and one source. Every method runs in the thread that opened the session."""

    def __init__(
        self,
        paths: HomePaths,
        config: Config,
        make_source: SourceFactory,
        *,
        models_dir: Path | None = None,
        overrides: Overrides | None = None,
        time_zone: Callable[[], str] = local_zone_name,
        before_request: Callable[[], None] = lambda: None,
        main_paths: HomePaths | None = None,
        out_dir: Path | None = None,
    ) -> None:
        """Open the home. `main_paths` holds the log and the settings where that is not `paths` (a simulated person)."""
        self.paths = paths
        self.overrides = overrides or Overrides()
        main_paths = main_paths or paths
        self.log_path, self.config_path = main_paths.log, main_paths.config
        self.config = config
        self.models_dir = models_dir or paths.models
        self.time_zone = time_zone
        require_home(paths)
        self.identity = load_or_create_identity(paths.home)
        repaired = _repaired(paths)
        if paths.database.exists():
            repack(paths.database)
        self.database = Database(paths.database)
        try:
            self._block_note = BlockNote(self.database, self.identity.user_id)
            with contextlib.suppress(StoreError):
                self._block_note.remove()  # one of a program that was killed
            if models_dir is None:
                _install_starter_model(paths, self.database)
            self.source = make_source(self.identity)
            self.serving = Serving(
                self.models_dir,
                paths.taxonomy,
                overrides=overrides,
                smooth_window=config.smooth_window,
                smoother=config.smoother,
                kept=KeptCategories(self.database),
            )
            self.clock = watch_of(self.database, self.identity.user_id, self.source, time_zone)
            self.messages: list[Message] = [*repaired, *self.clock.begin(), *self.serving.load()]
            told = tell_once(paths, self.database, self.identity.user_id, config)
            if told is not None:
                self.messages.append(told)
        except BaseException:
            self.database.close()
            raise
        self.out_dir = out_dir or paths.outputs
        self._outputs = OutputWriter(
            self.database,
            self.identity.user_id,
            self.out_dir,
            taxonomy=lambda: self.serving.taxonomy,
        )
        self._label_copy = LabelCopy(self.database, self.identity.user_id, paths.label_copy)
        self._unreadable = UnreadableMinutes(self.database, self.identity.user_id)
        self.labels = LabelStore(self.database, self.identity.user_id)
        self._today = TodayTally(self.database, self.identity.user_id)
        self._reader = GuardedReader(self.source, self.database, before_request)
        self._recorder: Recorder | None = None
        self._models_watch = FileWatch(self.models_dir)
        self._bundles: list[BundleInfo] = []

    @property
    def recorder(self) -> Recorder | None:
        """The recorder; None while no model can be served."""
        config = self.serving.config
        if config is None:
            return None
        if self._recorder is None:
            self._recorder = Recorder(
                self.database,
                self._reader,
                config,
                user_id=self.identity.user_id,
                device_id=DEVICE_ID,
                time_zone=self.time_zone,
                is_closed=self.source.is_closed,
            )
        self._recorder.use(config)
        return self._recorder

    def now(self) -> datetime:
        """The source's clock."""
        return self.source.now()

    def bundles(self) -> list[BundleInfo]:
        """The bundles of the home, read again only when the folder has changed."""
        if self._models_watch.has_changed():
            self._bundles = list_bundles(self.models_dir)
        return self._bundles

    def forget_bundles(self) -> None:
        """Read the bundles again at the next call."""
        self._models_watch.forget()

    def is_first_start(self) -> bool:
        """Whether this home was never welcomed. Marks it as welcomed. Raises StoreError."""
        with self.database.reading():
            if self.database.state.get("welcomed"):
                return False
        with self.database.transaction():
            self.database.state.set("welcomed", "1")
        return True

    def open_blackouts(self) -> list[Blackout]:
        """The pauses and private mode that are open now. Closes timed pauses that are over. Raises StoreError.

        The source watches nothing while one is open.
        """
        now_us = to_us(self.now())
        with self.database.reading():
            open_ones = self.database.blackouts.open_ones()
        if any(b.resume_us is not None and b.resume_us <= now_us for b in open_ones):
            with self.database.transaction():
                self.database.blackouts.close_due(now_us)
            return self.open_blackouts()
        self.source.rest(from_us(min(b.start_us for b in open_ones)) if open_ones else None)
        return open_ones

    def apply_privacy(self, command: PrivacyCommand) -> None:
        """Write a pause, a resume or private mode down, durably, as of the moment of the click.

        A click is never later than the source's clock: one from before the session was open bears the wall clock's
        time. Raises StoreError.
        """
        command = dataclasses.replace(command, at=min(command.at, self.now()))
        at_us = to_us(command.at)
        with self.database.transaction():
            if isinstance(command, Pause):
                self.database.blackouts.open("pause", at_us, self._resume_us(command))
            elif isinstance(command, PrivateMode) and command.is_on:
                self.database.blackouts.open("private", at_us)
            else:
                reason = "private" if isinstance(command, PrivateMode) else "pause"
                self.database.blackouts.close(reason, at_us)  # type: ignore[arg-type]
        self.open_blackouts()

    def _resume_us(self, pause: Pause) -> int:
        if pause.minutes is None:
            return to_us(local_day_bounds(pause.at, self.time_zone())[1])
        return to_us(pause.at + timedelta(minutes=pause.minutes))

    def front_at(self, moment: datetime) -> str | None:
        """The app in front at a moment; None where that is not known any more."""
        return None if self._recorder is None else self._recorder.front_at(moment)

    def note_block(self, start: datetime | None, live: LiveLabel | None = None) -> None:
        """Store where the current block begins, for commands; None: there is nothing to label. Raises StoreError."""
        is_typing = live is not None and live.is_typing
        limits = () if live is None else (live.unbroken_since, live.back_at)
        not_before = max((limit for limit in limits if limit is not None), default=None)
        self._block_note.write(start, self.now(), is_typing=is_typing, not_before=not_before)

    def label_view(self) -> LabelView:
        """Read what the views show of the labels now. Raises StoreError."""
        return read_label_view(self.database, self.identity.user_id, self.now(), self.taxonomy())

    def today_view(self) -> TodayView:
        """Read how the day divides so far. Raises StoreError."""
        return self._today.view(self.now(), self.time_zone(), self.serving.taxonomy)

    def taxonomy(self) -> TaxonomyConfig | None:
        """The categories in force."""
        return self.serving.taxonomy

    def write_outputs(self, *, is_caught_up: bool = True, is_last: bool = False, max_days: int = DAYS_A_WRITE) -> None:
        """Bring the files beside the record up to date; see `OutputWriter.write`. Raises StoreError."""
        now, zone_name = self.now(), self.time_zone()
        self._outputs.write(now, zone_name, is_caught_up=is_caught_up, is_last=is_last, max_days=max_days)

    def copy_labels(self, *, is_last: bool = False) -> list[Message]:
        """Update the copy of the labels beside the record; returns messages for the person. Raises TaskclfError."""
        apart = self._label_copy.follow(self.now(), self.time_zone(), is_last=is_last)
        return [] if apart is None else [record_text.labels_apart(apart.count, apart.path)]

    def rescue(self) -> Rescue:
        """Save what would be lost with a record that has lost its place.

        Finish the rescue once the session is closed.
        """
        rescue = Rescue(self.database)
        if rescue.is_replaced:
            with contextlib.suppress(TaskclfError):
                self._label_copy.rescue(self.now(), self.time_zone())
        return rescue

    def mend(self) -> list[Message]:
        """Record damaged minutes again; returns messages for the person. Raises SourceError, StoreError."""
        return [] if self._recorder is None else self._unreadable.look(self._recorder, self.now())

    def newest(self) -> WindowPrediction | None:
        """The last recorded bucket, under the categories of today. Raises StoreError."""
        with self.database.reading():
            found = self.database.buckets.before(self.identity.user_id, 1 << 62, 1)
        if not found:
            return None
        answer = WindowPrediction.of(found[0])
        resolver = None if self.serving.config is None else self.serving.config.resolver
        name, probs = map_label(resolver, answer.smoothed_label_name, answer.raw_label, answer.core_probs)
        return answer.model_copy(update={"mapped_label_name": name, "mapped_probs": probs})

    def recorded_block(self) -> datetime | None:
        """Start of the current block by the record alone, for a time without fresh events. Raises StoreError."""
        named = Categories(self.database, self.taxonomy()).ui_label
        block = recorded_block(self.database, self.identity.user_id, self.now(), named=named)
        return None if block is None else block[0]

    def close(self) -> None:
        """Close the source and the database. Raises StoreError."""
        try:
            with contextlib.suppress(StoreError):
                self._block_note.remove()
            self.source.close()
            self.clock.close()
        finally:
            self.database.close()


def _repaired(paths: HomePaths) -> list[Message]:
    """Recover a damaged record; returns what to tell of it. Raises StoreError."""
    try:
        remove_old_backups(paths.database)
        found = recover_damaged(paths.database, datetime.now(UTC).astimezone().date())
    except OSError as error:
        raise file_error(error, paths.database, kind=StoreError) from error
    return [] if found is None else [record_text.record_recovered(found.minutes, found.labels, found.kept)]


def _install_starter_model(paths: HomePaths, database: Database) -> None:
    """Install the starter model. Raises TaskclfError that names the folder: an OSError of a full disk does not."""
    try:
        install_starter_model(paths, database)
    except OSError as error:
        raise file_error(error, paths.models) from error


def paused_until(blackouts: list[Blackout]) -> datetime | None:
    """When the last timed pause among the blackouts ends."""
    ends = [b.resume_us for b in blackouts if b.resume_us is not None]
    return from_us(max(ends)) if ends else None


def install_starter_model(paths: HomePaths, database: Database) -> Path | None:
    """Copy the shipped bundle into `models/` once per home. A person who deletes it does not get it again.

    A home that holds another bundle never gets it: the taskclf tool, which may share the home, would take it for the
    best. Returns the folder; None when nothing was copied. The bundle appears as a whole: it is copied beside and
    renamed. Raises OSError (a full disk), and then leaves nothing behind.
    """
    with database.reading():
        if database.state.get(_STARTER_STATE):
            return None
    if holds_a_bundle(paths.models):
        return None
    goal = copy_starter(paths.models)
    with database.transaction():
        database.state.set(_STARTER_STATE, goal.name)
    log.info("The starter model was copied into the home.")
    return goal
