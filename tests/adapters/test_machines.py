"""Which buckets belong together: by hand, and as laws over any buckets in any order under any names."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taskclf_tray.adapters.aw_buckets import parse_bucket, states
from taskclf_tray.adapters.base import Stream, Unread
from taskclf_tray.adapters.machines import HANDOVER_US, Bucket, Selection, select

HOUR_US = 3_600_000_000
quick = settings(max_examples=40)


def bucket(kind: Stream, host: str, hours: tuple[int, int] | None, bucket_id: str = "", **more: Any) -> Bucket:
    first, last = (None, None) if hours is None else (hours[0] * HOUR_US, hours[1] * HOUR_US)
    name = bucket_id or f"{kind.name.lower()}_{host}"
    return Bucket(name, kind, host, kind=kind.value, first_us=first, last_us=last, **more)


def desk(host: str, hours: tuple[int, int], **more: Any) -> list[Bucket]:
    return [bucket(kind, host, hours, **more) for kind in (Stream.WINDOW, Stream.AWAY)]


def names(selection: Selection) -> list[tuple[str, ...]]:
    return [machine.names for machine in selection.machines]


def reasons(selection: Selection) -> dict[str, Unread]:
    return {bucket.bucket_id: reason for bucket, reason in selection.left_out}


# -- names -----------------------------------------------------------------------------------------------------


def test_a_name_that_continues_another_is_the_same_machine() -> None:
    selection = select([*desk("OLD-NAME", (0, 100)), *desk("NEW-NAME", (100, 200)), *desk("NEWEST", (300, 400))])
    assert names(selection) == [("NEWEST", "NEW-NAME", "OLD-NAME")]
    assert not selection.left_out


def test_names_in_use_at_one_time_are_two_machines() -> None:
    assert names(select([*desk("LAPTOP", (0, 100)), *desk("DESK", (90, 200))])) == [("DESK",), ("LAPTOP",)]
    # windows that do not meet, and away time that does: the one computer stood on while the other was used
    found = [
        bucket(Stream.WINDOW, "DESK", (8, 9)),
        bucket(Stream.AWAY, "DESK", (8, 12)),
        *desk("LAPTOP", (9, 11)),
    ]
    assert names(select(found)) == [("LAPTOP",), ("DESK",)]


def test_watchers_restarted_one_after_the_other_run_side_by_side_for_a_moment() -> None:
    old, new = desk("old", (0, 100)), desk("new", (100, 200))
    late = [dataclasses.replace(b, last_us=100 * HOUR_US + HANDOVER_US) for b in old]
    assert names(select([*late, *new])) == [("new", "old")]
    too_late = [dataclasses.replace(b, last_us=100 * HOUR_US + HANDOVER_US + 1) for b in old]
    assert len(select([*too_late, *new]).machines) == 2


def test_other_watchers_or_another_system_are_another_machine() -> None:
    windows = [*desk("a", (0, 9), client="aw-watcher-window"), *desk("b", (9, 20), client="aw-watcher-window-wayland")]
    assert len(select(windows).machines) == 2
    shapes = [*desk("a", (0, 9), shape="exe"), *desk("b", (9, 20), shape="other")]
    assert len(select(shapes).machines) == 2
    assert len(select([*desk("a", (0, 9), shape="exe"), *desk("b", (9, 20))]).machines) == 1


def test_a_name_continues_the_machine_that_ended_last_before_it() -> None:
    found = [*desk("a", (0, 100)), *desk("b", (50, 200)), *desk("c", (250, 300))]
    assert names(select(found)) == [("c", "b"), ("a",)]


@pytest.mark.parametrize("ending", [".local", ".lan", ".fritz.box", ".localdomain", ".HOME", " "])
def test_the_networks_ending_is_no_name(ending: str) -> None:
    assert len(select([*desk("mac", (0, 100)), *desk(f"Mac{ending}", (0, 100))]).machines) == 1


def test_two_full_names_are_two_machines() -> None:
    found = [*desk("build.one.example.com", (0, 9)), *desk("build.two.example.com", (0, 9)), *desk("build", (0, 9))]
    assert len(select(found).machines) == 3
    assert len(select([*desk("build", (0, 9)), *desk("build.one.example.com", (0, 9))]).machines) == 1
    assert len(select([*desk("10.0.0.7", (0, 9)), *desk("10.0.0.8", (0, 9))]).machines) == 2


def test_one_device_id_is_one_machine() -> None:
    found = [*desk("here", (0, 9)), *desk("there", (0, 9)), bucket(Stream.TAB, "there", (0, 1), device_id="d")]
    assert len(select(found).machines) == 2
    assert len(select(found, own_host="here", own_device="d").machines) == 1
    assert len(select(found, own_host="here", own_device="e").machines) == 2
    assert len(select([dataclasses.replace(b, device_id="d") for b in found]).machines) == 1


def test_empty_buckets_of_a_new_name_make_nothing_ambiguous() -> None:
    new = [bucket(Stream.WINDOW, "new", None)]
    selection = select([bucket(Stream.WINDOW, "old", (0, 9)), bucket(Stream.AWAY, "other", (0, 9)), *new])
    assert not selection.left_out
    assert names(selection) == [("old",), ("new",)]


# -- what is loose, and what is left out ------------------------------------------------------------------------


def test_tabs_and_input_without_a_machine_are_loose() -> None:
    found = [
        *desk("here", (0, 9)),
        *desk("there", (0, 9)),
        bucket(Stream.TAB, "unknown", (0, 9)),
        bucket(Stream.TAB, "", (0, 9), "web"),
        bucket(Stream.INPUT, "elsewhere", (0, 9)),
        bucket(Stream.AWAY, "elsewhere", (0, 9), "ambiguous"),
    ]
    selection = select(found)
    assert {b.bucket_id for b in selection.loose} == {"tab_unknown", "web", "input_elsewhere"}
    assert reasons(selection) == {"ambiguous": Unread.NO_WINDOWS}
    assert not select([*desk("here", (0, 9))[:1], found[-1]]).left_out  # of one machine it can only be its own


def test_windows_of_a_nameless_bucket_are_a_machine() -> None:
    found = [*desk("unknown", (0, 9)), bucket(Stream.TAB, "unknown", (0, 9))]
    selection = select(found)
    assert names(selection) == [("unknown",)]
    assert [b.stream for b in selection.loose] == [Stream.TAB]


def test_phones_copies_and_other_types_are_left_out() -> None:
    found = [
        *desk("here", (0, 9)),
        bucket(Stream.WINDOW, "unknown", (0, 9), "aw-watcher-android-test", is_phone=True),
        bucket(Stream.WINDOW, "pixel", (0, 9), is_phone=True),
        bucket(Stream.TAB, "pixel", (0, 9)),
        bucket(Stream.WINDOW, "far", (0, 9), "far-synced-from-far", is_copy=True),
        Bucket("editor", None, "here", kind="app.editor.activity"),
        bucket(Stream.WINDOW, "here", (0, 9), "refused", is_refused=True),
    ]
    assert reasons(select(found)) == {
        "aw-watcher-android-test": Unread.PHONE,
        "window_pixel": Unread.PHONE,
        "tab_pixel": Unread.PHONE,
        "far-synced-from-far": Unread.COPY,
        "editor": Unread.OTHER_TYPE,
        "refused": Unread.REFUSED,
    }


def test_the_machine_that_was_named_and_what_is_nobodys() -> None:
    found = [
        *desk("OLD", (0, 100)),
        *desk("NEW", (100, 200)),
        bucket(Stream.TAB, "unknown", (0, 9)),
        bucket(Stream.WINDOW, "far", (0, 9), "far-synced-from-far", is_copy=True),
    ]
    assert names(select(found, hostname=" old ")) == [("OLD",)]
    assert [b.bucket_id for b in select(found, hostname="old").loose] == ["tab_unknown"]
    assert names(select(found, hostname="far")) == [("far",)]  # nothing but a copy is there, and it was asked for
    assert not select(found, hostname="nobody").machines


# -- laws ------------------------------------------------------------------------------------------------------

hosts = st.sampled_from(["alpha", "beta", "gamma", "unknown", ""])
hours = st.tuples(st.integers(0, 40), st.integers(0, 10)).map(lambda pair: (pair[0], pair[0] + pair[1]))


@st.composite
def any_buckets(draw: st.DrawFn) -> list[Bucket]:
    parts = draw(
        st.lists(
            st.tuples(
                st.sampled_from(Stream),
                hosts,
                st.one_of(st.none(), hours),
                st.booleans(),
                st.sampled_from(["", "x", "y"]),
            ),
            max_size=12,
        )
    )
    return [
        bucket(kind, host, when, f"b{n}", is_phone=phone and n % 3 == 0, client=client)
        for n, (kind, host, when, phone, client) in enumerate(parts)
    ]


def groups(selection: Selection, also: Iterable[str] = ()) -> tuple[set[frozenset[str]], set[str], dict[str, Unread]]:
    machines = {frozenset(b.bucket_id for b in machine.buckets) for machine in selection.machines}
    return machines, {b.bucket_id for b in selection.loose}, reasons(selection)


@quick
@given(any_buckets(), st.randoms(use_true_random=False))
def test_neither_order_nor_letters_decide(found: list[Bucket], rng: Any) -> None:
    before = groups(select(found))
    shuffled = list(found)
    rng.shuffle(shuffled)
    assert groups(select(shuffled)) == before
    others = ["zz", "mm", "aa"]
    rng.shuffle(others)
    renamed = dict(zip(["alpha", "beta", "gamma"], others, strict=True))
    foreign = [dataclasses.replace(b, hostname=renamed.get(b.hostname, b.hostname)) for b in shuffled]
    assert groups(select(foreign)) == before


@quick
@given(any_buckets())
def test_every_bucket_is_somewhere_exactly_once(found: list[Bucket]) -> None:
    selection = select(found)
    placed = [b.bucket_id for b in selection.read] + [b.bucket_id for b, _ in selection.left_out]
    assert sorted(placed) == sorted(b.bucket_id for b in found)
    assert {s.bucket_id for s in states(selection)} == {b.bucket_id for b in found}


@quick
@given(any_buckets())
def test_every_window_of_a_desk_is_read(found: list[Bucket]) -> None:
    read = {b.bucket_id for machine in select(found).machines for b in machine.buckets}
    phones = {b.name for b in found if b.is_phone}
    for one in found:
        if one.stream is Stream.WINDOW and not one.is_phone:
            assert one.bucket_id in read, phones


@quick
@given(any_buckets())
def test_names_of_one_machine_never_overlap(found: list[Bucket]) -> None:
    for machine in select(found).machines:
        spans = [_span(machine.buckets, name) for name in {b.name for b in machine.buckets}]
        known = sorted(span for span in spans if span[0] <= span[1])
        assert all(b[0] >= a[1] - HANDOVER_US for a, b in pairwise(known))


def _span(buckets: Sequence[Bucket], name: str) -> tuple[int, int]:
    spans = [b.span_us for b in buckets if b.name == name and b.stream is not Stream.TAB]
    return min((a for a, _ in spans), default=1), max((b for _, b in spans), default=0)


# -- descriptions ----------------------------------------------------------------------------------------------


def test_what_a_server_says_of_a_bucket() -> None:
    python = {"type": "currentwindow", "hostname": "h", "client": "c", "last_updated": "2026-03-02T09:00:00+00:00"}
    rust = {
        "type": "currentwindow", "hostname": "h", "client": "c", "last_updated": None, "created": None,
        "metadata": {"start": "2026-03-02T08:00:00Z", "end": "2026-03-02T09:00:00Z"}, "data": {"device_id": "d"},
    }  # fmt: skip
    one, two = parse_bucket("w", python), parse_bucket("w", rust)
    assert one is not None
    assert two is not None
    assert one.last_us == two.last_us
    assert (one.first_us, two.first_us) == (None, one.last_us - HOUR_US)
    assert two.device_id == "d"
    assert parse_bucket("w", "text") is None


@pytest.mark.parametrize(
    "item",
    [
        {}, {"type": None, "hostname": None, "client": 7, "data": [], "metadata": "x", "last_updated": 3},
        {"type": "currentwindow", "last_updated": "yesterday", "created": {}, "metadata": {"end": "9999-99-99"}},
    ],
)  # fmt: skip
def test_damaged_descriptions(item: dict[str, Any]) -> None:
    found = parse_bucket("w", item)
    assert found is not None
    assert (found.hostname, found.client, found.last_us) == ("", "", None)
    assert states(select([found]))


@pytest.mark.parametrize(
    ("bucket_id", "client", "is_phone"),
    [
        ("aw-watcher-android-test", "x", True),
        ("aw-watcher-android_aw-import-screentime_ios-iphone", "aw-import-screentime", True),
        ("aw-import-screentime_ios_ios-123", "", True),
        ("w", "aw-android", True),
        ("aw-watcher-window_android-lab", "aw-watcher-window", False),
        ("aw-watcher-window_h", "aw-watcher-window-macos", False),
        ("aw-watcher-window_iphone.local", "aw-watcher-window", False),
    ],
)
def test_a_phones_bucket(bucket_id: str, client: str, is_phone: bool) -> None:
    found = parse_bucket(bucket_id, {"type": "currentwindow", "hostname": "unknown", "client": client})
    assert found is not None
    assert found.is_phone is is_phone


def test_hostile_names_are_passed_over_and_safe_to_show() -> None:
    hostile = ["\ud800", "a\x00\n\x1b[31mb", "x" * 10_000, "", "\u202egnp.exe", "é" * 300]
    found = [parse_bucket(name, {"type": "currentwindow", "hostname": name}) for name in hostile]
    selection = select([b for b in found if b is not None])
    assert reasons(selection) == {"\ud800": Unread.BAD_NAME, "x" * 10_000: Unread.BAD_NAME, "": Unread.BAD_NAME}
    for state in states(selection):
        shown = f"{state.bucket_id}{state.hostname}{state.machine}{state.kind}"
        assert shown.isprintable()
        assert len(shown) < 400
        assert shown.encode()
