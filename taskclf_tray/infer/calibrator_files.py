"""Calibrator files and store folders (contract, section 6), read completely or refused with the reason."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, model_validator

from taskclf_tray.core.atomic import write_json_atomic
from taskclf_tray.core.errors import CalibratorError
from taskclf_tray.core.person_files import Number, Whole, about, checked, misplaced
from taskclf_tray.core.strict_json import BadJsonError, describe, read_json_object
from taskclf_tray.infer.calibrators import (
    TEMPERATURES,
    Calibrator,
    CalibratorStore,
    IdentityCalibrator,
    IsotonicCalibrator,
    IsotonicRegressor,
    TemperatureCalibrator,
    calibrator_dict,
)

MAX_CALIBRATOR_BYTES: Final = 16_000_000
STORE_FILE: Final = "store.json"
GLOBAL_FILE: Final = "global.json"
USERS_DIR: Final = "users"
_USER_ID: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_@+.\-]{0,127}", re.ASCII)
_DEVICE_NAMES: Final = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE | re.ASCII)
M = TypeVar("M", bound=BaseModel)
_NEXT_STEP: Final = "Make the calibrators again, or choose another calibrator store."


class _StoreHead(BaseModel):
    """`store.json` of a store directory."""

    model_config = ConfigDict(frozen=True)

    method: Literal["identity", "temperature", "isotonic"] = about(expected="temperature or isotonic")
    user_ids: list[str] = about(expected="a list of texts", default=[])
    user_count: Whole | None = about(expected="the number of user_ids", default=None)
    model_bundle_id: str | None = about(expected="a text, or null", default=None)
    model_schema_hash: str | None = about(expected="a text, or null", default=None)
    created_at: str | None = about(expected="a text, or null", default=None)

    @model_validator(mode="after")
    def _counts_its_users(self) -> Self:
        if self.user_count not in (None, len(self.user_ids)):
            raise misplaced(("user_count",), f"counts {self.user_count} users and lists {len(self.user_ids)}")
        return self


class _Temperature(BaseModel):
    temperature: Annotated[Number, Field(ge=TEMPERATURES[0], le=TEMPERATURES[1])] = about(
        expected="a number above 0, between 0.01 and 100"
    )


class _Curve(BaseModel):
    """A curve in the keys of scikit-learn's IsotonicRegression."""

    X_thresholds_: tuple[Number, ...] = about(expected="a list of numbers")
    y_thresholds_: tuple[Number, ...] = about(expected="a list of numbers")
    X_min_: Number | None = about(expected="a number, or null", default=None)
    X_max_: Number | None = about(expected="a number, or null", default=None)
    increasing_: Any = True
    out_of_bounds: Literal["clip"] = about(expected="clip", default="clip")

    def regressor(self) -> IsotonicRegressor:
        """Raises CalibratorError for a curve that is none."""
        return IsotonicRegressor(
            self.X_thresholds_, self.y_thresholds_, self.X_min_, self.X_max_, bool(self.increasing_)
        )


class _Isotonic(BaseModel):
    regressors: list[_Curve] = about(expected="a list of curves, one for each label")


def load_calibrator(path: Path) -> Calibrator:
    """Read one calibrator file. Raises CalibratorError, which names the file and the mistake."""
    return _calibrator(Path(path), Path(path).name)


def save_calibrator(calibrator: Calibrator, path: Path) -> Path:
    """Write a calibrator file atomically. Returns `path`. Raises CalibratorError for a foreign kind, OSError."""
    write_json_atomic(path, calibrator_dict(calibrator))
    return path


def load_calibrator_store(path: Path) -> CalibratorStore:
    """Read a store folder with all its files at once, so that no later read can fail.

    Raises:
        CalibratorError: names the file and the mistake.
    """
    store_dir = Path(path)
    name = f"{store_dir.name}/{STORE_FILE}"
    head = _checked(_StoreHead, _object(store_dir / STORE_FILE, name), name)
    users: dict[str, Calibrator] = {}
    for user in head.user_ids:
        users[user] = _calibrator(user_file(store_dir, user), f"{store_dir.name}/{USERS_DIR}/{user}.json")
    return CalibratorStore(
        global_calibrator=_calibrator(store_dir / GLOBAL_FILE, f"{store_dir.name}/{GLOBAL_FILE}"),
        user_calibrators=users,
        method=head.method,
        model_bundle_id=head.model_bundle_id,
        model_schema_hash=head.model_schema_hash,
        created_at=head.created_at,
    )


def save_calibrator_store(store: CalibratorStore, path: Path) -> Path:
    """Write a store folder, `store.json` last: a new folder without it is not a store yet.

    Returns:
        `path`.

    Raises:
        CalibratorError: a user id cannot be a file name; nothing is written.
        OSError: a file cannot be written.
    """
    store_dir = Path(path)
    files = {user: user_file(store_dir, user) for user in store.user_ids}
    for user, file in files.items():
        save_calibrator(store.user_calibrators[user], file)
    save_calibrator(store.global_calibrator, store_dir / GLOBAL_FILE)
    head = {
        "method": store.method,
        "user_count": len(files),
        "user_ids": list(files),
        "model_bundle_id": store.model_bundle_id,
        "model_schema_hash": store.model_schema_hash,
        "created_at": store.created_at,
    }
    write_json_atomic(store_dir / STORE_FILE, head)
    return store_dir


def user_file(store_dir: Path, user_id: str) -> Path:
    """Return the path of a user's calibrator. Raises CalibratorError for an id that is not a portable file name."""
    if not _USER_ID.fullmatch(user_id) or user_id.endswith(".") or _DEVICE_NAMES.fullmatch(user_id):
        raise _damaged(f"{store_dir.name}/{STORE_FILE}", f"{describe(user_id)} cannot be a user id")
    return store_dir / USERS_DIR / f"{user_id}.json"


def parse_calibrator(document: Mapping[str, Any], name: str = "calibrator") -> Calibrator:
    """Parse a calibrator from the keys of its file; `name` is the file's in errors. Raises CalibratorError."""
    kind = document.get("type")
    if kind == "identity":
        return IdentityCalibrator()
    if kind == "temperature":
        return TemperatureCalibrator(_checked(_Temperature, document, name).temperature)
    if kind != "isotonic":
        raise _damaged(name, f"its type is {describe(kind)}, not identity, temperature or isotonic")
    curves = _checked(_Isotonic, document, name).regressors
    try:
        return IsotonicCalibrator(tuple(curve.regressor() for curve in curves))
    except CalibratorError as error:
        raise _damaged(name, error.title.rstrip(".")) from error


def _calibrator(path: Path, name: str) -> Calibrator:
    return parse_calibrator(_object(path, name), name)


def _checked(model: type[M], document: Mapping[str, Any], name: str) -> M:
    found, mistakes = checked(model, document)
    if found is None:
        raise _damaged(name, str(mistakes[0]))
    return found


def _object(path: Path, name: str) -> dict[str, Any]:
    try:
        return read_json_object(path, MAX_CALIBRATOR_BYTES)
    except BadJsonError as error:
        raise CalibratorError(f"Calibrator file {name} {error}.", _NEXT_STEP) from error


def _damaged(name: str, reason: str) -> CalibratorError:
    return CalibratorError(f"Calibrator file {name} is damaged: {reason}.", _NEXT_STEP)
