"""App use of the last 5 and 15 minutes: switches, entropy, concentration.

The sums slide, so a row costs only its apps.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from math import fsum, log2
from typing import Final

SHORT_US: Final = 300_000_000
LONG_US: Final = 900_000_000

BucketApps = tuple[int, Mapping[str, int]]
"""A bucket's start and the microseconds of each app in it."""


class _Sliding:
    """Microseconds per app over the buckets of the last `window_us`."""

    def __init__(self, window_us: int) -> None:
        self.window_us = window_us
        self.buckets: deque[BucketApps] = deque()
        self.totals: dict[str, int] = {}

    def add(self, start: int, apps: Mapping[str, int]) -> None:
        """Add the bucket at `start`; buckets that began more than the window before it leave."""
        self.drop_before(start - self.window_us)
        self.buckets.append((start, apps))
        for app, us in apps.items():
            self.totals[app] = self.totals.get(app, 0) + us

    def drop_before(self, moment: int) -> None:
        """Drop the buckets that start before `moment`."""
        while self.buckets and self.buckets[0][0] < moment:
            for app, us in self.buckets.popleft()[1].items():
                left = self.totals[app] - us
                if left:
                    self.totals[app] = left
                else:
                    del self.totals[app]


class AppWindows:
    """The windows `[bucket_start − 5 min, bucket_end)` and the same with 15 min, which slide from bucket to bucket."""

    def __init__(self, history: Iterable[BucketApps]) -> None:
        self._short, self._long = _Sliding(SHORT_US), _Sliding(LONG_US)
        for start, apps in history:
            self.add(start, apps)

    def add(self, start: int, apps: Mapping[str, int]) -> None:
        """Slide the windows so that they end with the bucket at `start`."""
        self._short.add(start, apps)
        self._long.add(start, apps)

    def drop_before(self, moment: int) -> None:
        """Drop the history before `moment` (history never crosses a blackout)."""
        self._short.drop_before(moment)
        self._long.drop_before(moment)

    @property
    def history(self) -> tuple[BucketApps, ...]:
        """The buckets from which `AppWindows` can continue."""
        return tuple(self._long.buckets)

    def switches(self) -> tuple[int, int]:
        """Return the number of distinct apps less one over 5 and 15 minutes; never negative."""
        return max(0, len(self._short.totals) - 1), max(0, len(self._long.totals) - 1)

    def entropies(self) -> tuple[float, float]:
        """Return the Shannon entropy (bits) of app time over 5 and 15 minutes, 4 decimals."""
        return _entropy(self._short.totals), _entropy(self._long.totals)

    def top2_concentration(self) -> float:
        """Return the fraction of time of the two most used apps over 15 minutes, 4 decimals; 0 without any time."""
        times = sorted(self._long.totals.values(), reverse=True)
        return round(sum(times[:2]) / sum(times), 4) if times else 0.0


def _entropy(totals: Mapping[str, int]) -> float:
    # fsum is exact, so the order in which the apps were seen changes no digit
    whole = sum(totals.values())
    return round(abs(fsum(us / whole * log2(us / whole) for us in totals.values())), 4)
