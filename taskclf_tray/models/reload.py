"""Hot reload: watch a small file, build the whole new config, hand it over in one step, or keep the old one.

A file that cannot be used leaves the old config
in force, is reported once (`last_problem`, `problem_serial`), and is looked at again only when it changes.
"""

from __future__ import annotations

import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Final

from taskclf_tray.core.errors import ModelError, TaskclfError
from taskclf_tray.core.file_watch import FileStamp, file_stamp, written_within
from taskclf_tray.core.model_text import look_at
from taskclf_tray.models.bundle import MODEL_FILE, load_model_bundle
from taskclf_tray.models.bundle_cache import Bundle, BundleCache
from taskclf_tray.models.policy import policy_path
from taskclf_tray.models.registry import ACTIVE_FILE, active_bundle_dir
from taskclf_tray.models.resolve import (
    Explicit,
    ResolvedInferenceConfig,
    load_explicit,
    resolve_inference_config,
    resolve_policy,
    resolve_without_policy,
)

_log = logging.getLogger(__name__)

_SETTLE_SECONDS: Final = 0.3
"""A file changed this recently that cannot be used may be half-written: it is judged at the next look."""

_TICK_SECONDS: Final = 0.05
"""Two changes closer than this may bear one time stamp."""

Signature = tuple[FileStamp | None, ...]


class _Reloader(ABC):
    """Watches files and rebuilds the config; subclasses choose the files and the resolution."""

    def __init__(
        self,
        models_dir: Path,
        check_interval_s: float = 60.0,
        *,
        current: ResolvedInferenceConfig | None = None,
        reject_threshold_override: float | None = None,
        calibrator_store_override: Path | str | None = None,
        calibrator_path_override: Path | str | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Watch from now on. Create the reloader before the first resolve, or pass its result as `current`.

        Args:
            models_dir: the folder of the bundles.
            check_interval_s: seconds between two checks of the file.
            current: the config in force.
            reject_threshold_override: as in `resolve_inference_config`.
            calibrator_store_override: as in `resolve_inference_config`.
            calibrator_path_override: as in `resolve_inference_config`.
            clock: monotonic seconds.
        """
        self.last_problem: str | None = None
        """Why the current file is not in force, in one or two sentences; None when it is."""
        self.problem_serial = 0
        """The number of problems, so that the same sentence about another save is shown again."""
        self._models_dir = Path(models_dir)
        self._interval_seconds = check_interval_s
        self._overrides = (reject_threshold_override, calibrator_store_override, calibrator_path_override)
        self._clock = clock
        self._next_check = -float("inf")
        self._cache = BundleCache()
        self._digest = current.config_digest if current is not None else None
        self.head_problem = current.head_problem if current is not None else None
        """Why the policy's head is not in force, although the policy is; None when it is, or the policy has none."""
        self._head_path = self._head_of(current)
        self._seen: Signature | None = self._signature()

    def load(self) -> ResolvedInferenceConfig:
        """Resolve at the start; later changes are compared with this result. Raises ModelResolutionError."""
        seen = self._signature()
        threshold, store, calibrator = self._overrides
        config = resolve_inference_config(
            self._models_dir,
            reject_threshold_override=threshold,
            calibrator_store_override=store,
            calibrator_path_override=calibrator,
            cache=self._cache,
        )
        self._digest, self.head_problem = config.config_digest, config.head_problem
        self._head_path, is_steady = self._head_of(config), seen == self._signature()
        self._seen = self._signature() if is_steady else None
        return config

    def check_reload(self) -> ResolvedInferenceConfig | None:
        """Return the new config when the watched file changed and asks for another one; else None. Never raises.

        Checks the file at most every `check_interval_s` seconds, with one or two `stat` calls. Building a config takes
        about 1 ms, and 0.1 s more when the model has to be read; unchanged models and calibrators come from a cache.
        """
        now = self._clock()
        if now < self._next_check:
            return None
        self._next_check = now + self._interval_seconds
        signature = self._signature()
        return None if signature == self._seen else self._reload(signature)

    def reload_now(self) -> ResolvedInferenceConfig | None:
        """Reload as if every file had changed, regardless of the interval."""
        self._cache.forget()
        return self._reload(self._signature())

    def _reload(self, signature: Signature) -> ResolvedInferenceConfig | None:
        try:
            config = self._resolve(load_explicit(*self._overrides, self._cache))
        except (TaskclfError, OSError) as error:
            if not written_within(_SETTLE_SECONDS, signature):
                self._seen = signature
                self._fail(error)
            return None
        if signature != self._signature():
            return None  # changed while it was read: look again
        self._head_path = self._head_of(config)
        signature = self._signature()
        # within one tick of its clock the file may change again and look the same: then it is read once more
        self._seen = None if written_within(_TICK_SECONDS, signature) else signature
        self.last_problem, self.head_problem = None, config.head_problem
        if config.config_digest == self._digest:
            return None
        self._digest = config.config_digest
        _log.info("serving %s, threshold %g (%s)", config.model_version, config.reject_threshold, config.origin)
        return config

    def _fail(self, error: TaskclfError | OSError) -> None:
        self.last_problem = str(error)
        self.problem_serial += 1
        _log.warning("the former model and policy stay in force: %s", self.last_problem)

    @abstractmethod
    def _resolve(self, explicit: Explicit) -> ResolvedInferenceConfig:
        """Build the whole config. Raises TaskclfError, OSError."""

    @abstractmethod
    def _watched(self) -> tuple[Path, ...]:
        """Return the files whose changes count."""

    def _signature(self) -> Signature:
        watched = self._watched() if self._head_path is None else (*self._watched(), self._head_path)
        return tuple(map(file_stamp, watched))

    def _head_of(self, config: ResolvedInferenceConfig | None) -> Path | None:
        """The file of the head that the config's policy names, whether or not it can be used."""
        entry = None if config is None or config.policy is None else config.policy.personal_head
        return None if entry is None else self._models_dir.parent / entry.file


class InferencePolicyReloader(_Reloader):
    """Watches the inference policy, or active.json while there is no policy.

    An invalid policy never falls back to the active or the best model: the previous config stays in force. A policy
    that was removed does fall back.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as home:
    ...     InferencePolicyReloader(Path(home, "models")).check_reload() is None  # nothing has changed
    True
    """

    def _watched(self) -> tuple[Path, ...]:
        policy = policy_path(self._models_dir)
        return (policy,) if _there(policy) else (policy, self._models_dir / ACTIVE_FILE)

    def _resolve(self, explicit: Explicit) -> ResolvedInferenceConfig:
        if _there(policy_path(self._models_dir)):
            return resolve_policy(self._models_dir, explicit, self._cache)
        return resolve_without_policy(self._models_dir, explicit, cache=self._cache)


class ActiveModelReloader:
    """Watches active.json alone and ignores any policy.

    `last_problem`: why the current pointer is not followed, None when it is.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as home:
    ...     ActiveModelReloader(Path(home, "models")).check_reload() is None  # nothing has changed
    True
    """

    def __init__(
        self, models_dir: Path, check_interval_s: float = 60.0, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Watch from now on; the currently active model is no change. `clock`: monotonic seconds."""
        self.last_problem: str | None = None
        self._models_dir = Path(models_dir)
        self._interval_seconds = check_interval_s
        self._clock = clock
        self._next_check = -float("inf")
        self._seen = file_stamp(self._path)
        self._active = self._digest()

    @property
    def _path(self) -> Path:
        return self._models_dir / ACTIVE_FILE

    def _digest(self) -> str | None:
        """Return the identity of the active bundle's model file, None without a usable one."""
        try:
            folder = active_bundle_dir(self._models_dir)
            return None if folder is None else f"{folder.name}@{look_at(folder / MODEL_FILE).sha256}"
        except (ModelError, OSError):
            return None

    def check_reload(self) -> Bundle | None:
        """Return (model, metadata, cat_encoders) when active.json names another usable model; else None. Never raises.

        Checks the file at most every `check_interval_s` seconds. A wrong pointer leaves the previous model, is logged
        once, and is checked again when it changes.
        """
        now = self._clock()
        if now < self._next_check:
            return None
        self._next_check = now + self._interval_seconds
        seen = file_stamp(self._path)
        if seen == self._seen:
            return None
        try:
            folder = active_bundle_dir(self._models_dir)
            bundle = None if folder is None else load_model_bundle(folder)
        except (ModelError, OSError) as error:
            if not written_within(_SETTLE_SECONDS, (seen,)):
                self._seen, self.last_problem = seen, str(error)
                _log.warning("the former model stays in force: %s", error)
            return None
        # within one tick of its clock the file may change again and look the same: then it is read once more
        self._seen = None if written_within(_TICK_SECONDS, (seen,)) else seen
        self.last_problem = None
        active = self._digest()
        if bundle is None or active == self._active:
            return None
        self._active = active
        return bundle


def _there(path: Path) -> bool:
    return path.exists() or path.is_symlink()
