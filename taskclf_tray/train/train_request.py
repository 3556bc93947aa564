"""What the command line and the app ask of the processes that train."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from taskclf_tray.core.defaults import DEFAULT_NUM_BOOST_ROUND
from taskclf_tray.core.schema import NEWEST_SCHEMA
from taskclf_tray.core.smoothing import SmootherChoice


@dataclass(frozen=True, slots=True, kw_only=True)
class MinutesRequest:
    """Which labelled minutes are meant.

    Args:
        inputs: ActivityWatch exports beside the record.
        host: the machine in the exports that is meant; None for the one in use in each minute.
        label_files: label CSV files beside the labels of the record.
        adopt: whether labels of other users in the files count too.
        times: what times without an offset in the files mean, "utc" or "local"; None for UTC, with a warning.
        time_zone: the zone of this computer, for "local" and for "today".
        start_us, end_us: microseconds since 1970 UTC; None for an open end.
        is_debug: whether to print the traceback of an unexpected error.
    """

    inputs: tuple[str, ...] = ()
    host: str | None = None
    label_files: tuple[str, ...] = ()
    adopt: bool = False
    times: str | None = None
    time_zone: str = "UTC"
    start_us: int | None = None
    end_us: int | None = None
    is_debug: bool = False

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """The request as the parent process wrote it in JSON, where a tuple is a list."""
        read: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in values.items()}
        return cls(**read)

    @property
    def is_limited(self) -> bool:
        """Whether the days are limited."""
        return self.start_us is not None or self.end_us is not None


@dataclass(frozen=True, slots=True)
class TrainRequest(MinutesRequest):
    """One action of `train`.

    Args:
        action: `lgbm`, `calibrate`, `tune-reject` or `evaluate`.
        home: the folder of the home.
        model_dir: the bundle to calibrate, tune or evaluate; None for the one that is served.
        calibrator_store: in place of the calibrators it is served with; `none` for none.
        out_dir: where to write; None for the usual folder.
        rounds: the most boosting rounds.
        prior: the model to start from, a bundle, `starter` or `none`; None for the starter if its schema fits.
        target_accuracy: of the accepted minutes; None for the setting.
        is_to_be_written: whether to write the tuned threshold into the inference policy.
    """

    action: str
    home: str
    model_dir: str | None = None
    calibrator_store: str | None = None
    out_dir: str | None = None
    schema_version: str = NEWEST_SCHEMA
    rounds: int = DEFAULT_NUM_BOOST_ROUND
    seed: int = 7
    prior: str | None = None
    target_accuracy: float | None = None
    is_to_be_written: bool = False


@dataclass(frozen=True, slots=True)
class RetrainRequest(MinutesRequest):
    """Retrain now.

    Args:
        home: the folder of the home.
        models_dir: where the app serves models from, if not from the home.
        now_us: the clock of the source; None for the clock of this computer.
        target_accuracy, smooth_window, smoother: None for the settings in config.toml.
        is_synthetic: whether the record is of simulated people.
        niceness: added to the nice value of the process.
    """

    home: str
    models_dir: str | None = None
    now_us: int | None = None
    target_accuracy: float | None = None
    smooth_window: int | None = None
    smoother: SmootherChoice | None = None
    is_synthetic: bool = False
    niceness: int = 0
