"""A cache of bundles, calibrator stores and heads, so that an edited threshold does not read a model again."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Hashable, Iterator
from pathlib import Path
from typing import Any, Final, TypeVar

from taskclf_tray.infer.calibrator_files import load_calibrator_store
from taskclf_tray.infer.calibrators import CalibratorStore
from taskclf_tray.infer.forest import Forest
from taskclf_tray.models.bundle import CatEncoders, ModelMetadata, load_model_bundle
from taskclf_tray.models.head_files import HeadEntry, StoredHead, head_of_entry, place_of

Bundle = tuple[Forest, ModelMetadata, CatEncoders]
T = TypeVar("T")

_KEPT: Final = 2
"""Entries of each kind: the served one, and the one before it, which a roll back needs again."""
_TICK_SECONDS: Final = 0.1
"""A file changed this recently may change again under the same time stamp, so it is not cached."""


class BundleCache:
    """Reads bundles, stores and heads, and returns the cached ones while their files are unchanged.

    A file has changed when its modification or status time, its size or its inode has. Results are immutable. `kept`
    bounds the memory: at most as many of each kind. Used by one thread.
    """

    def __init__(self, kept: int = _KEPT) -> None:
        self._kept = kept
        self._bundles: dict[Hashable, tuple[Hashable, Bundle]] = {}
        self._stores: dict[Hashable, tuple[Hashable, CalibratorStore]] = {}
        self._heads: dict[Hashable, tuple[Hashable, StoredHead]] = {}

    def bundle(self, run_dir: Path) -> Bundle:
        """Load a bundle as `load_model_bundle` does. Raises ModelError."""
        return self._given(self._bundles, Path(run_dir), load_model_bundle)

    def store(self, store_dir: Path) -> CalibratorStore:
        """Load a store as `load_calibrator_store` does. Raises CalibratorError."""
        return self._given(self._stores, Path(store_dir), load_calibrator_store)

    def head(self, home: Path, entry: HeadEntry) -> StoredHead:
        """Load a head as `head_of_entry` does. Raises HeadError."""
        return self._given(self._heads, place_of(home, entry), lambda _: head_of_entry(home, entry), entry.sha256)

    def forget(self) -> None:
        """Clear the cache."""
        self._bundles.clear()
        self._stores.clear()
        self._heads.clear()

    def _given(
        self, kept: dict[Hashable, tuple[Hashable, T]], place: Path, load: Callable[[Path], T], version: str = ""
    ) -> T:
        if not self._kept:
            return load(place)
        files = _files(place)
        known = kept.pop((place, version), None)
        if known is None or known[0] != files:
            known = (files, load(place))
            if not _is_settled(files) or files != _files(place):
                return known[1]
        kept[place, version] = known  # the last asked for is the last to go
        while len(kept) > self._kept:
            kept.pop(next(iter(kept)))
        return known[1]


NO_CACHE: Final = BundleCache(0)
"""Keeps nothing."""


def _files(place: Path) -> tuple[tuple[Any, ...], ...]:
    """The file, or every file of the folder and of its folders: (path, times, size, inode)."""
    found = []
    for path in _paths(place):
        try:
            status = os.stat(path)  # noqa: PTH116 - as below
        except OSError:
            continue
        found.append((path, status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino))
    return tuple(found)


def _paths(place: Path) -> Iterator[str]:
    if place.is_file():
        yield str(place)
    for inside, folders, names in os.walk(place):
        folders.sort()
        for name in sorted(names):
            yield os.path.join(inside, name)  # noqa: PTH118 - a tenth of the time of Path, for thousands of users


def _is_settled(files: tuple[tuple[Any, ...], ...]) -> bool:
    newest = max((max(file[1], file[2]) for file in files), default=0)
    return time.time_ns() - newest > _TICK_SECONDS * 1e9
