"""Chooses the source and the home: ActivityWatch, the built-in watcher where no server answers, or a simulated person
where nobody waits for real labels.
"""

from __future__ import annotations

import dataclasses
import itertools
import logging
import shutil
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final

import platformdirs

from taskclf_tray.adapters.base import ActivitySource, SourceStatus
from taskclf_tray.adapters.normalise import Normaliser
from taskclf_tray.app import served_text, text
from taskclf_tray.app.builtin import builtin_obstacle, open_builtin
from taskclf_tray.app.serving import Overrides
from taskclf_tray.app.session import Session
from taskclf_tray.app.text import Message
from taskclf_tray.core.config import (
    Config,
    ConfigProblem,
    PanelLabel,
    load_config,
    require_exclusions,
    settings_without_effect,
)
from taskclf_tray.core.errors import ConfigError, SourceError, StoreError
from taskclf_tray.core.file_watch import SETTLE_SECONDS, file_stamp, written_within
from taskclf_tray.core.time import local_date
from taskclf_tray.core.types import CoreLabel, SourceEvents
from taskclf_tray.labels.asking_state import update_asking
from taskclf_tray.models.identity import Identity
from taskclf_tray.simulation.person import ReplayClock, SimulatedPerson, SimulatedSource
from taskclf_tray.store.database import Database
from taskclf_tray.system.local_zone import local_zone_name
from taskclf_tray.system.paths import HomePaths, prepare_home, require_home

log = logging.getLogger(__name__)

PROBE_SECONDS = 5.0
"""How often a server is looked for beside a simulated person."""
_PROBES_LEFT_OUT: Final = 6
"""How many probes are left out while the built-in watcher is in use, which loses nothing."""
DEMO_LEAD = timedelta(minutes=5)
DEFAULT_SPEED = 60.0
DEFAULT_PERSONA = "developer"
_PROGRAMS = ("aw-qt", "aw-server", "aw-server-rust", "awatcher")


class SourceSwitch:
    """Opens the session that fits now, and says when another one would.

    `source`: "auto", "activitywatch", "builtin" or "simulated"; None for the one in the settings. `problems`: what is
    wrong with the settings. `blocked`: why no activity may be read (`require_exclusions`). Simulated time runs `speed`
    times as fast as the clock, in a home of its own under `<home>/tray/demo`, created afresh at every start.
    """

    def __init__(
        self,
        paths: HomePaths,
        config: Config,
        *,
        source: str | None = None,
        problems: Sequence[str] = (),
        blocked: ConfigError | None = None,
        environ: Mapping[str, str],
        models_dir: Path | None = None,
        overrides: Overrides | None = None,
        persona: str = DEFAULT_PERSONA,
        seed: int = 1,
        speed: float = DEFAULT_SPEED,
        start: datetime | None = None,
        aw_host: str | None = None,
        out_dir: Path | None = None,
    ) -> None:
        self._paths = paths
        self._config = config
        self._config_seen = file_stamp(paths.config)
        self._idle_keys = _idle_keys(paths.config)
        self._news: list[Message] = [served_text.settings_wrong(list(problems))] if problems else []
        self._blocked = blocked
        self._is_gone = False
        self._aw_host = aw_host
        self._out_dir = out_dir
        self._named_source = source
        self._environ = environ
        self._models_dir = models_dir
        self._overrides = overrides
        self._person = (persona, seed, speed)
        self._start = start
        self._probed = 0.0
        self._was_used = False
        self._kind = ""
        self._has_answered = False
        self._is_wayland_told = False

    @property
    def is_simulated(self) -> bool:
        """Whether the open session, or the last one, shows a simulated person."""
        return self._kind == "simulated"

    @property
    def _source(self) -> str:
        return self._named_source or self._config.source

    def panel_label(self) -> PanelLabel:
        """Whether the label stands beside the icon, by the settings in use."""
        return self._config.panel_label

    def banner(self) -> str | None:
        """The sentence shown above everything while the activity is simulated."""
        return text.SIMULATION_BANNER if self.is_simulated else None

    def open_session(self, before_request: Callable[[], None]) -> Session:
        """Open the home and source that fit now. Raises TaskclfError."""
        require_home(self._paths, was_used=self._was_used)
        self._kind = self._chosen()
        log.info("Activity comes from: %s.", self._kind)
        session = self._simulated_session(before_request) if self.is_simulated else self._real_session(before_request)
        self._was_used = self._was_used or not self.is_simulated
        session.messages += self._news
        self._news = []
        return session

    def _chosen(self) -> str:
        """The source to open now."""
        if self._source != "auto":
            return self._source
        if self._may_simulate():
            return "simulated"
        if self._blocked is not None or self._answers():
            return "activitywatch"
        obstacle = builtin_obstacle(self._environ)
        if obstacle is None:
            return "builtin"
        if not self._is_wayland_told and self._environ.get("WAYLAND_DISPLAY"):
            self._is_wayland_told = True
            self._news.append((obstacle.title, obstacle.next_step))
        return "activitywatch"

    def _real_session(self, before_request: Callable[[], None]) -> Session:
        return Session(
            self._paths,
            self._config,
            self._builtin if self._kind == "builtin" else self._activitywatch,
            models_dir=self._models_dir,
            overrides=self._overrides,
            before_request=before_request,
            out_dir=self._out_dir,
        )

    def should_switch(self) -> bool:
        """Whether the settings were edited, or a real source has appeared beside a simulation nobody asked for.

        A running demo is kept: its day would start over.
        """
        if self._source != "simulated" and self._settings_changed():
            return True
        if self._source != "auto" or (self._kind == "activitywatch" and self._has_answered):
            return False
        wait = PROBE_SECONDS * (1 if self.is_simulated else _PROBES_LEFT_OUT)
        if time.monotonic() < self._probed + wait:
            return False
        self._probed = time.monotonic()
        if self._kind == "activitywatch":  # which has not answered yet, while the display may answer by now
            return not self._answers() and builtin_obstacle(self._environ) is None
        return self._answers()

    def _settings_changed(self) -> bool:
        seen = file_stamp(self._paths.config)
        if seen == self._config_seen or written_within(SETTLE_SECONDS, [seen]):
            return False
        if seen is None and not self._is_gone:  # an editor may be putting a new one in its place
            self._is_gone = True
            return False
        self._is_gone = False
        self._config_seen = seen
        blocked = self._blocked
        config, problems = load_config(self._paths.config, None if blocked else self._config)
        self._blocked = blocking(problems)
        if self._aw_host is not None:
            config = config.model_copy(update={"aw_host": self._aw_host})
        told = [str(problem) for problem in problems if not problem.hides_exclusions]
        self._news = [served_text.settings_wrong(told)] if told else []
        old, self._config = self._config, config
        old_idle, self._idle_keys = self._idle_keys, _idle_keys(self._paths.config)
        changed = [name for name in Config.model_fields if getattr(config, name) != getattr(old, name)]
        idle = [why for name, why in self._idle_keys.items() if name in changed or name not in old_idle]
        if (changed or idle) and self._blocked is None:
            self._news.append(served_text.settings_applied(changed, idle))
        return bool(self._news) or self._blocked is not blocked

    # -- the real source --------------------------------------------------------------------------------------

    def _activitywatch(self, identity: Identity) -> ActivitySource:
        if self._blocked is not None:
            return UnreadSource("activitywatch", self._blocked)
        return self._client(self._normaliser(identity), self._config.aw_timeout_seconds)

    def _builtin(self, identity: Identity) -> ActivitySource:
        obstacle = self._blocked or (builtin_obstacle(self._environ) if self._source == "builtin" else None)
        if obstacle is not None:
            return UnreadSource("builtin", obstacle)
        return open_builtin(
            self._paths,
            self._normaliser(identity),
            self._environ,
            counts_input=self._config.count_input,
            retention_days=self._config.retention_days,
        )

    def _client(self, normaliser: Normaliser, timeout_seconds: float) -> ActivitySource:
        # with requests: 11 MiB that a simulated person has no use for
        from taskclf_tray.adapters import activitywatch

        return activitywatch.ActivityWatchSource(
            self._config.aw_host,
            normaliser=normaliser,
            api_key=self._config.aw_api_key or None,
            timeout_seconds=timeout_seconds,
        )

    def _normaliser(self, identity: Identity) -> Normaliser:
        return Normaliser.by_settings(identity.title_secret, self._config)

    def _answers(self) -> bool:
        probe = self._client(Normaliser("0" * 64), min(2.0, self._config.aw_timeout_seconds))
        try:
            self._has_answered = probe.status().reachable
            return self._has_answered
        finally:
            probe.close()

    # -- the simulated person -----------------------------------------------------------------------------------

    def _may_simulate(self) -> bool:
        """Whether nobody waits for real labels: no desktop, no ActivityWatch, and a home without a past."""
        return (
            self._blocked is None
            and not _has_desktop(self._environ)
            and not activitywatch_installed()
            and not _had_real_source(self._paths)
            and not self._answers()
        )

    def _simulated_session(self, before_request: Callable[[], None]) -> Session:
        shutil.rmtree(self._paths.tray / "demo", ignore_errors=True)
        paths = prepare_home(self._paths.tray / "demo")
        zone_name = local_zone_name()
        persona, seed, speed = self._person
        person = SimulatedPerson(persona, seed, time_zone=zone_name)
        start = self._start or demo_start(person, local_date(datetime.now(UTC), zone_name))

        def make_source(identity: Identity) -> ActivitySource:
            return SimulatedSource(person, self._normaliser(identity), clock=ReplayClock(start, speed))

        session = Session(
            paths,
            self._config,
            make_source,
            overrides=self._overrides,
            before_request=before_request,
            models_dir=self._models_dir,
            main_paths=self._paths,
            # one who came in by himself keeps out of the folder a real record is to fill
            out_dir=self._out_dir if self._source == "simulated" else None,
        )
        _begin_on_the_second_day(session)
        return session


class UnreadSource(ActivitySource):
    """Stands in for a source while the exclusions are unknown, or where it can see nothing. Nothing is read."""

    def __init__(self, name: str, reason: ConfigError | SourceError) -> None:
        self.name = name  # type: ignore[misc]  # that of the source it stands in for
        self._reason = reason

    def read(self, start: datetime, end: datetime) -> SourceEvents:  # noqa: ARG002 - whatever is asked for
        """Refuse. Raises ConfigError or SourceError."""
        raise self._reason

    def status(self) -> SourceStatus:
        """Say what has to be corrected."""
        return SourceStatus(self.name, reachable=False, streams=frozenset(), detail=str(self._reason))


def blocking(problems: Sequence[ConfigProblem]) -> ConfigError | None:
    """Why no activity may be read; None when it may."""
    try:
        require_exclusions(problems)
    except ConfigError as error:
        return error
    return None


def _begin_on_the_second_day(session: Session) -> None:
    """Let the simulated person have had the app since yesterday, so that the demo asks questions."""
    yesterday = local_date(session.now(), session.time_zone()) - timedelta(days=1)
    update_asking(
        session.database, session.identity.user_id, lambda state: dataclasses.replace(state, first_day=yesterday)
    )


def _idle_keys(path: Path) -> dict[str, str]:
    """The settings in the file that have no effect, and why."""
    return {str(idle.key): idle.message for idle in settings_without_effect(path)}


def activitywatch_installed() -> bool:
    """Whether any part of ActivityWatch was ever installed for this user."""
    folders = (
        platformdirs.user_data_dir("activitywatch", appauthor=False),
        platformdirs.user_config_dir("activitywatch", appauthor=False),
    )
    return any(Path(folder).is_dir() for folder in folders) or any(shutil.which(name) for name in _PROGRAMS)


def _has_desktop(environ: Mapping[str, str]) -> bool:
    if sys.platform != "linux":
        return True
    return bool(environ.get("DISPLAY") or environ.get("WAYLAND_DISPLAY"))


def _had_real_source(paths: HomePaths) -> bool:
    if not paths.database.exists():
        return False
    try:
        database = Database(paths.database, read_only=True)
    except StoreError:
        return True  # somebody's record, even if it cannot be read
    try:
        with database.reading():
            return database.state.has_prefix("newest_end_us:")
    finally:
        database.close()


def demo_start(person: SimulatedPerson, today: date) -> datetime:
    """A few minutes into the first real work of the person's latest working day up to `today`."""
    day = next(day for n in itertools.count() if (day := today - timedelta(days=n)) and person.day(day).truth)
    spans = person.day(day).truth
    work = (s for s in spans if s.label != CoreLabel.BREAK_IDLE and s.end_ts - s.start_ts >= 2 * DEMO_LEAD)
    return next(work, spans[0]).start_ts + DEMO_LEAD
