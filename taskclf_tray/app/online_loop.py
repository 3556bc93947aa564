"""The online loop for programs: the record, its outputs, and nothing of a desktop (contract, section 14)."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from taskclf_tray.adapters.activitywatch import ActivityWatchSource
from taskclf_tray.adapters.base import ActivitySource
from taskclf_tray.adapters.normalise import Normaliser
from taskclf_tray.app import record_text
from taskclf_tray.app.clock_watch import ClockWatch, watch_of
from taskclf_tray.app.serving import Overrides, Serving
from taskclf_tray.app.text import Message
from taskclf_tray.core.config import load_config, require_exclusions
from taskclf_tray.core.defaults import (
    ASK_THRESHOLD_OR_POLICY,
    DEFAULT_AW_HOST,
    DEFAULT_BUCKET_SECONDS,
    DEFAULT_IDLE_GAP_SECONDS,
    DEFAULT_POLL_SECONDS,
    DEFAULT_SMOOTH_WINDOW,
    REJECT_THRESHOLD_OR_POLICY,
    DocumentedDefault,
)
from taskclf_tray.core.errors import ModelError, SourceError, StoreError, sentences
from taskclf_tray.core.private_files import make_private_folder
from taskclf_tray.core.time import US_PER_SECOND, to_us
from taskclf_tray.infer.pipeline import PipelineConfig
from taskclf_tray.labels.blocks import Block
from taskclf_tray.labels.finalised_blocks import close_blocks
from taskclf_tray.labels.queue import ActiveLabelingQueue
from taskclf_tray.models.identity import load_or_create_identity
from taskclf_tray.record.guard import GuardedReader
from taskclf_tray.record.outputs import OutputWriter
from taskclf_tray.record.recorder import Recorder
from taskclf_tray.store.database import Database
from taskclf_tray.system.local_zone import local_zone_name

log = logging.getLogger(__name__)
RECORD_FILE = "record.db"
DEVICE_ID = "library"
DEFAULT_OUT_DIR = Path("artifacts/online")


def run_online_loop(
    *,
    model_dir: Path | str | None = None,
    models_dir: Path | str | None = None,
    aw_host: str = DEFAULT_AW_HOST,
    poll_seconds: float = DEFAULT_POLL_SECONDS,
    smooth_window: int = DEFAULT_SMOOTH_WINDOW,
    title_salt: str | None = None,
    out_dir: Path | str = DEFAULT_OUT_DIR,
    bucket_seconds: int = DEFAULT_BUCKET_SECONDS,
    idle_gap_seconds: float = DEFAULT_IDLE_GAP_SECONDS,
    reject_threshold: float | None = REJECT_THRESHOLD_OR_POLICY,
    taxonomy_path: Path | str | None = None,
    calibrator_path: Path | str | None = None,
    calibrator_store_path: Path | str | None = None,
    label_queue_path: Path | str | None = None,
    label_confidence_threshold: float | None = ASK_THRESHOLD_OR_POLICY,
    stop: threading.Event | None = None,
) -> None:
    """Predict an ActivityWatch server's minutes until `stop` is set or Ctrl-C is pressed.

    The record is `out_dir/record.db`; predictions, segments, reports and telemetry are written beside it. The home is
    the parent of the models' folder: it holds the user id, the title secret, and the `config.toml` whose exclusions
    apply. A source that does not respond is polled again. At the end the reports and the telemetry are written, and the
    number of queued buckets is printed.

    Args:
        model_dir: the one bundle to serve.
        models_dir: the folder of the bundles, whose policy is watched.
        aw_host: the address of the server.
        poll_seconds: seconds between two polls.
        smooth_window: an odd number of buckets.
        title_salt: the title secret, 64 hex characters; the home's by default.
        out_dir: the folder of the record.
        bucket_seconds: length of a bucket in seconds.
        idle_gap_seconds: seconds without input that end a session.
        reject_threshold: from 0 to 1; by default the policy's, else the bundle's, else 0.55.
        taxonomy_path: the taxonomy file; the home's by default.
        calibrator_path: one calibrator file for all users.
        calibrator_store_path: folder of a calibrator store.
        label_queue_path: the queue for blocks of low confidence; none by default.
        label_confidence_threshold: blocks with a minute below it are queued; by default 0.55, or the minute's reject
            threshold where that is higher.
        stop: ends the loop when set.

    Raises:
        ModelError: no model can be served.
        ConfigError: the exclusions cannot be read.
        IdentityError: the user id or the title secret is missing or damaged.
        LabelError: the queue file is not a queue.
        ValueError: neither `models_dir` nor `model_dir` is given.
    """
    reject_threshold, label_confidence_threshold = _said(reject_threshold), _said(label_confidence_threshold)
    folder = _models_folder(model_dir, models_dir)
    out = Path(out_dir)
    overrides = Overrides(_path(model_dir), reject_threshold, _path(calibrator_store_path), _path(calibrator_path))
    serving, config = _served(folder, overrides, _path(taxonomy_path), smooth_window, bucket_seconds)
    identity = load_or_create_identity(folder.parent)
    normaliser = _normaliser(folder.parent, title_salt or identity.title_secret)
    make_private_folder(out)
    with ExitStack() as stack:
        source = stack.enter_context(closing(ActivityWatchSource(aw_host, normaliser=normaliser)))
        database = stack.enter_context(closing(Database(out / RECORD_FILE)))
        feeder: _QueueFeeder | None = None
        if label_queue_path is not None:
            queue = ActiveLabelingQueue(Path(label_queue_path))
            feeder = _QueueFeeder(database, queue, identity.user_id, serving, label_confidence_threshold)
            stack.enter_context(closing(feeder))
        clock = watch_of(database, identity.user_id, source, local_zone_name)
        _log(clock.begin())
        recorder = _recorder(database, source, config, identity.user_id, idle_gap_seconds)
        outputs = OutputWriter(
            database, identity.user_id, out, bucket_seconds=bucket_seconds, taxonomy=lambda: serving.taxonomy
        )
        _run(source, serving, recorder, outputs, clock, feeder, poll_seconds, stop or threading.Event())
        if feeder is not None:
            print(record_text.loop_done(*feeder.queued, out), flush=True)  # noqa: T201 - the caller is a person's script


def _served(
    folder: Path, overrides: Overrides, taxonomy_path: Path | None, smooth_window: int, bucket_seconds: int
) -> tuple[Serving, PipelineConfig]:
    """What is served at the start. Raises ModelError when no model can be."""
    taxonomy_path = taxonomy_path or folder.parent / "configs" / "user_taxonomy.yaml"
    serving = Serving(
        folder, taxonomy_path, overrides=overrides, smooth_window=smooth_window, bucket_seconds=bucket_seconds
    )
    _log(serving.load())
    if serving.config is None:
        raise ModelError("No model can be served.", serving.problem or "")
    return serving, serving.config


def _recorder(
    database: Database, source: ActivitySource, config: PipelineConfig, user_id: str, idle_gap_seconds: float
) -> Recorder:
    return Recorder(
        database,
        GuardedReader(source, database, lambda: None),
        config,
        user_id=user_id,
        device_id=DEVICE_ID,
        time_zone=local_zone_name,
        idle_gap_seconds=idle_gap_seconds,
    )


class _QueueFeeder:
    """Puts the doubtful blocks of the record into a queue, which may be another program's."""

    def __init__(
        self,
        database: Database,
        queue: ActiveLabelingQueue,
        user_id: str,
        serving: Serving,
        threshold: float | None,
    ) -> None:
        self._database = database
        self._queue = queue
        self._user_id = user_id
        self._serving = serving
        self._threshold = threshold
        self._lengths_us: dict[str, int] = {}

    @property
    def queued(self) -> tuple[int, int]:
        """How many blocks went into the queue, and of how many buckets."""
        bucket_us = self._serving.bucket_seconds * US_PER_SECOND
        return len(self._lengths_us), sum(self._lengths_us.values()) // bucket_us

    def feed(self, until: datetime, now: datetime) -> None:
        """Queue what has closed; the place in the record moves on only when the queue has it. Raises StoreError."""
        config = self._serving.config
        if config is None:
            return
        zone = local_zone_name()
        with self._database.transaction():
            closed = close_blocks(
                self._database, self._user_id, until_us=to_us(until), ahead_buckets=config.smoothing_buckets
            )
            low = [block for block in (self._judged(item.block) for item in closed) if block.is_low]
            for request in self._queue.enqueue_blocks(self._user_id, low, at=now, zone=zone):
                self._lengths_us[request.request_id] = to_us(request.bucket_end_ts) - to_us(request.bucket_start_ts)

    def _judged(self, block: Block) -> Block:
        if self._threshold is None:
            return block
        return replace(block, is_low=block.confidence < self._threshold)

    def close(self) -> None:
        """Close the queue."""
        self._queue.close()


def _normaliser(home: Path, secret: str) -> Normaliser:
    """With what the person excluded. Raises ConfigError, IdentityError."""
    config, problems = load_config(home / "config.toml")
    require_exclusions(problems)
    return Normaliser.by_settings(secret, config)


def _said(threshold: float | None) -> float | None:
    """None for a default that gives way to what the policy says."""
    return None if isinstance(threshold, DocumentedDefault) else threshold


def _path(path: Path | str | None) -> Path | None:
    return None if path is None else Path(path)


def _models_folder(model_dir: Path | str | None, models_dir: Path | str | None) -> Path:
    if models_dir is not None:
        return Path(models_dir)
    if model_dir is None:
        raise ValueError("give models_dir, or model_dir")
    return Path(model_dir).resolve().parent


def _run(
    source: ActivityWatchSource,
    serving: Serving,
    recorder: Recorder,
    outputs: OutputWriter,
    clock: ClockWatch,
    feeder: _QueueFeeder | None,
    poll_seconds: float,
    stop: threading.Event,
) -> None:
    """Loop until `stop` is set or Ctrl-C is pressed, then write reports and telemetry."""
    try:
        due, is_written = time.monotonic(), True
        while not stop.is_set():
            for title, body in serving.check():
                log.info("%s", sentences(title, body))
            if serving.config is not None:
                recorder.use(serving.config)
            if time.monotonic() >= due:
                due += poll_seconds
                try:
                    if clock.look():
                        _log(clock.begin())
                        recorder.reload()
                        outputs.reload()
                    while not recorder.step(source.now()).is_caught_up:
                        pass
                    if clock.is_due:
                        _log(clock.give_back())
                        outputs.reload()
                    if feeder is not None and recorder.high_water_mark is not None:
                        feeder.feed(recorder.high_water_mark, source.now())
                    is_written = _write(outputs, source, is_quiet=not is_written)
                except (SourceError, StoreError) as error:
                    log.warning("%s", error)
                due = max(due, time.monotonic())
            stop.wait(min(1.0, max(0.0, due - time.monotonic())))
    except KeyboardInterrupt:
        log.info("Stopped.")
    finally:
        _write(outputs, source, is_last=True)


def _log(messages: Sequence[Message]) -> None:
    for title, body in messages:
        log.warning("%s", sentences(title, body))


def _write(
    outputs: OutputWriter, source: ActivityWatchSource, *, is_quiet: bool = False, is_last: bool = False
) -> bool:
    """The files; the last time without closing days, since the record may be behind. Whether they were written."""
    try:
        outputs.write(source.now(), local_zone_name(), is_caught_up=not is_last, is_last=is_last, has_telemetry=is_last)
    except StoreError as error:
        if not is_quiet:
            log.warning("%s", error)
        return False
    return True
