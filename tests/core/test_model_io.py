"""Model bundles: written whole, read whole, refused with the reason."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from taskclf_tray.core.errors import ModelError, ModelFormatError, ModelIncompatibleError
from taskclf_tray.models.bundle import (
    bundle_problem,
    load_model_bundle,
    read_encoders,
    read_metadata,
    save_model_bundle,
)

GOLDEN = Path(__file__).parents[1] / "data/taskclf_home/models/2026-11-21_082102_run-9643"


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return Path(shutil.copytree(GOLDEN, tmp_path / "models" / GOLDEN.name))


def _edit(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_metadata_of_the_taskclf_tool_round_trips_with_unknown_keys(bundle: Path) -> None:
    _edit(bundle / "metadata.json", zeta={"a": [1]}, alpha=None)
    raw = json.loads((bundle / "metadata.json").read_text())
    data = read_metadata(bundle).model_dump(mode="json")
    assert data == raw
    assert list(data) == list(raw)


def test_golden_bundle_has_no_problem(bundle: Path) -> None:
    assert bundle_problem(bundle) is None


def test_saved_bundle_is_whole_recorded_and_loads(bundle: Path, tmp_path: Path) -> None:
    class Booster:
        def model_to_string(self) -> str:
            return (bundle / "model.txt").read_text()

    metadata = read_metadata(bundle).model_copy(update={"time_basis": "local", "created_at": ""})
    metrics = json.loads((bundle / "metrics.json").read_text())
    encoders = {name: reversed(words) for name, words in read_encoders(bundle, ()).items()}
    saved = save_model_bundle(Booster(), metadata, metrics, metrics["confusion_matrix"], tmp_path / "models", encoders)
    assert [path.name for path in sorted((tmp_path / "models").iterdir())] == sorted([bundle.name, saved.name])
    assert bundle_problem(saved) is None
    forest, loaded, vocabulary = load_model_bundle(saved)
    assert forest.verified
    assert loaded.sha256 == hashlib.sha256((bundle / "model.txt").read_bytes()).hexdigest()
    assert loaded.created is not None
    assert vocabulary == read_encoders(bundle, ())
    assert (saved / "confusion_matrix.csv").read_bytes() == (bundle / "confusion_matrix.csv").read_bytes()


def test_a_failed_save_leaves_nothing(bundle: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        save_model_bundle("tree", read_metadata(bundle), {"macro_f1": float("nan")}, [[1]] * 8, tmp_path / "out", {})
    assert not (tmp_path / "out").exists() or list((tmp_path / "out").iterdir()) == []


def test_an_upper_case_hash_is_the_same_hash(bundle: Path) -> None:
    digest = hashlib.sha256((bundle / "model.txt").read_bytes()).hexdigest()
    _edit(bundle / "metadata.json", sha256=digest.upper())
    assert bundle_problem(bundle) is None
    assert load_model_bundle(bundle)[0].verified


def _write(name: str, data: bytes) -> Callable[[Path], object]:
    return lambda bundle: (bundle / name).write_bytes(data)


def _change(name: str, **changes: Any) -> Callable[[Path], object]:
    return lambda bundle: _edit(bundle / name, **changes)


def _model_line(old: str, new: str) -> Callable[[Path], object]:
    def harm(bundle: Path) -> None:
        path = bundle / "model.txt"
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new, 1))

    return harm


FORMAT = [
    _write("metadata.json", b""),
    _write("metadata.json", b"{"),
    _write("metadata.json", b"[]"),
    _write("metadata.json", b'{"a": 1, "a": 1}'),
    _write("metadata.json", b" " * 2_000_000),
    _write("metadata.json", b"{}"),
    _change("metadata.json", label_set="Build"),
    _change("metadata.json", label_set=["Build", "Build"]),
    _change("metadata.json", label_set=[1]),
    _change("metadata.json", schema_version=3),
    _change("metadata.json", params=[]),
    _change("metadata.json", reject_threshold="0.5"),
    _change("metadata.json", reject_threshold=True),
    _change("metadata.json", reject_threshold=1.5),
    _change("metadata.json", data_provenance="guessed"),
    _change("metadata.json", created_at="once"),
    _change("metadata.json", time_basis="mars"),
    _change("metadata.json", sha256="abc"),
    _change("metadata.json", sha256="0" * 64),
    _change("metadata.json", unknown_category_freq_threshold=-1),
    lambda bundle: (bundle / "metadata.json").unlink(),
    lambda bundle: (bundle / "model.txt").unlink(),
    _model_line("num_class=8", "num_class=9"),
    _model_line("app_entropy_5m", "app_entropy_6m"),
    _write("model.txt", b""),
    lambda bundle: (bundle / "categorical_encoders.json").unlink(),
    _write("categorical_encoders.json", b"{}"),
    _change("categorical_encoders.json", app_id="x"),
    _change("categorical_encoders.json", app_id=["x", 1]),
    _change("categorical_encoders.json", app_id=["x", "x"]),
    _write("categorical_encoders.json", b" " * 9_000_000),
]


@pytest.mark.parametrize("harm", FORMAT, ids=range(len(FORMAT)))
def test_damaged_bundle_is_refused_whole(bundle: Path, harm: Callable[[Path], object]) -> None:
    harm(bundle)
    with pytest.raises(ModelFormatError) as caught:
        load_model_bundle(bundle)
    assert caught.value.title.endswith(".")
    assert bundle_problem(bundle) is not None


@pytest.mark.parametrize(
    "changes",
    [{"schema_hash": "000000000000"}, {"schema_version": "v9"}, {"schema_version": "v2"}, {"label_set": ["A", "B"]}],
)
def test_foreign_bundle_is_incompatible(bundle: Path, changes: dict[str, Any]) -> None:
    _edit(bundle / "metadata.json", **changes)
    with pytest.raises(ModelIncompatibleError):
        load_model_bundle(bundle)
    assert bundle_problem(bundle) is not None


def test_checks_can_be_turned_off_one_by_one(bundle: Path) -> None:
    _edit(bundle / "metadata.json", schema_hash="000000000000")
    assert load_model_bundle(bundle, validate_schema=False)[1].schema_hash == "000000000000"
    with pytest.raises(ModelError):
        load_model_bundle(bundle, validate_labels=False)


@pytest.mark.parametrize("metrics", [b"{}", b"", b'{"macro_f1": true, "weighted_f1": 1}', None])
def test_a_bundle_without_good_metrics_is_not_eligible(bundle: Path, metrics: bytes | None) -> None:
    (bundle / "metrics.json").unlink()
    if metrics is not None:
        (bundle / "metrics.json").write_bytes(metrics)
    assert "metrics.json" in str(bundle_problem(bundle))
