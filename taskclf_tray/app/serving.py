"""What is served: model, policy, calibrators and taxonomy, and how edits of their files take effect."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from pathlib import Path

from taskclf_tray.app import served_text
from taskclf_tray.app.text import Message
from taskclf_tray.core.defaults import DEFAULT_SMOOTH_WINDOW
from taskclf_tray.core.errors import TaxonomyError
from taskclf_tray.core.file_watch import SETTLE_SECONDS, FileStamp, file_stamp, folder_stamps, written_within
from taskclf_tray.core.smoothing import DEFAULT_SMOOTHER, SmootherChoice
from taskclf_tray.infer.pipeline import PipelineConfig
from taskclf_tray.infer.taxonomy_config import TaxonomyConfig
from taskclf_tray.infer.taxonomy_file import load_taxonomy
from taskclf_tray.labels.categories import KeptCategories
from taskclf_tray.models.reload import InferencePolicyReloader
from taskclf_tray.models.resolve import (
    MISSING_POLICY,
    ModelResolutionError,
    ResolvedInferenceConfig,
    resolve_inference_config,
)

log = logging.getLogger(__name__)
_RETRY_SECONDS = 10.0
_UNSEEN = object()


@dataclass(frozen=True, slots=True)
class Overrides:
    """What the command line sets in place of the policy."""

    model_dir: Path | None = None
    reject_threshold: float | None = None
    calibrator_store: Path | None = None
    calibrator_path: Path | None = None
    ask_below: float | None = None
    """A minute less sure than this is a reason to ask, in place of the ask threshold."""
    has_queue_list: bool = False
    """Keep the taskclf tool's list of questions in step with the queue."""


class Serving:
    """Builds a whole configuration before it is used. A bad file changes nothing and is told once."""

    def __init__(
        self,
        models_dir: Path,
        taxonomy_path: Path,
        *,
        overrides: Overrides | None = None,
        smooth_window: int = DEFAULT_SMOOTH_WINDOW,
        smoother: SmootherChoice = DEFAULT_SMOOTHER,
        bucket_seconds: int = 60,
        kept: KeptCategories | None = None,
    ) -> None:
        """`kept`: where the last valid categories are stored, for a start while their file is wrong."""
        self._models_dir = models_dir
        self._taxonomy_path = taxonomy_path
        self._overrides = overrides or Overrides()
        self._smooth_window = smooth_window
        self.bucket_seconds = bucket_seconds
        self._smoother: SmootherChoice = smoother
        self._bucket_seconds = bucket_seconds
        self._reloader: InferencePolicyReloader | None = None
        self._kept = kept
        self._taxonomy: TaxonomyConfig | None = None
        self._taxonomy_seen: object = _UNSEEN
        self._retry_at = 0.0
        self._tried: dict[str, FileStamp] | None = None
        self.resolved: ResolvedInferenceConfig | None = None
        self.config: PipelineConfig | None = None
        self.problem: str | None = None

    @property
    def follows_policy(self) -> bool:
        """Whether the policy decides; False when the command line has named a model."""
        return self._overrides.model_dir is None

    @property
    def taxonomy(self) -> TaxonomyConfig | None:
        """The categories in force, whether or not a model can be served."""
        return self._taxonomy

    @property
    def is_starter(self) -> bool:
        """Whether the model in use was trained on simulated people only."""
        return self.resolved is not None and self.resolved.metadata.data_provenance == "synthetic"

    def load(self) -> list[Message]:
        """Resolve the model at the start, or again while none could be served; returns messages for the person.

        Raises ModelResolutionError when the model named on the command line cannot be served.
        """
        self._retry_at = time.monotonic() + _RETRY_SECONDS
        self._tried = folder_stamps(self._models_dir)
        messages = self._load_taxonomy()
        reloader = InferencePolicyReloader(self._models_dir, 0.0, **self._without_model())  # type: ignore[arg-type]
        try:
            resolved = reloader.load() if self.follows_policy else self._named()
        except ModelResolutionError as error:
            if not self.follows_policy:
                raise
            if self.problem != str(error):
                log.warning("%s", error)
            self.problem = str(error)
            return messages
        self.problem = None
        self._reloader = reloader if self.follows_policy else None
        self._use(resolved)
        broken = [warning for warning in resolved.warnings if warning not in (MISSING_POLICY, resolved.head_problem)]
        messages += [served_text.policy_ignored(warning) for warning in broken]
        return messages + _about_head(None, resolved.head_problem)

    def check(self) -> list[Message]:
        """Look at the files once; returns messages about what has changed. A few `stat` calls when nothing has."""
        if self.resolved is None:
            return self._try_again()
        taxonomy = self._taxonomy
        messages = self._load_taxonomy()
        if self._reloader is not None:
            messages += self._check_policy(self._reloader, self.resolved)
        if messages or self._taxonomy is not taxonomy:
            self._use(self.resolved)
        return messages

    def _try_again(self) -> list[Message]:
        """Resolve again once something in the folder of models has changed."""
        if time.monotonic() < self._retry_at:
            return []
        self._retry_at = time.monotonic() + _RETRY_SECONDS
        return self._load_taxonomy() if self._tried == folder_stamps(self._models_dir) else self.load()

    def reload(self) -> list[Message]:
        """Read everything again, changed or not; returns the outcome for the person."""
        self._taxonomy_seen = _UNSEEN
        if self.resolved is None:
            return [*self.load(), served_text.no_model(self.problem) if self.problem else served_text.reloaded()]
        before = self.resolved
        messages = self._load_taxonomy()
        if self._reloader is not None:
            fresh = self._reloader.reload_now()
            messages += self._changed(before, fresh) if fresh is not None else []
            if self._reloader.last_problem is not None:
                messages.append(served_text.policy_refused(self._reloader.last_problem))
            messages += _about_head(None, self._reloader.head_problem)
        self._use(self.resolved)
        return messages or [served_text.reloaded()]

    def adopt(self) -> None:
        """Serve a policy that this program has just written, without a message."""
        self._retry_at, self._tried = 0.0, None
        self.check()

    def _named(self) -> ResolvedInferenceConfig:
        return resolve_inference_config(
            self._models_dir,
            model_dir_override=self._overrides.model_dir,
            **self._without_model(),  # type: ignore[arg-type]
        )

    def _check_policy(self, reloader: InferencePolicyReloader, before: ResolvedInferenceConfig) -> list[Message]:
        had_problem, serial = reloader.last_problem is not None, reloader.problem_serial
        head_problem = reloader.head_problem
        fresh = reloader.check_reload()
        told = _about_head(head_problem, reloader.head_problem)
        if fresh is not None:
            return self._changed(before, fresh) + told
        if reloader.problem_serial != serial and reloader.last_problem is not None:
            return [served_text.policy_refused(reloader.last_problem)]
        if had_problem and reloader.last_problem is None:
            return [served_text.policy_applied([]), *told]
        return told

    def _changed(self, before: ResolvedInferenceConfig, after: ResolvedInferenceConfig) -> list[Message]:
        self.resolved = after
        changes = _differences(before, after)
        if after.policy is not None:
            return [served_text.policy_applied(changes)]
        return [served_text.policy_gone(changes) if before.policy is not None else served_text.model_changed(changes)]

    def _without_model(self) -> dict[str, object]:
        return {
            "reject_threshold_override": self._overrides.reject_threshold,
            "calibrator_store_override": self._overrides.calibrator_store,
            "calibrator_path_override": self._overrides.calibrator_path,
        }

    def _load_taxonomy(self) -> list[Message]:
        """Read the taxonomy when its file has changed. While it is wrong, the last valid one stays.

        The first look reports only what is wrong.
        """
        seen = file_stamp(self._taxonomy_path)
        if seen == self._taxonomy_seen:
            return []
        is_first, had_one = self._taxonomy_seen is _UNSEEN, self._taxonomy is not None
        try:
            taxonomy = None if seen is None else load_taxonomy(self._taxonomy_path)
        except TaxonomyError as error:
            if not is_first and written_within(SETTLE_SECONDS, [seen]):
                return []  # an editor may still be writing: judged at the next look
            self._taxonomy_seen = seen
            if self._taxonomy is None and self._kept is not None:
                self._taxonomy = self._kept.load()
            return [served_text.taxonomy_refused(str(error), has_kept=self._taxonomy is not None)]
        self._taxonomy_seen, self._taxonomy = seen, taxonomy
        if self._kept is not None:
            self._kept.save(taxonomy)
        if is_first:
            return []
        if taxonomy is None:
            return [served_text.taxonomy_gone()] if had_one else []
        return [served_text.taxonomy_applied()]

    def _use(self, resolved: ResolvedInferenceConfig) -> None:
        self.resolved = resolved
        self.config = PipelineConfig.from_resolved(
            resolved,
            taxonomy=self._taxonomy,
            smooth_window=self._smooth_window,
            smoother=self._smoother,
            bucket_seconds=self._bucket_seconds,
        )


def _about_head(before: str | None, after: str | None) -> list[Message]:
    """Say that the policy's head cannot be used, once for each reason."""
    return [] if after in (None, before) else [served_text.head_ignored(after)]


def _head_digest(resolved: ResolvedInferenceConfig) -> str | None:
    return None if resolved.head is None else resolved.head.digest


def _differences(before: ResolvedInferenceConfig, after: ResolvedInferenceConfig) -> list[str]:
    """Describe what is served differently."""
    changes = []
    if before.model_version != after.model_version:
        changes.append(f"model {after.bundle_id}")
    if before.reject_threshold != after.reject_threshold:
        changes.append(served_text.threshold_changed(before.reject_threshold, after.reject_threshold))
    if (before.per_user_reject_thresholds or {}) != (after.per_user_reject_thresholds or {}):
        changes.append("thresholds per user")
    if before.calibrator_store_dir != after.calibrator_store_dir:
        store = after.calibrator_store_dir
        changes.append(f"calibrators {store.name}" if store else "no calibrators")
    if _head_digest(before) != _head_digest(after):
        changes.append(served_text.head_changed(has_head=after.head is not None))
    if before.transitions != after.transitions and not changes:
        changes.append("how labels follow each other")
    return changes or ["the content of the calibrators or of the vocabularies"]
