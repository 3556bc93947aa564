"""The inputs of a batch: an ActivityWatch export, rows in Parquet, or the record."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, overload

from taskclf_tray.adapters.export import ExportSource
from taskclf_tray.adapters.export_report import ExportReport
from taskclf_tray.adapters.normalise import Normaliser
from taskclf_tray.core.config import Config, load_config, require_exclusions
from taskclf_tray.core.errors import ExportFormatError, SourceError, StoreError, TaskclfError
from taskclf_tray.core.intervals import Interval, subtract, union
from taskclf_tray.core.progress import ProgressCallback
from taskclf_tray.core.schema import SCHEMAS
from taskclf_tray.core.time import floor_bucket, from_us, to_us
from taskclf_tray.core.types import FeatureRow, SourceEvents
from taskclf_tray.features.build import BuilderState, advance
from taskclf_tray.features.idle import apply_idle_rule
from taskclf_tray.infer.pipeline import PipelineConfig
from taskclf_tray.models.identity import load_or_create_identity
from taskclf_tray.store.buckets import unpack_known_row
from taskclf_tray.store.database import Database
from taskclf_tray.system.job_entry import install_step
from taskclf_tray.system.local_zone import local_zone_name
from taskclf_tray.system.paths import HomePaths
from taskclf_tray.system.stop_signals import AtOnce

PARQUET_SUFFIXES: Final = (".parquet", ".pq")
_BESIDE: Final = ("user_id", "bucket_start_ts", "time_zone", "decided_by")
"""Columns that are no model input (in every schema) and still count."""


class RecordedRows(Sequence[FeatureRow]):
    """Rows of the record, unpacked when a slice asks for them: packed they take a tenth of the memory."""

    def __init__(self, blobs: Sequence[bytes]) -> None:
        self._blobs = blobs

    def __len__(self) -> int:
        return len(self._blobs)

    @overload
    def __getitem__(self, index: int) -> FeatureRow: ...
    @overload
    def __getitem__(self, index: slice) -> list[FeatureRow]: ...
    def __getitem__(self, index: int | slice) -> FeatureRow | list[FeatureRow]:
        if isinstance(index, slice):
            return [unpack_known_row(blob) for blob in self._blobs[index]]
        return unpack_known_row(self._blobs[index])


def recorded_rows(paths: HomePaths, start_us: int, end_us: int, config: PipelineConfig) -> RecordedRows:
    """The rows of the record in [start, end), and those around it that smoothing needs.

    Raises StoreError, IdentityError.
    """
    if not paths.database.exists():
        raise StoreError(
            f"There is no record in {paths.home} yet.", "Start the app first, or name an export with --input."
        )
    user_id = load_or_create_identity(paths.home).user_id
    bucket_us = config.bucket_seconds * 1_000_000
    with closing(Database(paths.database, read_only=True)) as database, database.reading():
        begin_us = start_us - config.smooth_window * bucket_us
        if config.transitions is not None:
            begin_us = database.buckets.run_start_us(user_id, -(-start_us // bucket_us) * bucket_us)
        found = database.buckets.iterate(user_id, begin_us, end_us + config.ahead_buckets * bucket_us)
        return RecordedRows([record.feature_row for record in found])


OnReport = Callable[[ExportReport], None]


def no_report(_report: ExportReport) -> None:
    """Ignore the report of an export."""


def export_rows(
    paths: HomePaths,
    path: Path,
    config: Config,
    bucket_seconds: int,
    *,
    hostname: str | None = None,
    on_report: OnReport = no_report,
) -> list[FeatureRow]:
    """Build every row of an export, with the idle rule, without excluded apps, pauses and private time.

    Args:
        hostname: the machine that is meant; None for the one in use in each minute.
        on_report: called with what is read and what is not.

    Raises:
        ExportFormatError, IdentityError, StoreError: a file cannot be used.
        ConfigError: the settings do not say what is excluded.
    """
    require_exclusions(load_config(paths.config)[1])
    identity = load_or_create_identity(paths.home)
    normaliser = Normaliser.by_settings(identity.title_secret, config)
    with AtOnce():  # of a large file the parser returns after half a minute
        source = ExportSource(path, normaliser, hostname=hostname)
    on_report(source.report)
    start, end = source.span
    skip = _blackouts(paths, to_us(start), to_us(end))
    pieces = subtract([(to_us(start), to_us(end))], skip)
    events = _joined([source.read(from_us(a), from_us(b)) for a, b in pieces])
    source.close()
    if events is None or not events.window:
        return []
    state = BuilderState.initial(identity.user_id, "", time_zone=local_zone_name(), bucket_seconds=bucket_seconds)
    until = floor_bucket(end, bucket_seconds) + timedelta(seconds=bucket_seconds)
    _, rows = advance(state, events, until, skip=[(from_us(a), from_us(b)) for a, b in skip])
    return apply_idle_rule(rows, events.away, blackouts=skip)


def check_host(host: str | None, *, has_export: bool) -> None:
    """Refuse a computer's name where there is nothing to choose from. Raises SourceError."""
    if host is not None and not has_export:
        raise SourceError(
            "--host chooses a computer in an ActivityWatch export, and no export is read here.",
            "Name the export with --input, or leave --host out.",
        )


def tell_export(report: ExportReport, say: ProgressCallback) -> None:
    """Warn where an export was read in part, or holds several machines."""
    if report.has_windows:
        text = report.sentence() + (" --host NAME reads one of them alone." if len(report.machines) > 1 else "")
    else:
        text = f"{report.why_no_windows()}. {report.damage()}".rstrip()
    if text:
        say({"event": "warning", "text": text})


def _blackouts(paths: HomePaths, start_us: int, end_us: int) -> list[Interval]:
    """The pauses and private times of the record, if there is one."""
    if not paths.database.exists():
        return []
    with closing(Database(paths.database, read_only=True)) as database, database.reading():
        found = database.blackouts.overlapping(start_us, end_us)
    return union((b.start_us, end_us if b.end_us is None else b.end_us) for b in found)


def _joined(parts: Sequence[SourceEvents]) -> SourceEvents | None:
    if not parts:
        return None
    return SourceEvents(
        start=parts[0].start,
        end=parts[-1].end,
        window=tuple(_each(parts, "window")),
        input=tuple(_each(parts, "input")),
        away=tuple(_each(parts, "away")),
        tab=tuple(_each(parts, "tab")),
    )


def _each(parts: Sequence[SourceEvents], stream: str) -> Iterator[Any]:
    for part in parts:
        yield from getattr(part, stream)


def parquet_frame(path: Path, schema_version: str) -> Any:
    """The columns that a model of this schema needs, as a DataFrame. Raises TaskclfError, SourceError."""
    try:  # pandas and pyarrow: 1 s of the start of a batch that reads something else
        import pandas as pd
        import pyarrow.parquet
    except ImportError as error:
        raise TaskclfError(
            f"Reading Parquet needs {error.name}, which is not installed.", install_step("pyarrow")
        ) from error
    if not path.is_file():
        raise SourceError(f"There is no file {path.name}.", "Check the path of --input.")
    wanted = {*SCHEMAS[schema_version].model_columns, *_BESIDE}
    try:
        names = [name for name in pyarrow.parquet.read_schema(path).names if name in wanted]
        return pd.read_parquet(path, columns=names)
    except OSError as error:
        raise SourceError(
            f"{path.name} cannot be read ({error.strerror or 'damaged'}).", "Check the path of --input."
        ) from error
    except (ValueError, pyarrow.ArrowException) as error:
        raise ExportFormatError(f"{path.name} is no Parquet file, or a damaged one.", "Write it again.") from error
