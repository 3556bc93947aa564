"""Which model, calibrators and thresholds are served (contract, section 10): one answer for start, reload and batch.

Order: an explicit model, the policy, the active pointer, the best model. Each step that cannot be taken leaves a
warning that says what is wrong and where; a step never mixes with the next one.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from taskclf_tray.core.defaults import DEFAULT_REJECT_THRESHOLD, POLICY_FILE
from taskclf_tray.core.errors import CalibratorError, HeadError, ModelError, PolicyValidationError, TaskclfError
from taskclf_tray.core.regular_files import read_regular
from taskclf_tray.core.smoothing import Transitions
from taskclf_tray.core.strict_json import is_number
from taskclf_tray.infer.calibrator_files import MAX_CALIBRATOR_BYTES, load_calibrator
from taskclf_tray.infer.calibrators import Calibrator, CalibratorStore, IdentityCalibrator
from taskclf_tray.infer.forest import Forest
from taskclf_tray.infer.head import PersonalHead
from taskclf_tray.models.bundle import CatEncoders, ModelMetadata, starter_bundle
from taskclf_tray.models.bundle_cache import NO_CACHE, BundleCache
from taskclf_tray.models.head_files import StoredHead
from taskclf_tray.models.policy import (
    InferencePolicy,
    policy_path,
    policy_problems,
    read_inference_policy,
    validate_policy,
)
from taskclf_tray.models.registry import ACTIVE_FILE, active_bundle_dir, list_bundles
from taskclf_tray.models.selection import ExclusionRecord, SelectionPolicy, SelectionReport, bound_calibrator_stores

_log = logging.getLogger(__name__)

Origin = Literal["explicit", "policy", "active", "best", "starter"]

MISSING_POLICY: Final = f"There is no models/{POLICY_FILE}: the active or the best model is served with its defaults."
"""The one harmless warning: a home without a policy works."""


_NO_MODEL_STEP: Final = (
    "The first start of the app in a home brings a starter model; or train one, or copy one into the models folder."
)

_OTHER_MODEL_STEP: Final = "Train a model or copy one into the models folder of the home."


class ModelResolutionError(TaskclfError):
    """No model can be served; `report.excluded` lists each excluded bundle with its reason, and `str()` spells it out.

    >>> print(ModelResolutionError("There is no model.", next_step="Train one."))
    There is no model. Train one.
    """

    def __init__(self, message: str, report: SelectionReport | None = None, *, next_step: str | None = None) -> None:
        has_excluded = report is not None and bool(report.excluded)
        super().__init__(message, next_step or (_OTHER_MODEL_STEP if has_excluded else _NO_MODEL_STEP))
        self.message = message
        self.report = report

    def __str__(self) -> str:
        excluded = [] if self.report is None else self.report.excluded
        lines = [f"{self.title} {self.next_step}", *(f"- {item.model_id}: {item.reason}" for item in excluded)]
        return "\n".join(lines)


@dataclass(frozen=True, slots=True, eq=False)
class ResolvedInferenceConfig:
    """Everything that stages 2–6 need, built as a whole; immutable.

    `model_version` is `<bundle id>@<first 12 digits of the model's SHA-256>`. Two configs predict alike exactly when
    their `config_digest` is equal. `warnings` lists the problems of the sources that were tried first. `calibrator` is
    the identity unless one was named explicitly, and a store takes precedence over it. `transitions` are those of the
    policy; the person chooses whether they are used. `stored_head` is the policy's; where its file cannot be used, the
    model answers alone, and `head_problem` says why, as `warnings` does.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as home:
    ...     config = resolve_inference_config(Path(home, "models"), with_starter=True)
    >>> config.origin
    'starter'
    """

    model: Forest
    metadata: ModelMetadata
    cat_encoders: CatEncoders
    reject_threshold: float
    calibrator: Calibrator
    calibrator_store: CalibratorStore | None
    policy: InferencePolicy | None
    per_user_reject_thresholds: Mapping[str, float] | None = None
    bundle_dir: Path = field(default=Path(), kw_only=True)
    bundle_id: str = field(default="", kw_only=True)
    model_version: str = field(default="", kw_only=True)
    calibrator_store_dir: Path | None = field(default=None, kw_only=True)
    origin: Origin = field(default="explicit", kw_only=True)
    warnings: tuple[str, ...] = field(default=(), kw_only=True)
    config_digest: str = field(default="", kw_only=True)
    transitions: Transitions | None = field(default=None, kw_only=True)
    stored_head: StoredHead | None = field(default=None, kw_only=True)
    head_problem: str | None = field(default=None, kw_only=True)

    @property
    def head(self) -> PersonalHead | None:
        """The personal head that is served, if any."""
        return None if self.stored_head is None else self.stored_head.head


@dataclass(frozen=True, slots=True)
class Explicit:
    """The caller's explicit settings, loaded: each overrides one field of whatever is resolved."""

    reject_threshold: float | None = None
    store: CalibratorStore | None = None
    store_dir: Path | None = None
    calibrator: Calibrator | None = None
    calibrator_sha256: str | None = None


def resolve_inference_config(
    models_dir: Path,
    *,
    model_dir_override: Path | str | None = None,
    reject_threshold_override: float | None = None,
    calibrator_store_override: Path | str | None = None,
    calibrator_path_override: Path | str | None = None,
    cache: BundleCache = NO_CACHE,
    with_starter: bool = False,
) -> ResolvedInferenceConfig:
    """Resolve what to serve: the explicit model, the policy, the active bundle, or the best one (contract, section 10).

    Args:
        models_dir: the folder of the bundles; its parent is the home.
        model_dir_override: the bundle to serve: a path, a path relative to the home, or a name.
        reject_threshold_override: from 0 to 1, in place of the policy's.
        calibrator_store_override: folder of the store to use.
        calibrator_path_override: one calibrator file for all users.
        cache: a cache of bundles and stores.
        with_starter: serve the starter model of the package when `models_dir` holds no bundle at all.

    Raises:
        ModelResolutionError: no model, or not the explicit one, can be served; or the threshold is out of [0, 1].
        CalibratorError: the explicit store or calibrator cannot be read.
    """
    models_dir = Path(models_dir)
    explicit = load_explicit(reject_threshold_override, calibrator_store_override, calibrator_path_override, cache)
    if model_dir_override is not None:
        bundle_dir = resolve_model_dir(model_dir_override, models_dir)
        try:
            return build_config(models_dir, bundle_dir, "explicit", None, explicit, cache=cache)
        except ModelError as error:
            report = SelectionReport(excluded=[ExclusionRecord(bundle_dir.name, error.title, bundle_dir)])
            raise ModelResolutionError(f"The chosen model cannot be served: {error.title}", report) from error
    try:
        return resolve_policy(models_dir, explicit, cache)
    except PolicyValidationError as error:
        warning = _policy_warning(models_dir, error)
    return resolve_without_policy(models_dir, explicit, [warning], cache, with_starter=with_starter)


def load_explicit(
    reject_threshold: float | None,
    store_path: Path | str | None,
    calibrator_path: Path | str | None,
    cache: BundleCache = NO_CACHE,
) -> Explicit:
    """Load the explicit settings. Raises ModelResolutionError for the threshold, CalibratorError."""
    if reject_threshold is not None and not (is_number(reject_threshold) and 0 <= reject_threshold <= 1):
        raise ModelResolutionError(f"The reject threshold {reject_threshold!r} is not a number from 0 to 1.")
    store = cache.store(Path(store_path)) if store_path is not None else None
    calibrator = load_calibrator(Path(calibrator_path)) if calibrator_path is not None else None
    digest = None if calibrator_path is None else _file_digest(Path(calibrator_path))
    return Explicit(reject_threshold, store, Path(store_path) if store_path is not None else None, calibrator, digest)


def _file_digest(path: Path) -> str:
    return hashlib.sha256(read_regular(path, MAX_CALIBRATOR_BYTES)).hexdigest()


def resolve_policy(models_dir: Path, explicit: Explicit, cache: BundleCache = NO_CACHE) -> ResolvedInferenceConfig:
    """Resolve by the policy alone. Raises PolicyValidationError when it is missing or invalid, or cannot be served."""
    policy = read_inference_policy(models_dir)
    validate_policy(policy, models_dir)
    try:
        bundle_dir = models_dir.parent / policy.model_dir
        return build_config(models_dir, bundle_dir, "policy", policy, explicit, cache=cache)
    except ModelError as error:
        raise PolicyValidationError(
            f"model_dir names a model that cannot be served: {error.title}", "Name another model.", key="model_dir"
        ) from error
    except CalibratorError as error:
        raise PolicyValidationError(
            f"calibrator_store_dir cannot be used: {error.title}",
            "Name another store, or write null.",
            key="calibrator_store_dir",
        ) from error


def find_policy_problems(models_dir: Path) -> list[PolicyValidationError]:
    """List every reason why the policy is not in force, a missing file included; empty when it is."""
    problems = policy_problems(models_dir)
    if not problems:
        try:
            resolve_policy(models_dir, Explicit())
        except PolicyValidationError as error:
            problems.append(error)
    return problems


def _policy_warning(models_dir: Path, error: PolicyValidationError) -> str:
    path = policy_path(models_dir)
    if not path.exists() and not path.is_symlink():
        _log.info(MISSING_POLICY)
        return MISSING_POLICY
    warning = f"{path} is not in force. {error.title}"
    _log.warning("%s", warning)
    return warning


def resolve_without_policy(
    models_dir: Path,
    explicit: Explicit,
    warnings: Sequence[str] = (),
    cache: BundleCache = NO_CACHE,
    *,
    with_starter: bool = False,
) -> ResolvedInferenceConfig:
    """Resolve by the active pointer, else by the ranking, else the starter model on request.

    Args:
        models_dir: the folder of the bundles.
        explicit: the caller's explicit settings.
        warnings: problems of the sources that were tried first.
        cache: a cache of bundles and stores.
        with_starter: serve the starter model when there is no bundle at all.

    Raises:
        ModelResolutionError: no model can be served.
    """
    warned = list(warnings)
    out: dict[str, ExclusionRecord] = {}
    active = _active_dir(models_dir, warned)
    if active is not None:
        try:
            return build_config(models_dir, active, "active", None, explicit, warned, cache)
        except ModelError as error:
            out[active.name] = ExclusionRecord(active.name, error.title, active)
            _warn(warned, f"{models_dir / ACTIVE_FILE} names a model that cannot be served. {error.title}")
    bundles = list_bundles(models_dir)
    if with_starter and not bundles and not out:
        return build_config(models_dir, starter_bundle(), "starter", None, explicit, warned, cache)
    for info in bundles:
        if info.problem is None and info.name not in out:
            try:
                return build_config(models_dir, info.path, "best", None, explicit, warned, cache)
            except ModelError as error:
                out[info.name] = ExclusionRecord(info.name, error.title, info.path)
                _warn(warned, f"{info.path} was passed over. {error.title}")
        elif info.problem is not None:
            out.setdefault(info.name, ExclusionRecord(info.name, info.problem, info.path))
    report = SelectionReport(excluded=[out[name] for name in sorted(out)])
    raise ModelResolutionError(f"No model can be served from {models_dir}.", report)


def _active_dir(models_dir: Path, warned: list[str]) -> Path | None:
    """Return the folder that active.json names, inside the home; None without a usable pointer."""
    try:
        return active_bundle_dir(models_dir)
    except ModelError as error:
        _warn(warned, f"{models_dir / ACTIVE_FILE} is not in force. {error.title}")
        return None


def _warn(warned: list[str], warning: str) -> None:
    _log.warning("%s", warning)
    warned.append(warning)


def build_config(
    models_dir: Path,
    bundle_dir: Path,
    origin: Origin,
    policy: InferencePolicy | None,
    explicit: Explicit,
    warnings: Sequence[str] = (),
    cache: BundleCache = NO_CACHE,
) -> ResolvedInferenceConfig:
    """Load one bundle with its calibrators and thresholds.

    Args:
        models_dir: the folder of the bundles.
        bundle_dir: the bundle.
        origin: how the bundle was chosen.
        policy: the policy in force, if any.
        explicit: the caller's explicit settings.
        warnings: problems of the sources that were tried first.
        cache: a cache of bundles and stores.

    Raises:
        ModelError: the bundle cannot be served.
        CalibratorError: an explicit calibrator or store cannot be read.
    """
    model, metadata, encoders = cache.bundle(bundle_dir)
    warned = list(warnings)
    store, store_dir = _store_for(models_dir.parent, bundle_dir.name, metadata, policy, explicit, warned, cache)
    threshold = _threshold(metadata, policy, explicit)
    per_user = dict(policy.per_user_reject_thresholds or {}) if policy is not None else {}
    transitions = None if policy is None else policy.transitions
    head, head_problem = _head_for(models_dir.parent, policy, cache)
    if head_problem is not None:
        _warn(warned, head_problem)
    return ResolvedInferenceConfig(
        model=model,
        metadata=metadata,
        cat_encoders=encoders,
        bundle_dir=bundle_dir,
        bundle_id=bundle_dir.name,
        model_version=f"{bundle_dir.name}@{model.sha256[:12]}",
        calibrator=explicit.calibrator or IdentityCalibrator(),
        calibrator_store=store,
        calibrator_store_dir=store_dir,
        reject_threshold=threshold,
        per_user_reject_thresholds=per_user or None,
        origin=origin,
        policy=policy,
        warnings=tuple(warned),
        config_digest=_digest(
            model.sha256,
            [metadata.schema_version, metadata.schema_hash, metadata.time_basis, sorted(metadata.label_set)],
            encoders,
            [store.digest if store is not None else None, explicit.calibrator_sha256],
            [threshold, per_user],
            *([] if transitions is None else [transitions.to_lists()]),
            *([] if head is None else ["personal head", head.head.digest]),
        ),
        transitions=transitions,
        stored_head=head,
        head_problem=head_problem,
    )


def _head_for(home: Path, policy: InferencePolicy | None, cache: BundleCache) -> tuple[StoredHead | None, str | None]:
    """(the policy's head, why it cannot be used)."""
    if policy is None or policy.personal_head is None:
        return None, None
    try:
        return cache.head(home, policy.personal_head), None
    except HeadError as error:
        return None, f"The model predicts without it. {error}"


def _threshold(metadata: ModelMetadata, policy: InferencePolicy | None, explicit: Explicit) -> float:
    if explicit.reject_threshold is not None:
        return float(explicit.reject_threshold)
    if policy is not None:
        return float(policy.reject_threshold)
    return advisory_threshold(metadata)


def advisory_threshold(metadata: ModelMetadata) -> float:
    """Return the threshold of a bundle without a policy."""
    return DEFAULT_REJECT_THRESHOLD if metadata.reject_threshold is None else float(metadata.reject_threshold)


def _store_for(
    home: Path,
    bundle_id: str,
    metadata: ModelMetadata,
    policy: InferencePolicy | None,
    explicit: Explicit,
    warned: list[str],
    cache: BundleCache,
) -> tuple[CalibratorStore | None, Path | None]:
    if explicit.store is not None:
        if explicit.store.model_bundle_id not in (None, bundle_id):
            _warn(warned, f"The calibrator store {explicit.store_dir} was made for another model than {bundle_id}.")
        return explicit.store, explicit.store_dir
    if explicit.calibrator is not None:
        return None, None
    if policy is not None:
        if policy.calibrator_store_dir is None:
            return None, None
        store_dir = home / policy.calibrator_store_dir
        return cache.store(store_dir), store_dir
    for store_dir in bound_calibrator_stores(home, bundle_id, metadata.schema_hash):
        try:
            return cache.store(store_dir), store_dir
        except CalibratorError as error:
            _warn(warned, f"The calibrator store {store_dir} was passed over. {error.title}")
    return None, None


def _digest(*cache: object) -> str:
    return hashlib.sha256(json.dumps(cache, sort_keys=True).encode()).hexdigest()


def found_model(model_dir: Path, models_dir: Path) -> Path:
    """Return the folder that a person means: as given, relative to the home, or by a bundle's name; as given when none
    exists.
    """
    for path in (model_dir, models_dir.parent / model_dir, models_dir / model_dir):
        if os.path.isdir(path):  # noqa: PTH112 - Path.is_dir raises for a name that is too long
            return path.resolve() if path.name in ("", "..") else path
    return model_dir


def resolve_model_dir(
    model_dir: Path | str | None, models_dir: Path, policy: SelectionPolicy | InferencePolicy | None = None
) -> Path:
    """Resolve the bundle directory alone.

    Args:
        model_dir: the explicit model: a path, a path relative to the home, or a name.
        models_dir: the folder of the bundles; its parent is the home.
        policy: the inference policy to follow, or the ranking of bundles.

    Returns:
        The folder of the explicit model, else the policy's, else the active one, else the best.

    Raises:
        ModelResolutionError: there is no such model, or none can be served.
    """
    models_dir = Path(models_dir)
    if model_dir is not None:
        found = found_model(Path(model_dir), models_dir)
        if not os.path.isdir(found):  # noqa: PTH112 - as above
            raise ModelResolutionError(
                f"There is no model at {model_dir}.", next_step="`taskclf-tray model list` shows the models."
            )
        return found
    if isinstance(policy, InferencePolicy):
        try:
            validate_policy(policy, models_dir)
            return models_dir.parent / policy.model_dir
        except PolicyValidationError as error:
            _policy_warning(models_dir, error)
    return resolve_without_policy(models_dir, Explicit()).bundle_dir
