"""Follows the computer's time zone, and says once where something else stands in for one."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from taskclf_tray.app import text
from taskclf_tray.app.serving import Message
from taskclf_tray.core.zones import unknown_zones, unknown_zones_note
from taskclf_tray.system.local_zone import LocalZone, local_zone

log = logging.getLogger(__name__)


class ZoneWatch:
    """Looked at about once a second by the worker."""

    def __init__(
        self, tell: Callable[[Sequence[Message]], None], *, current: Callable[[], LocalZone] = local_zone
    ) -> None:
        self._tell = tell
        self._current = current
        self._name: str | None = None
        self._problem: str | None = None
        self._unknown: tuple[str, ...] = ()

    def look(self) -> bool:
        """Whether the zone has changed since the last look: every time that is shown is another one then."""
        zone, before = self._current(), self._name
        self._name = zone.name
        if zone.problem is not None and zone.problem != self._problem:
            log.warning("%s %s stands in for it.", zone.problem, zone.name)
            self._tell([text.zone_not_usable(zone.problem, zone.name)])
        self._problem = zone.problem
        unknown = unknown_zones()
        if unknown != self._unknown:
            log.warning("%s", unknown_zones_note(unknown))
        self._unknown = unknown
        return before is not None and before != zone.name
