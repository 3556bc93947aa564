"""The file of a personal head: what is written is what is served, and no damaged one is served in part."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from taskclf_tray.core.errors import HeadError
from taskclf_tray.core.types import PROGRAM_BUCKETS, WORD_BUCKETS, WordSeconds
from taskclf_tray.infer.head import PersonalHead
from taskclf_tray.models.head_files import (
    MAX_HEAD_BYTES,
    HeadEntry,
    as_written,
    head_of_entry,
    load_head,
    save_head,
)
from tests.support.heads import FITTED_AT, some_head, with_secret


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return with_secret(tmp_path)


def saved(home: Path, head: PersonalHead | None = None) -> HeadEntry:
    return save_head(head or some_head(), home, fitted_at=FITTED_AT, labelled_minutes=37)


def words_of(head: PersonalHead) -> list[WordSeconds]:
    return [((int(bucket), 20 + place),) for place, bucket in enumerate(head.buckets)] + [(), ((4607, 60),)]


def test_what_is_written_is_read_back_and_scores_the_same_bits(home: Path) -> None:
    head = some_head(known=300)
    stored = head_of_entry(home, saved(home, head))
    words, rounded = words_of(head), as_written(head)
    for name in ("own", "context"):
        assert np.array_equal(getattr(stored.head.scores(words), name), getattr(rounded.scores(words), name))
        assert np.allclose(getattr(stored.head.scores(words), name), getattr(head.scores(words), name), rtol=1e-5)
    assert (stored.head.head_power, stored.head.forest_power) == (0.4, 0.3)
    assert (stored.labelled_minutes, stored.fitted_at) == (37, FITTED_AT.isoformat())
    assert np.array_equal(as_written(rounded).own, rounded.own)


def test_the_file_is_private_and_named_by_its_content(home: Path) -> None:
    entry = saved(home)
    path = home / entry.file
    assert path.stat().st_mode & 0o777 == 0o600
    assert hashlib.sha256(path.read_bytes()).hexdigest() == entry.sha256
    assert path.name == f"{entry.sha256[:16]}.json"
    before = path.stat()
    assert saved(home) == entry
    assert path.stat().st_mtime_ns == before.st_mtime_ns
    path.write_bytes(b"{}")
    assert saved(home) == entry
    assert head_of_entry(home, entry).head.digest == entry.sha256
    assert len(list(path.parent.iterdir())) == 1


def test_a_head_that_knows_every_bucket_fits(home: Path) -> None:
    head = some_head(known=WORD_BUCKETS + PROGRAM_BUCKETS)
    path = home / saved(home, head).file
    assert path.stat().st_size < MAX_HEAD_BYTES / 2


def test_a_head_without_buckets_is_one(home: Path) -> None:
    stored = head_of_entry(home, saved(home, some_head(known=0)))
    assert stored.head.scores([((7, 60),)]).own.tolist() == [[0.0] * 8]


def changed(**keys: Any) -> Callable[[dict[str, Any]], object]:
    return lambda content: content.update(keys)


DAMAGED: list[tuple[Callable[[dict[str, Any]], object], str]] = [
    (changed(head_version="v2"), "head_version"),
    (changed(secret_check="no"), "secret_check"),
    (changed(fitted_at="yesterday"), "fitted_at"),
    (changed(labelled_minutes=-1), "labelled_minutes"),
    (changed(labelled_minutes=True), "labelled_minutes"),
    (lambda content: content["label_set"].reverse(), "label_set"),
    (lambda content: content.pop("label_set"), "label_set"),
    (changed(head_power=-0.1), "head_power"),
    (changed(forest_power=1e9), "forest_power"),
    (changed(forest_power="0.3"), "forest_power"),
    (lambda content: content["bias"].pop(), "bias"),
    (lambda content: content["bias"].__setitem__(2, None), "bias"),
    (lambda content: content["buckets"].reverse(), "buckets"),
    (lambda content: content["buckets"].__setitem__(1, content["buckets"][0]), "buckets"),
    (lambda content: content["buckets"].__setitem__(4, 4608), "buckets"),
    (lambda content: content["buckets"].__setitem__(0, -1), "buckets"),
    (lambda content: content["buckets"].__setitem__(0, 1.5), "buckets"),
    (lambda content: content["buckets"].pop(), "idf has 5 entries for 4 buckets"),
    (lambda content: content["idf"].pop(), "idf has 4 entries for 5 buckets"),
    (lambda content: content["idf"].__setitem__(0, 0), "idf"),
    (lambda content: content["own"].pop(), "own has 4 entries"),
    (lambda content: content["own"][1].pop(), "own"),
    (lambda content: content["context"][4].append(0.1), "context"),
    (lambda content: content["context"][4].__setitem__(7, 1e300), "context"),
    (changed(words=["meeting"]), "words is not known"),
]


@pytest.mark.parametrize(("damage", "said"), DAMAGED, ids=range(len(DAMAGED)))
def test_a_damaged_head_is_refused_as_a_whole(
    home: Path, damage: Callable[[dict[str, Any]], object], said: str
) -> None:
    path = home / saved(home).file
    content = json.loads(path.read_text())
    damage(content)
    path.write_text(json.dumps(content))
    with pytest.raises(HeadError) as raised:
        load_head(path, hashlib.sha256(path.read_bytes()).hexdigest())
    assert str(path) in raised.value.title
    assert said in raised.value.title
    assert raised.value.title.count(". ") == 0
    assert raised.value.next_step


BYTES: list[tuple[bytes, str]] = [
    (b"", "is empty"),
    (b"[]", "a list"),
    (b"{", "not valid JSON"),
    (b"\xff\xfe", "not UTF-8"),
    (b'{"bias": [NaN]}', "NaN"),
    (b'{"bias": [1e999]}', "too large"),
    (b" " * (MAX_HEAD_BYTES + 1), "bytes, more than"),
]


@pytest.mark.parametrize(("data", "said"), BYTES, ids=range(len(BYTES)))
def test_what_is_no_head_is_refused(home: Path, data: bytes, said: str) -> None:
    path = home / "head.json"
    path.write_bytes(data)
    with pytest.raises(HeadError, match=said):
        load_head(path, hashlib.sha256(data).hexdigest())


def test_every_cut_of_the_file_is_refused(home: Path) -> None:
    path = home / saved(home).file
    whole = path.read_bytes()
    for length in range(0, len(whole) - 2, 7):
        path.write_bytes(whole[:length])
        with pytest.raises(HeadError):
            load_head(path, hashlib.sha256(whole[:length]).hexdigest())


def test_another_file_than_the_policy_names_is_refused(home: Path) -> None:
    entry = saved(home)
    other = home / saved(home, some_head(seed=2)).file
    (home / entry.file).write_bytes(other.read_bytes())
    with pytest.raises(HeadError, match="is not the file that the policy names"):
        head_of_entry(home, entry)
    (home / entry.file).unlink()
    with pytest.raises(HeadError, match="is missing"):
        head_of_entry(home, entry)


def test_a_head_of_another_secret_is_refused(home: Path, tmp_path: Path) -> None:
    entry = saved(home)
    other = tmp_path / "other"
    (other / entry.file).parent.mkdir(parents=True)
    (other / entry.file).write_bytes((home / entry.file).read_bytes())
    with pytest.raises(HeadError, match="has no title secret"):
        head_of_entry(other, entry)
    (other / "data/processed").mkdir(parents=True)
    (other / "data/processed/.title_secret").write_text("6b" * 32)
    with pytest.raises(HeadError, match="another installation"):
        head_of_entry(other, entry)
    (other / "data/processed/.title_secret").write_text("short")
    with pytest.raises(HeadError, match="is damaged"):
        head_of_entry(other, entry)
    text = (home / entry.file).read_text()
    assert (home / "data/processed/.title_secret").read_text() not in text


def test_a_head_outside_the_home_is_refused(home: Path) -> None:
    entry = saved(home / "inner") if with_secret(home / "inner") else None
    assert entry is not None
    (home / "tray").mkdir(exist_ok=True)
    (home / "tray/heads").symlink_to(home.parent)
    with pytest.raises(HeadError, match="leads out of it"):
        head_of_entry(home, entry)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e9])
def test_what_cannot_be_served_is_not_written(home: Path, value: float) -> None:
    head = some_head()
    head.own[2, 3] = value
    with pytest.raises(HeadError, match="own"):
        saved(home, head)
    assert not (home / "tray/heads").exists()
