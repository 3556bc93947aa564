"""Feed a real aw-server with a simulated person's events, for demos and end-to-end tests.

`python -m tests.support.aw_feed --persona developer --seed 1 --day 2026-03-02 --host http://127.0.0.1:5666`
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any, Final

import requests

from taskclf_tray.adapters.apps import AppRegistry
from taskclf_tray.adapters.base import Stream
from taskclf_tray.adapters.browsers import browser_of_app
from taskclf_tray.adapters.raw import RawEvent
from taskclf_tray.core.defaults import SETTLE_SECONDS
from taskclf_tray.core.errors import AWConnectionError, AWProtocolError, AWTimeoutError, SourceError
from taskclf_tray.core.time import US_PER_SECOND, from_us, iso_z, local_day_bounds
from taskclf_tray.core.zones import zone
from taskclf_tray.simulation.person import SimulatedPerson, known_by
from taskclf_tray.simulation.personas import PERSONAS

BATCH_EVENTS: Final = 500
TIMEOUT_SECONDS: Final = (3.05, 30.0)
WATCHERS: Final[Mapping[Stream, tuple[str, str]]] = {
    Stream.WINDOW: ("aw-watcher-window", "aw-watcher-window"),
    Stream.AWAY: ("aw-watcher-afk", "aw-watcher-afk"),
    Stream.INPUT: ("aw-watcher-input", "aw-watcher-input"),
    Stream.TAB: ("aw-watcher-web", "aw-client-web"),
}
"""What each stream's bucket id begins with, and the client it names."""


class AWWriter:
    """The few writing calls of ActivityWatch's REST API. Raises SourceError when the server does not take them.

    `browser`: whose tabs are written, as its bucket's id says; empty for a bucket that does not say it.
    """

    def __init__(self, url: str, hostname: str | None = None, browser: str = "") -> None:
        self._browser = f"-{browser}" if browser else ""
        self._api = url.rstrip("/") + "/api/0"
        self._session = requests.Session()
        self._session.trust_env = False  # a loopback address never goes through a proxy
        self.hostname = hostname or str(self._call("GET", "/info").json()["hostname"])

    def bucket_id(self, stream: Stream) -> str:
        """The bucket this stream is written to."""
        browser = self._browser if stream is Stream.TAB else ""
        return f"{WATCHERS[stream][0]}{browser}_{self.hostname}"

    def create_buckets(self) -> None:
        """Create what is missing (an existing bucket answers 304)."""
        for stream, (_, client) in WATCHERS.items():
            bucket = {"client": client, "type": stream.value, "hostname": self.hostname}
            self._call("POST", f"/buckets/{self.bucket_id(stream)}", json=bucket)

    def insert(self, stream: Stream, events: Sequence[RawEvent]) -> None:
        """Insert events as they are, in batches."""
        for at in range(0, len(events), BATCH_EVENTS):
            batch = [_as_json(event) for event in events[at : at + BATCH_EVENTS]]
            self._call("POST", f"/buckets/{self.bucket_id(stream)}/events", json=batch)

    def heartbeat(self, stream: Stream, event: RawEvent) -> None:
        """Add an event, or let the newest one grow when it is the same (pulse time 0: nothing else merges)."""
        path = f"/buckets/{self.bucket_id(stream)}/heartbeat?pulsetime=0"
        self._call("POST", path, json=_as_json(event))

    def close(self) -> None:
        """Close the connection."""
        self._session.close()

    def _call(self, method: str, path: str, **body: Any) -> requests.Response:
        next_step = "Check that the address is that of a running aw-server."
        try:
            response = self._session.request(method, self._api + path, timeout=TIMEOUT_SECONDS, **body)
        except requests.Timeout as error:
            raise AWTimeoutError("The ActivityWatch server does not answer in time.", next_step) from error
        except requests.RequestException as error:
            raise AWConnectionError("No ActivityWatch server answers there.", next_step) from error
        if response.status_code not in (200, 304):
            raise AWProtocolError(f"The server answers {response.status_code} to a {method}.", next_step)
        return response


def feed_aw_server(
    url: str, person: SimulatedPerson, start: datetime, end: datetime, *, hostname: str | None = None
) -> int:
    """Write all events that begin in [start, end) and say how many; `hostname`: the server's own when None.

    Raises SourceError.
    """
    writer = AWWriter(url, hostname, _browser_of(person, start))
    count = 0
    try:
        writer.create_buckets()
        at = start
        while at < end:  # a day at a time: no more is held in memory
            until = min(end, at + timedelta(days=1))
            for stream, events in person.raw_events(at, until).items():
                own = [event for event in events if from_us(event.start_us) >= at]
                writer.insert(stream, own)
                count += len(own)
            at = until
    finally:
        writer.close()
    return count


class LiveFeeder:
    """Writes what became known between one moment and the next, as watchers do: new events, and growth of the newest.

    Nothing that ended before `start` is written. The first call inserts in batches; later ones send heartbeats. Used
    by one thread. Raises SourceError; after one, the next call tries the same again.
    """

    def __init__(
        self,
        url: str,
        person: SimulatedPerson,
        start: datetime,
        *,
        hostname: str | None = None,
        lag_seconds: float = 5.0,
    ) -> None:
        self._writer = AWWriter(url, hostname, _browser_of(person, start))
        self._person = person
        self._from = start
        self._lag_seconds = lag_seconds
        self._newest: dict[Stream, RawEvent] = {}
        self._writer.create_buckets()

    def feed(self, now: datetime) -> int:
        """Write what is known by `now` and was not before; returns the number of events written or grown."""
        known = known_by(self._person, self._from, now, now, self._lag_seconds)
        count = sum(self._feed_stream(stream, events) for stream, events in known.items())
        # whatever is reported later overlaps this: the away watcher looks furthest back
        self._from = max(self._from, now - timedelta(seconds=self._lag_seconds + SETTLE_SECONDS))
        return count

    def close(self) -> None:
        """Close the connection."""
        self._writer.close()

    def _feed_stream(self, stream: Stream, events: Sequence[RawEvent]) -> int:
        newest = self._newest.get(stream)
        fresh = [event for event in events if newest is None or _is_news(event, newest)]
        if newest is None and fresh:
            # the newest goes by heartbeat: the server remembers the last one as what grows
            self._writer.insert(stream, fresh[:-1])
            self._writer.heartbeat(stream, fresh[-1])
            self._newest[stream] = fresh[-1]
        else:
            for event in fresh:
                self._writer.heartbeat(stream, event)
                self._newest[stream] = event
        return len(fresh)


def _browser_of(person: SimulatedPerson, moment: datetime) -> str:
    """The browser a person uses on this day, as bucket ids name it."""
    name = person.habits(moment.astimezone(zone(person.time_zone)).date()).browser
    return browser_of_app(AppRegistry.default().lookup(name).app_id)


def _is_news(event: RawEvent, newest: RawEvent) -> bool:
    if event.event_id == newest.event_id:
        return event.duration_us > newest.duration_us
    return event.start_us > newest.start_us


def _as_json(event: RawEvent) -> dict[str, Any]:
    return {
        "timestamp": iso_z(from_us(event.start_us)),
        "duration": event.duration_us / US_PER_SECOND,
        "data": dict(event.data),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Feed whole local days."""
    parser = argparse.ArgumentParser(prog="python -m tests.support.aw_feed", description=__doc__.split("\n")[0])
    parser.add_argument("--persona", choices=sorted(PERSONAS), default="developer")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--day", type=date.fromisoformat, required=True, help="first local day, YYYY-MM-DD")
    parser.add_argument("--days", type=int, default=1)
    parser.add_argument("--time-zone", default="UTC")
    parser.add_argument("--host", default="http://127.0.0.1:5666", help="address of the aw-server")
    parser.add_argument("--hostname", help="whose buckets; the server's own when left out")
    chosen = parser.parse_args(arguments)
    try:
        here = zone(chosen.time_zone)
    except ValueError as error:
        parser.error(str(error))
    first = datetime(chosen.day.year, chosen.day.month, chosen.day.day, 12, tzinfo=here)
    start = local_day_bounds(first, chosen.time_zone)[0]
    end = local_day_bounds(first + timedelta(days=chosen.days - 1), chosen.time_zone)[1]
    person = SimulatedPerson(chosen.persona, chosen.seed, time_zone=chosen.time_zone)
    try:
        count = feed_aw_server(chosen.host, person, start, end, hostname=chosen.hostname)
    except SourceError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"{count} events of {chosen.persona} {chosen.seed} written to {chosen.host}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
