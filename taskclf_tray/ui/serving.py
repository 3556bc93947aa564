"""What is served now: model, policy, calibrators and taxonomy, and how edits of their files take effect."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from pathlib import Path

from taskclf_tray.core.defaults import DEFAULT_SMOOTH_WINDOW
from taskclf_tray.core.errors import TaxonomyError
from taskclf_tray.infer.pipeline import PipelineConfig
from taskclf_tray.infer.resolve import (
    MISSING_POLICY,
    InferencePolicyReloader,
    ModelResolutionError,
    ResolvedInferenceConfig,
    resolve_inference_config,
)
from taskclf_tray.infer.taxonomy import TaxonomyConfig
from taskclf_tray.infer.taxonomy_file import load_taxonomy
from taskclf_tray.ui import text

log = logging.getLogger(__name__)
Message = tuple[str, str]
_RETRY_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Overrides:
    """What the command line says instead of the policy."""

    model_dir: Path | None = None
    reject_threshold: float | None = None
    calibrator_store: Path | None = None
    calibrator_path: Path | None = None


class Serving:
    """Builds a whole configuration before it is used; a bad file changes nothing and is told once."""

    def __init__(
        self,
        models_dir: Path,
        taxonomy_path: Path,
        *,
        overrides: Overrides | None = None,
        smooth_window: int = DEFAULT_SMOOTH_WINDOW,
        bucket_seconds: int = 60,
    ) -> None:
        self._models_dir = models_dir
        self._taxonomy_path = taxonomy_path
        self._overrides = overrides or Overrides()
        self._smooth_window = smooth_window
        self._bucket_seconds = bucket_seconds
        self._reloader: InferencePolicyReloader | None = None
        self._taxonomy: TaxonomyConfig | None = None
        self._taxonomy_seen: object = ()
        self._retry_at = 0.0
        self.resolved: ResolvedInferenceConfig | None = None
        self.config: PipelineConfig | None = None
        self.problem: str | None = None

    def load(self) -> list[Message]:
        """Resolve for the first time, or again while nothing could be; returns what the person should know."""
        self._retry_at = time.monotonic() + _RETRY_SECONDS
        messages = self._load_taxonomy(is_first=True)
        reloader = InferencePolicyReloader(self._models_dir, 0.0, **self._without_model())  # type: ignore[arg-type]
        try:
            if self._overrides.model_dir is None:
                resolved = reloader.load()
            else:
                resolved = resolve_inference_config(
                    self._models_dir,
                    model_dir_override=self._overrides.model_dir,
                    **self._without_model(),  # type: ignore[arg-type]
                )
        except ModelResolutionError as error:
            if self.problem is None:
                log.warning("%s", error)
            self.problem = str(error)
            return messages
        self.problem = None
        self._reloader = reloader if self._overrides.model_dir is None else None
        self._use(resolved)
        broken = [warning for warning in resolved.warnings if warning != MISSING_POLICY]
        return messages + [text.policy_ignored(warning) for warning in broken]

    def check(self) -> list[Message]:
        """Look at the files once; returns what changed, for the person. Cheap when nothing did."""
        if self.resolved is None:
            return self.load() if time.monotonic() >= self._retry_at else []
        messages = self._load_taxonomy(is_first=False)
        if self._reloader is not None:
            messages += self._check_policy(self._reloader, self.resolved)
        if messages:
            self._use(self.resolved)
        return messages

    def adopt(self) -> None:
        """Take in a policy this program has just written: not news to the person."""
        self._retry_at = 0.0
        self.check()

    def _check_policy(self, reloader: InferencePolicyReloader, before: ResolvedInferenceConfig) -> list[Message]:
        had_problem, serial = reloader.last_problem is not None, reloader.problem_serial
        fresh = reloader.check_reload()
        if fresh is not None:
            self.resolved = fresh
            return [text.policy_applied(_differences(before, fresh))]
        if reloader.problem_serial != serial and reloader.last_problem is not None:
            return [text.policy_refused(reloader.last_problem)]
        if had_problem and reloader.last_problem is None:
            return [text.policy_applied([])]
        return []

    def _without_model(self) -> dict[str, object]:
        return {
            "reject_threshold_override": self._overrides.reject_threshold,
            "calibrator_store_override": self._overrides.calibrator_store,
            "calibrator_path_override": self._overrides.calibrator_path,
        }

    def _load_taxonomy(self, *, is_first: bool) -> list[Message]:
        seen = _signature(self._taxonomy_path)
        if not is_first and seen == self._taxonomy_seen:
            return []
        self._taxonomy_seen = seen
        if seen is None:
            had_one, self._taxonomy = self._taxonomy is not None, None
            return [text.taxonomy_applied()] if had_one else []
        try:
            self._taxonomy = load_taxonomy(self._taxonomy_path)
        except TaxonomyError as error:
            self._taxonomy = None
            return [text.taxonomy_refused(str(error))]
        return [] if is_first else [text.taxonomy_applied()]

    def _use(self, resolved: ResolvedInferenceConfig) -> None:
        self.resolved = resolved
        self.config = PipelineConfig.from_resolved(
            resolved,
            taxonomy=self._taxonomy,
            smooth_window=self._smooth_window,
            bucket_seconds=self._bucket_seconds,
        )


def _signature(path: Path) -> tuple[int, int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


def _differences(before: ResolvedInferenceConfig, after: ResolvedInferenceConfig) -> list[str]:
    """What is served differently, in words."""
    changes = []
    if before.model_version != after.model_version:
        changes.append(f"model {after.bundle_id}")
    if before.reject_threshold != after.reject_threshold:
        changes.append(text.threshold_changed(before.reject_threshold, after.reject_threshold))
    if (before.per_user_reject_thresholds or {}) != (after.per_user_reject_thresholds or {}):
        changes.append("thresholds per user")
    if before.calibrator_store_dir != after.calibrator_store_dir:
        store = after.calibrator_store_dir
        changes.append(f"calibrators {store.name}" if store else "no calibrators")
    return changes
