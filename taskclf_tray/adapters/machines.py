"""Machines: which buckets of a source belong together, which are read, and why the others are not.

A *machine* is the set of buckets of one computer: windows, away time, input, tabs. Its current name says little,
because names change with the network and a bucket keeps its first one. Two names are one machine when

- they are equal but for case or the network's ending (`mac`, `mac.local`, `mac.fritz.box`), or the server gave them one
  device id;
- or one continues the other: the watchers of windows, away time and input of the one stop before those of the other
  begin, no other name is nearer, their clients agree, and so does the kind of program names (`.exe` or not). Names
  whose watchers ran at the same time are two machines.

`unknown` is no name: buckets of web watchers have it. Tabs and input without a machine of their own are *loose*: they
go with the machine in use (`adapters/follow.py`). Phones are left out, and so are aw-sync's copies, because the other
machine's own source has the same events. No choice depends on the order or the letters of names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import Final

from taskclf_tray.adapters.base import Stream, Unread

NAMELESS: Final = frozenset({"", "unknown"})
HANDOVER_US: Final = 300_000_000
"""How long the watchers of an old and a new name may overlap, because they restart one after the other."""
MAX_ID_CHARACTERS: Final = 512
"""A watcher's name and a host's name have at most 300 characters together."""
_STEPS: Final = frozenset({".", ".."})
"""Ids that HTTP resolves as path steps: `buckets/../events` is `events`, so their events cannot be requested."""
_MOST_NAMES: Final = 100
"""More names than one computer ever has; a source with more does not belong to one person."""
_LOCAL_ENDINGS: Final = frozenset({"local", "localdomain", "lan", "home", "internal", "box", "arpa", "intranet"})
_FAR_US: Final = 1 << 62


@dataclass(frozen=True, slots=True)
class Bucket:
    """A bucket as its source describes it; an empty text or None is unknown. Times in microseconds since 1970 UTC.

    `stream`: None for a type that is not used. `first_us`, `last_us`: start of the first and end of the newest event.
    `browser`: for tab buckets. `shape`: `exe` when program names end so, `other` when they do not.
    """

    bucket_id: str
    stream: Stream | None
    hostname: str = ""
    kind: str = ""
    client: str = ""
    device_id: str = ""
    first_us: int | None = None
    last_us: int | None = None
    browser: str = ""
    shape: str = ""
    is_phone: bool = False
    is_copy: bool = False
    is_refused: bool = False

    @property
    def name(self) -> str:
        """The host's name for comparison; empty when there is none."""
        name = self.hostname.strip().casefold()
        return "" if name in NAMELESS else name

    @property
    def span_us(self) -> tuple[int, int]:
        """Known start of the first and end of the last event; without an event the end precedes the start."""
        if self.last_us is None:
            return _FAR_US, -_FAR_US
        return min(self.first_us if self.first_us is not None else self.last_us, self.last_us), self.last_us


Group = Sequence[Bucket]
"""The buckets of one name, or of names that are one beyond doubt."""


@dataclass(frozen=True, slots=True)
class Machine:
    """The buckets of one computer, the one used last first."""

    buckets: tuple[Bucket, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The names as the buckets spell them, the newest first; `unknown` without one."""
        found = {bucket.name: bucket.hostname.strip() for bucket in reversed(self.buckets) if bucket.name}
        order = dict.fromkeys(bucket.name for bucket in self.buckets if bucket.name)
        return tuple(found[name] for name in order) or ("unknown",)

    @property
    def last_us(self) -> int:
        """End of the newest window."""
        return max(b.span_us[1] for b in self.buckets if b.stream is Stream.WINDOW)

    def of(self, stream: Stream) -> list[Bucket]:
        """Return the buckets of a stream, the one used last first."""
        return [bucket for bucket in self.buckets if bucket.stream is stream]


@dataclass(frozen=True, slots=True)
class Selection:
    """The buckets of a source, each in one of three groups: in a machine, loose, or left out."""

    machines: tuple[Machine, ...] = ()
    loose: tuple[Bucket, ...] = ()
    left_out: tuple[tuple[Bucket, Unread], ...] = ()

    @property
    def read(self) -> tuple[Bucket, ...]:
        """Every bucket that is read."""
        return (*(bucket for machine in self.machines for bucket in machine.buckets), *self.loose)

    def has(self, stream: Stream) -> bool:
        """Whether a bucket of this stream is read."""
        return any(bucket.stream is stream for bucket in self.read)


def select(
    buckets: Iterable[Bucket], *, hostname: str | None = None, own_host: str = "", own_device: str = ""
) -> Selection:
    """Sort the buckets of a source into machines.

    Args:
        buckets: the buckets in any order.
        hostname: read only the machine of exactly this name.
        own_host: name of the machine that the server runs on.
        own_device: device id of that machine, which its buckets have too.
    """
    found = list(buckets)
    read, left_out = _desk_buckets(found, hostname)
    loose = [b for b in read if not b.name and b.stream in (Stream.TAB, Stream.INPUT)]
    groups = _by_name([b for b in read if b.name or b.stream not in (Stream.TAB, Stream.INPUT)], own_host, own_device)
    machines = [_machine(chain) for chain in _chains([group for group in groups if _has_windows(group)])]
    machines.sort(key=lambda machine: (-machine.last_us, machine.names))
    is_ambiguous = sum(machine.last_us > -_FAR_US for machine in machines) > 1
    for bucket in (bucket for group in groups if not _has_windows(group) for bucket in group):
        if bucket.stream is Stream.AWAY and bucket.name and is_ambiguous:
            left_out.append((bucket, Unread.NO_WINDOWS))
        else:
            loose.append(bucket)
    return Selection(tuple(machines), tuple(sorted(loose, key=newest_first)), tuple(left_out))


def _desk_buckets(found: Sequence[Bucket], hostname: str | None) -> tuple[list[Bucket], list[tuple[Bucket, Unread]]]:
    """Split the buckets into those that may be read and those that may not, with the reason."""
    chosen = None if hostname is None else hostname.strip().casefold()
    desks = {b.name for b in found if b.stream is Stream.WINDOW and not b.is_phone}
    phones = {b.name for b in found if b.is_phone and b.name} - desks
    takes_copies = chosen is not None and not any(b.name == chosen for b in found if b.stream and not b.is_copy)
    read: list[Bucket] = []
    left_out: list[tuple[Bucket, Unread]] = []
    for bucket in found:
        reason = None
        if bucket.stream is None:
            reason = Unread.OTHER_TYPE
        elif bucket.is_phone or bucket.name in phones:
            reason = Unread.PHONE
        elif bucket.is_copy and not (takes_copies and bucket.name == chosen):
            reason = Unread.COPY
        elif chosen is not None and not _fits(bucket, chosen):
            reason = Unread.OTHER_HOST
        elif bucket.is_refused or bucket.bucket_id in _STEPS:
            reason = Unread.REFUSED
        elif not is_askable(bucket.bucket_id):
            reason = Unread.BAD_NAME
        if reason is None:
            read.append(bucket)
        else:
            left_out.append((bucket, reason))
    return read, left_out


def _fits(bucket: Bucket, chosen: str) -> bool:
    """Whether a bucket may belong to the chosen host: it has its name, or is tabs or input without a name."""
    if bucket.name == chosen or bucket.hostname.strip().casefold() == chosen:
        return True
    return not bucket.name and bucket.stream in (Stream.TAB, Stream.INPUT)


def is_askable(bucket_id: str) -> bool:
    """Whether a bucket id can be requested: valid in UTF-8, of a sane length, not a step of a path."""
    if bucket_id in _STEPS or not 0 < len(bucket_id) <= MAX_ID_CHARACTERS:
        return False
    return not any("\ud800" <= c <= "\udfff" for c in bucket_id)


# -- names -----------------------------------------------------------------------------------------------------


def _by_name(buckets: Sequence[Bucket], own_host: str, own_device: str) -> list[Group]:
    """Group the buckets by name, and by names that certainly are one machine."""
    names = {bucket.name for bucket in buckets}
    joined = _Joined(names)
    for alike in _alike(names):
        joined.join(alike)
    own = own_host.strip().casefold()
    devices: dict[str, list[str]] = {own_device: [own]} if own_device and own in names else {}
    for bucket in buckets:
        if bucket.device_id and bucket.name:
            devices.setdefault(bucket.device_id, []).append(bucket.name)
    for same in devices.values():
        joined.join(same)
    groups: dict[str, list[Bucket]] = {}
    for bucket in buckets:
        groups.setdefault(joined.root(bucket.name), []).append(bucket)
    return list(groups.values())


def _alike(names: Iterable[str]) -> list[list[str]]:
    """Group names that differ only in the network's ending. Two full names of different networks are two machines."""
    by_label: dict[str, list[str]] = {}
    for name in names:
        label = name.split(".")[0]
        if label and not label.isdigit():
            by_label.setdefault(label, []).append(name)
    alike = []
    for group in by_label.values():
        full = [name for name in group if not _is_local(name)]
        short = [name for name in group if _is_local(name)]
        alike.append([*short, *full] if len(full) <= 1 else short)
    return alike


def _is_local(name: str) -> bool:
    parts = name.rstrip(".").split(".")
    return len(parts) == 1 or parts[-1] in _LOCAL_ENDINGS


class _Joined:
    """Disjoint sets of names (union–find)."""

    def __init__(self, names: Iterable[str]) -> None:
        self._parent = {name: name for name in names}

    def root(self, name: str) -> str:
        while (parent := self._parent[name]) != name:
            name = self._parent[name] = self._parent[parent]  # a shorter way for the next one
        return name

    def join(self, names: Sequence[str]) -> None:
        for name in names[1:]:
            self._parent[self.root(name)] = self.root(names[0])


# -- histories -------------------------------------------------------------------------------------------------


def _chains(groups: Sequence[Group]) -> list[list[Group]]:
    """Chain names that continue each other, one chain per machine.

    One name continues another when each is the other's nearest, before and after. Two names at the same distance are
    ambiguous and stay separate machines.
    """
    spans = [_desk_span(group) for group in groups]
    known = [k for k, span in enumerate(spans) if span[0] <= span[1]]
    if len(known) > _MOST_NAMES:
        return [[group] for group in groups]
    pairs = [
        (a, b)
        for a, b in permutations(known, 2)
        if spans[a] < spans[b] and spans[a][1] <= spans[b][0] + HANDOVER_US and _agree(groups[a], groups[b])
    ]
    before = {b: _only([a for a, c in pairs if c == b], lambda k: (-spans[k][1], -spans[k][0])) for b in known}
    after = {a: _only([b for c, b in pairs if c == a], lambda k: spans[k]) for a in known}
    chains = []
    for first in range(len(groups)):
        earlier = before.get(first)
        if earlier is not None and after[earlier] == first:
            continue
        chain, at = [groups[first]], first
        while (later := after.get(at)) is not None and before[later] == at:
            chain.append(groups[later])
            at = later
        chains.append(chain)
    return chains


def _only(numbers: Sequence[int], key: Callable[[int], tuple[int, int]]) -> int | None:
    """Return the first number by key, None when two are equal."""
    ordered = sorted(numbers, key=key)
    if not ordered or (len(ordered) > 1 and key(ordered[0]) == key(ordered[1])):
        return None
    return ordered[0]


def _desk_span(group: Group) -> tuple[int, int]:
    """Return the time from the first to the last event of the watchers of windows, away time and input."""
    spans = [bucket.span_us for bucket in group if bucket.stream is not Stream.TAB]
    return min(begin for begin, _ in spans), max(end for _, end in spans)


def _agree(earlier: Group, later: Group) -> bool:
    """Whether two groups may be one machine: equal clients and kinds of program names, where both are known."""
    for what in ("client", "shape"):
        left, right = ({getattr(b, what) for b in g if b.stream is Stream.WINDOW} - {""} for g in (earlier, later))
        if left and right and not left & right:
            return False
    return True


def _has_windows(group: Group) -> bool:
    return any(bucket.stream is Stream.WINDOW for bucket in group)


def _machine(chain: Sequence[Group]) -> Machine:
    return Machine(tuple(sorted((bucket for group in chain for bucket in group), key=newest_first)))


def newest_first(bucket: Bucket) -> tuple[int, int]:
    """Sort key for buckets: the one used last first."""
    begin, end = bucket.span_us
    return -end, -begin
