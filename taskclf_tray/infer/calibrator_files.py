"""Calibrator files and store folders (contract, section 6), read completely or refused with the reason."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from taskclf_tray.core.atomic import write_json_atomic
from taskclf_tray.core.errors import CalibratorError
from taskclf_tray.core.strict_json import BadJsonError, describe, is_number, read_json_object
from taskclf_tray.infer.calibration import (
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
_NEXT_STEP: Final = "Make the calibrators again, or choose another calibrator store."


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
    head = _object(store_dir / STORE_FILE, name)
    user_ids = head.get("user_ids", [])
    if not isinstance(user_ids, list) or not all(isinstance(user, str) for user in user_ids):
        raise _damaged(name, "its user_ids are not a list of texts")
    if head.get("user_count", len(user_ids)) != len(user_ids):
        raise _damaged(name, f"it counts {describe(head['user_count'])} users and lists {len(user_ids)}")
    method = head.get("method")
    if not isinstance(method, str) or method not in ("identity", "temperature", "isotonic"):
        raise _damaged(name, f"its method is {describe(method)}, not temperature or isotonic")
    users: dict[str, Calibrator] = {}
    for user in user_ids:
        users[user] = _calibrator(user_file(store_dir, user), f"{store_dir.name}/{USERS_DIR}/{user}.json")
    return CalibratorStore(
        global_calibrator=_calibrator(store_dir / GLOBAL_FILE, f"{store_dir.name}/{GLOBAL_FILE}"),
        user_calibrators=users,
        method=method,
        **{key: _optional_text(head, key, name) for key in ("model_bundle_id", "model_schema_hash", "created_at")},
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
        return _temperature(document, name)
    if kind == "isotonic":
        return _isotonic(document, name)
    raise _damaged(name, f"its type is {describe(kind)}, not identity, temperature or isotonic")


def _calibrator(path: Path, name: str) -> Calibrator:
    return parse_calibrator(_object(path, name), name)


def _temperature(document: Mapping[str, Any], name: str) -> Calibrator:
    temperature = document.get("temperature")
    lowest, highest = TEMPERATURES
    if not is_number(temperature) or not lowest <= temperature <= highest:
        raise _damaged(name, f"its temperature is {describe(temperature)}, not a number above 0, between 0.01 and 100")
    return TemperatureCalibrator(float(temperature))


def _isotonic(document: Mapping[str, Any], name: str) -> Calibrator:
    regressors = document.get("regressors")
    if not isinstance(regressors, list):
        raise _damaged(name, "it has no list of regressors")
    try:
        return IsotonicCalibrator(tuple(_regressor(r, name, k) for k, r in enumerate(regressors)))
    except CalibratorError as error:
        if error.title.startswith("Calibrator "):
            raise
        raise _damaged(name, error.title.rstrip(".")) from error


def _regressor(regressor: Any, name: str, k: int) -> IsotonicRegressor:
    if not isinstance(regressor, dict):
        raise _damaged(name, f"its regressor {k} is {describe(regressor)}")
    if regressor.get("out_of_bounds", "clip") != "clip":
        raise _damaged(name, f"its regressor {k} is to answer nothing out of bounds; only clip is known")
    limits = [regressor.get(key) for key in ("X_min_", "X_max_")]
    if not all(limit is None or is_number(limit) for limit in limits):
        raise _damaged(name, f"its regressor {k} has limits that are not numbers")
    return IsotonicRegressor(
        x_thresholds=_numbers(regressor, "X_thresholds_", name, k),
        y_thresholds=_numbers(regressor, "y_thresholds_", name, k),
        x_min=limits[0],
        x_max=limits[1],
        increasing=bool(regressor.get("increasing_", True)),
    )


def _numbers(regressor: Mapping[str, Any], key: str, name: str, k: int) -> tuple[float, ...]:
    values = regressor.get(key)
    if not isinstance(values, list) or not all(map(is_number, values)):
        raise _damaged(name, f"{key} of its regressor {k} is not a list of numbers")
    return tuple(map(float, values))


def _optional_text(head: Mapping[str, Any], key: str, name: str) -> str | None:
    value = head.get(key)
    if value is not None and not isinstance(value, str):
        raise _damaged(name, f"its {key} is {describe(value)}, not a text")
    return value


def _object(path: Path, name: str) -> dict[str, Any]:
    try:
        return read_json_object(path, MAX_CALIBRATOR_BYTES)
    except BadJsonError as error:
        raise CalibratorError(f"Calibrator file {name} {error}.", _NEXT_STEP) from error


def _damaged(name: str, reason: str) -> CalibratorError:
    return CalibratorError(f"Calibrator file {name} is damaged: {reason}.", _NEXT_STEP)
