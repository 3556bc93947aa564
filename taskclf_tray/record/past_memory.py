"""What the record says of the label before its tail, for a smoother that looks at a whole run."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import timedelta

from taskclf_tray.core.smoothing import Transitions
from taskclf_tray.core.time import to_us
from taskclf_tray.infer.forward_state import ForwardState, past_after
from taskclf_tray.infer.prediction import WindowPrediction
from taskclf_tray.store.database import Database


class PastMemory:
    """Goes with the record from step to step, so that no poll has to go back to where the run began.

    Only the first step of a process does, and one after somebody else has written to the record.
    """

    def __init__(
        self,
        database: Database,
        user_id: str,
        transitions_of: Callable[[str], Transitions | None],
        bucket_seconds: int,
    ) -> None:
        self._database = database
        self._user_id = user_id
        self._transitions_of = transitions_of
        self._step = timedelta(seconds=bucket_seconds)
        self._kept: tuple[ForwardState, int] | None = None
        """With the number of the newest change to the record then."""

    def before(self, predictions: Sequence[WindowPrediction]) -> ForwardState | None:
        """The past of these, which are in the record. Raises StoreError."""
        if not predictions or self._transitions_of(predictions[0].config_id) is None:
            return None
        start_us = to_us(predictions[0].bucket_start_ts)
        with self._database.reading():
            last = self._database.buckets.before(self._user_id, start_us, 1)
            if not last or last[0].end_us != start_us:
                return None
            change = self._database.buckets.last_change()
            if self._kept is not None and (to_us(self._kept[0].end), self._kept[1]) == (start_us, change):
                return self._kept[0]
            begin_us = self._database.buckets.run_start_us(self._user_id, start_us)
            run = self._database.buckets.between(self._user_id, begin_us, start_us)
        past = self._after([WindowPrediction.unpack(json.loads(record.prediction)) for record in run], None)
        self._kept = None if past is None else (past, change)
        return past

    def move(self, past: ForwardState | None, predictions: Sequence[WindowPrediction]) -> None:
        """Keep the past of what follows these, which are written down; `past` is theirs. Raises StoreError."""
        past = self._after(predictions, past) if predictions else past
        self._kept = None
        if past is not None:
            with self._database.reading():
                self._kept = past, self._database.buckets.last_change()

    def _after(self, predictions: Sequence[WindowPrediction], past: ForwardState | None) -> ForwardState | None:
        return past_after(predictions, step=self._step, transitions_of=self._transitions_of, past=past)
