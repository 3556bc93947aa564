"""The label of a range of time, by reading the record."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from taskclf_tray.core.time import as_utc, to_us
from taskclf_tray.core.types import LABEL_SET_V1
from taskclf_tray.infer.prediction import WindowPrediction
from taskclf_tray.labels.categories import Categories, categories_in_force
from taskclf_tray.models.identity import load_or_create_identity
from taskclf_tray.store.database import Database
from taskclf_tray.system.paths import HomePaths


@dataclass(frozen=True, slots=True)
class _Share:
    """How long one UI label held, in seconds, and its weighted probability."""

    seconds: float = 0.0
    weighted: float = 0.0


class _LabelSuggester:
    """Suggests the label of a block from the record that the live loop keeps, so that no two views can disagree.

    It only reads: nothing passes through the live pipeline.
    """

    def __init__(self, database_path: Path, user_id: str, taxonomy_path: Path | None = None) -> None:
        """`taxonomy_path`: the file of the categories; without one core labels are suggested."""
        self._path = database_path
        self._user_id = user_id
        self._taxonomy_path = taxonomy_path

    @classmethod
    def from_policy(cls, models_dir: Path) -> _LabelSuggester:
        """The suggester of the home that `models_dir` lies in. Raises IdentityError."""
        paths = HomePaths(Path(models_dir).resolve().parent)
        return cls(paths.database, load_or_create_identity(paths.home).user_id, paths.taxonomy)

    def suggest(self, start: datetime, end: datetime) -> tuple[str, float] | None:
        """(UI label, confidence) of [start, end).

        The UI label with most seconds (the earliest among equals), under the categories of today; its confidence is
        the mean probability of its core label, weighted by seconds. None when less than half of the time is covered by
        recorded buckets. What the person labelled does not enter. Raises StoreError.
        """
        begin_us, end_us = to_us(as_utc(start)), to_us(as_utc(end))
        if end_us <= begin_us or not self._path.exists():
            return None
        shares: dict[str, _Share] = {}
        for label, prediction, seconds in self._overlapping(begin_us, end_us):
            share = shares.get(label, _Share())
            probability = _shown_probability(prediction)
            shares[label] = _Share(share.seconds + seconds, share.weighted + seconds * probability)
        covered = sum(share.seconds for share in shares.values())
        if not shares or covered * 2e6 < end_us - begin_us:
            return None
        label, share = max(shares.items(), key=lambda item: item[1].seconds)
        return label, share.weighted / share.seconds

    def _overlapping(self, begin_us: int, end_us: int) -> list[tuple[str, WindowPrediction, float]]:
        """(label shown, prediction, seconds inside) of each bucket."""
        margin_us = timedelta(minutes=10) // timedelta(microseconds=1)
        with closing(Database(self._path, read_only=True)) as database:
            with database.reading():
                records = database.buckets.between(self._user_id, begin_us - margin_us, end_us)
            path = self._taxonomy_path
            categories = Categories(database, None if path is None else categories_in_force(database, path)[0])
            named = [(categories.ui_label(record), record) for record in records if record.end_us > begin_us]
        return [
            (
                label,
                WindowPrediction.of(r),
                (min(r.end_us, end_us) - max(r.start_us, begin_us)) / 1e6,
            )
            for label, r in named
        ]


def _shown_probability(prediction: WindowPrediction) -> float:
    """The probability of the core label behind the UI label: the smoothed label's, else the predicted one's."""
    if prediction.smoothed_label_name in LABEL_SET_V1:
        return prediction.core_probs[LABEL_SET_V1.index(prediction.smoothed_label_name)]
    return prediction.confidence
