"""What the command line asks of the process that trains."""

from __future__ import annotations

from dataclasses import dataclass

from taskclf_tray.core.defaults import DEFAULT_NUM_BOOST_ROUND
from taskclf_tray.core.schema import NEWEST_SCHEMA
from taskclf_tray.core.smoothing import SmootherChoice


@dataclass(frozen=True, slots=True)
class TrainRequest:
    """One of the actions, and which labelled minutes it is about; times in microseconds since 1970 UTC, None for open.

    `inputs`: ActivityWatch exports beside the record; `host`: the machine in them that is meant, None for the one in
    use in each minute; `label_files`: label CSVs beside the record's labels; `adopt`: labels of other users in them
    too; `times`: what times without an offset in them mean, "utc" or "local", None for UTC, which is then said.
    `time_zone`: this computer's. `model_dir`: the bundle that is calibrated, tuned or judged, None for the one that is
    served. `calibrator_store`: in place of those it is served with; `none` for none. `rounds`: at most. `prior`: what a
    model begins with, a bundle, `starter` or `none`; None: the starter if it has the schema.
    """

    action: str
    home: str
    inputs: tuple[str, ...] = ()
    host: str | None = None
    label_files: tuple[str, ...] = ()
    adopt: bool = False
    times: str | None = None
    time_zone: str = "UTC"
    start_us: int | None = None
    end_us: int | None = None
    model_dir: str | None = None
    calibrator_store: str | None = None
    out_dir: str | None = None
    schema_version: str = NEWEST_SCHEMA
    rounds: int = DEFAULT_NUM_BOOST_ROUND
    seed: int = 7
    prior: str | None = None
    target_accuracy: float | None = None
    is_to_be_written: bool = False
    is_debug: bool = False

    @property
    def is_limited(self) -> bool:
        """Whether somebody said which days are meant."""
        return self.start_us is not None or self.end_us is not None


@dataclass(frozen=True, slots=True)
class RetrainRequest:
    """What to train on and for whom.

    `models_dir`: where the app serves other models than the home's. `now_us`: the source's clock, None for this
    machine's. `time_zone`: in which "today" is meant. `target_accuracy`, `smooth_window`, `smoother`: None as in
    config.toml. `niceness`: how far to stand back behind other programs. `inputs`, `host`, `label_files`, `adopt`,
    `times`: as in `TrainRequest`.
    """

    home: str
    models_dir: str | None = None
    now_us: int | None = None
    time_zone: str = "UTC"
    target_accuracy: float | None = None
    smooth_window: int | None = None
    smoother: SmootherChoice | None = None
    is_synthetic: bool = False
    niceness: int = 0
    inputs: tuple[str, ...] = ()
    host: str | None = None
    label_files: tuple[str, ...] = ()
    adopt: bool = False
    times: str | None = None
    is_debug: bool = False
