"""What decides the content of bundles and packages; the bundle itself takes minutes: `make bundle` tests it."""

from __future__ import annotations

import itertools
import json
import struct
import subprocess
from pathlib import Path

import pytest
from packaging.version import Version

import build
import installers
from taskclf_tray import __version__
from tests.support.environments import ROOT, pins


def test_versions_of_packages_are_ordered_as_versions_of_python_are() -> None:
    versions = ["0.2.0.dev3", "0.2.0a1", "0.2.0b2", "0.2.0rc1", "0.2.0", "0.2.0+local", "0.2.0.post1", "0.2.1"]
    made = [installers.package_version(Version(version)) for version in versions]
    assert made[3:5] == ["0.2.0~rc1", "0.2.0"]
    made.remove("0.2.0~dev3")  # dpkg orders by letters what has a tilde
    for older, newer in itertools.pairwise(made):
        subprocess.run(["dpkg", "--compare-versions", older, "lt", newer], check=True)
    assert str(build.own_version()) == __version__


def test_an_edition_holds_what_it_needs_and_the_lock_has_it() -> None:
    locked = pins("bundle.txt")
    full, core = ({each.name.lower(): each.version for each in build.distributions(name)} for name in ("full", "core"))
    training = {"lightgbm", "matplotlib", "scikit-learn", "scipy"}
    assert training <= set(full)
    assert not {"pandas", "pyarrow", "pyinstaller"} & set(full)
    assert set(core) < set(full)
    assert not training & set(core)
    assert {name: version for name, version in full.items() if version not in locked[name.replace("_", "-")]} == {}


def test_files_that_nothing_reads_stay_out() -> None:
    fonts = "matplotlib/mpl-data/fonts"
    wanted = ["numpy/_core/_multiarray_umath.so", f"{fonts}/ttf/DejaVuSans.ttf", "taskclf_tray/ui/masks.png"]
    unused = ["numpy/tests/data.csv", "scipy/special/x.pyx", f"{fonts}/afm/a.afm", "pillow.libs/libavif-1.so"]
    assert [name for name in wanted + unused if build.is_wanted(name)] == wanted
    assert set(build.excluded("core")) - set(build.excluded("full")) == set(build.TRAINING)


def test_the_list_of_a_bundle_names_everything_and_is_the_same_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    held = build.distributions("core")
    bill = build.bill_of_materials("core", held, {"_internal/libssl.so.3": "0" * 64})
    assert bill == json.loads(json.dumps(build.bill_of_materials("core", held, {"_internal/libssl.so.3": "0" * 64})))
    assert (bill["bomFormat"], bill["specVersion"], bill["metadata"]["timestamp"]) == (
        "CycloneDX", "1.6", "2023-11-14T22:13:20+00:00",
    )  # fmt: skip
    by_name = {component["name"]: component for component in bill["components"]}
    assert {"CPython", "numpy", "pydantic", "_internal/libssl.so.3"} <= set(by_name)
    assert by_name["numpy"]["purl"] == f"pkg:pypi/numpy@{by_name['numpy']['version']}"
    libraries = [component for component in bill["components"] if component["type"] == "library"]
    assert [each["name"] for each in libraries if not each.get("properties") or not each.get("licenses")] == []
    assert bill["dependencies"][0]["dependsOn"] == [component["bom-ref"] for component in bill["components"]]


def elf(offset: int, address: int) -> bytes:
    """The head of a 64-bit ELF file with one loaded segment."""
    head = b"\x7fELF\x02\x01\x01" + bytes(25) + struct.pack("<Q", 64) + bytes(14) + struct.pack("<HH", 56, 1)
    return head.ljust(64, b"\0") + struct.pack("<IIQQQQQQ", 1, 5, offset, address, address, 9, 9, 4096)


def test_a_library_whose_segments_were_moved_is_seen() -> None:
    assert build.is_loadable(elf(4096, 8192))
    assert not build.is_loadable(elf(4097, 8192))


def test_two_bundles_are_compared_and_summed(tmp_path: Path) -> None:
    for name, text in (("one", "same"), ("two", "same")):
        (tmp_path / name / "_internal").mkdir(parents=True)
        (tmp_path / name / "_internal" / "a.so").write_text(text)
    assert list(build.differences(tmp_path / "one", tmp_path / "two")) == []
    (tmp_path / "two" / "b").write_text("more")
    (tmp_path / "two" / "_internal" / "a.so").write_text("else")
    assert list(build.differences(tmp_path / "one", tmp_path / "two")) == ["_internal/a.so", "b"]
    (tmp_path / "one.sha256").write_text(build.sums(tmp_path / "one"))
    subprocess.run(["sha256sum", "--check", "--quiet", "one.sha256"], cwd=tmp_path, check=True)


def test_packages_hold_the_bundle_and_what_a_desktop_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    bundle, share = tmp_path / "bundle", tmp_path / "share"
    (bundle / "_internal").mkdir(parents=True)
    (bundle / "_internal" / "a.so").write_bytes(b"\x7fELF\x02" + b"GLIBC_2.9\0GLIBC_2.34\0GLIBC_2.4\0")
    installers.stage_share(share)
    config = installers.nfpm_config(bundle, share)
    assert config["depends"] == ["libc6 (>= 2.34)"]
    assert config["overrides"]["rpm"]["depends"] == ["glibc >= 2.34"]
    placed = {entry["dst"] for entry in config["contents"]}
    assert {"/usr/lib/taskclf-tray", "/usr/bin/taskclf-tray", "/usr/share/doc/taskclf-tray/copyright"} <= placed
    assert "/usr/share/icons/hicolor/48x48/apps/taskclf-tray.png" in placed
    assert not any("autostart" in place for place in placed)
    subprocess.run(["desktop-file-validate", str(share / "applications/taskclf-tray.desktop")], check=True)
    metainfo = share / "metainfo/org.taskclf.tray.metainfo.xml"
    subprocess.run(["appstreamcli", "validate", "--no-net", str(metainfo)], check=True)


def test_the_bundle_is_made_from_the_versions_that_are_tested() -> None:
    run, bundle = pins("run.txt"), pins("bundle.txt")
    assert {name: versions for name, versions in bundle.items() if name in run and versions != run[name]} == {}
    assert ".venv-bundle/\n" in (ROOT / ".gitignore").read_text()
