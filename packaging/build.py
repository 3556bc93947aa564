"""Builds the bundle: the application and its own Python in one folder, for machines without Python.

usage: build.py [--edition full|core] [--out dist] [--compare]

It runs in `.venv-bundle` (`make bundle`), whose lock pins PyInstaller too. The bundle of the platform it runs on is
made, its libraries are stripped, `taskclf-tray selftest` of the result is run, and beside the folder are written
SHA-256 sums of its files and a list of what it holds (CycloneDX). `--compare` builds twice and names the files that
differ.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.metadata
import json
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import time
import tomllib
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from packaging.utils import canonicalize_name
from packaging.version import Version

from packaging.requirements import Requirement
from taskclf_tray.ui.icon import draw_app_icon

ROOT: Final = Path(__file__).resolve().parents[1]
LOCK: Final = ROOT / "packaging" / "requirements" / "bundle.txt"
SPEC: Final = ROOT / "packaging" / "bundle" / "taskclf_tray.spec"
NAME: Final = "taskclf-tray"
PROGRAM: Final = f"{NAME}.exe" if os.name == "nt" else NAME
EXTRAS: Final = {"full": ("train",), "core": ()}
"""What an edition holds beside the dependencies of pyproject.toml."""

TRAINING: Final = ("joblib", "lightgbm", "matplotlib", "narwhals", "scipy", "sklearn", "threadpoolctl")
NEVER: Final = (
    "pandas", "pyarrow",  # Parquet: 180 MB
    "PIL._avif", "PIL._webp", "PIL._imagingcms", "PIL._imagingmath", "PIL._imagingtk", "PIL.ImageTk", "PIL.ImageQt",
    "IPython", "_pytest", "cairo", "curses", "gi", "pip", "pydoc_data", "pytest", "readline",
    "pydantic.v1", "setuptools", "tkinter",
    "scipy.cluster", "scipy.datasets", "scipy.io", "scipy.odr", "scipy.signal",
    "sklearn._loss", "sklearn.cluster", "sklearn.datasets", "sklearn.decomposition", "sklearn.ensemble",
    "sklearn.feature_extraction", "sklearn.linear_model", "sklearn.manifold", "sklearn.neighbors", "sklearn.svm",
    "sklearn.tree",
)  # fmt: skip
NUMPY_OPTIONS: Final = ("allow-noblas=true", "blas=none", "lapack=none", "cpu-dispatch=none", "disable-svml=true")
UNUSED: Final = re.compile(
    r"""(?x)
    /tests?/ | ^share/ | \.(pyi?|pyx|pxd|lib|a|h|f90|pyf)$
    | (^|/)lib(avif|webp|lcms|sharpyuv|webpmux|webpdemux)[-.\d]
    | sklearn/datasets/(data|descr|images)/
    | matplotlib/mpl-data/(images|plot_directive|sample_data|stylelib)
    | matplotlib/mpl-data/fonts/(afm|pdfcorefonts|ttf/(STIX|cm|DejaVuSerif|DejaVuSansMono))
    """
)
"""Files that packages bring and nothing here reads."""


def main() -> None:
    """Build what the command line asks for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--edition", choices=list(EXTRAS), default="full")
    parser.add_argument("--out", type=Path, default=ROOT / "dist")
    parser.add_argument("--compare", action="store_true", help="build twice, and name the files that differ")
    options = parser.parse_args()
    folder = options.out.resolve() / f"{NAME}-{options.edition}"
    build(options.edition, folder)
    write_inventory(options.edition, folder)
    selftest(options.edition, folder)
    print(f"{folder}: {size_mb(folder):.0f} MB", flush=True)
    if options.compare:
        again = options.out.resolve() / f"{NAME}-{options.edition}-again"
        build(options.edition, again)
        different = sorted(differences(folder, again))
        print("The same, byte for byte." if not different else "Different: " + ", ".join(different))


def own_version() -> Version:
    """The version in taskclf_tray/__init__.py."""
    text = (ROOT / "taskclf_tray" / "__init__.py").read_text(encoding="utf-8")
    found = re.search(r'^__version__ = "(.+)"', text, re.MULTILINE)
    assert found is not None
    return Version(found[1])


# -- which files -------------------------------------------------------------------------------------------------


def excluded(edition: str) -> list[str]:
    """The modules an edition leaves out."""
    return [*NEVER, *(() if edition == "full" else TRAINING)]


def is_wanted(name: str) -> bool:
    """Whether a file of a package goes into the bundle; `name` is its place there."""
    return UNUSED.search(name.replace(os.sep, "/")) is None


def write_icon(folder: Path) -> Path:
    """Draw the icon of the Windows programs into a file of this folder."""
    path = folder / f"{NAME}.ico"
    draw_app_icon(256).save(path)
    return path


# -- the build ---------------------------------------------------------------------------------------------------


def build(edition: str, folder: Path) -> None:
    """Make the bundle `folder` anew."""
    work = ROOT / "build" / edition
    shutil.rmtree(work, ignore_errors=True)
    shutil.rmtree(folder, ignore_errors=True)
    command = [sys.executable, "-m", "PyInstaller", "--noconfirm", "--log-level", "WARN", str(SPEC)]
    command += ["--distpath", str(work / "dist"), "--workpath", str(work)]
    subprocess.run(command, env=build_environment(edition), check=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    shutil.move(work / "dist" / NAME, folder)
    if sys.platform == "linux":
        for path in libraries(folder):
            strip(path)


def small_numpy() -> Path | None:
    """A folder with the pinned numpy, built without OpenBLAS and for every processor alike: 33 MB less in a bundle.

    Nothing that is predicted needs either, and SciPy brings an OpenBLAS of its own for what is trained. It is built
    once for each version. None without a C compiler: then the bundle takes the numpy that is installed.
    """
    block = next(block for block in blocks_of_lock() if block.startswith("numpy=="))
    folder = ROOT / "build" / block.split()[0].replace("==", "-")
    if folder.is_dir():
        return folder
    if shutil.which("cc") is None or shutil.which("c++") is None:
        print("There is no C compiler, so the bundle takes numpy as it is published, which is larger.", flush=True)
        return None
    with tempfile.TemporaryDirectory() as beside_it:
        listed = Path(beside_it) / "numpy.txt"
        listed.write_text(block, encoding="utf-8")
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--require-hashes"]
        command += ["--no-binary", "numpy", "--no-build-isolation", "--target", f"{folder}.new", "-r", str(listed)]
        command += [word for option in NUMPY_OPTIONS for word in ("-C", f"setup-args=-D{option}")]
        programs = {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
        subprocess.run(command, env={**os.environ, **programs}, check=True)
    Path(f"{folder}.new").rename(folder)
    return folder


def build_environment(edition: str) -> dict[str, str]:
    """The environment of PyInstaller: a fixed time and hash seed, so that a second build gives the same files."""
    numpy = small_numpy() if sys.platform == "linux" else None
    return {
        **os.environ,
        **({} if numpy is None else {"PYTHONPATH": str(numpy)}),
        "TASKCLF_EDITION": edition,
        "PYTHONHASHSEED": "0",
        "PYSTRAY_BACKEND": "dummy",  # else looking at pystray opens the display
        "SOURCE_DATE_EPOCH": str(source_date()),
    }


def source_date() -> int:
    """SOURCE_DATE_EPOCH, else the time of the newest commit, else now; seconds since 1970."""
    if given := os.environ.get("SOURCE_DATE_EPOCH"):
        return int(given)
    asked = subprocess.run(
        ["git", "log", "-1", "--format=%ct"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.strip()
    return int(asked) if asked else int(time.time())


def libraries(folder: Path) -> list[Path]:
    """The ELF files of a bundle except the program, which carries the modules behind its end."""
    found = (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink() and path.name != PROGRAM)
    return sorted(path for path in found if _begins_as_elf(path))


def _begins_as_elf(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(5) == b"\x7fELF\x02"


def strip(path: Path) -> None:
    """Remove the symbols of a library, unless that would break it.

    auditwheel has moved the segments of the libraries in wheels; `strip` puts some of them where no loader takes them.
    """
    stripped = path.with_name(f"{path.name}.stripped")
    command = ["strip", "--strip-unneeded", "-o", str(stripped), str(path)]
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode == 0 and is_loadable(stripped.read_bytes()):
        shutil.copymode(path, stripped)
        stripped.replace(path)
    else:
        stripped.unlink(missing_ok=True)


def is_loadable(elf: bytes) -> bool:
    """Whether every loaded segment of a 64-bit ELF file lies in the file as it will lie in memory, modulo its page."""
    offset, size, count = struct.unpack_from("<Q", elf, 32)[0], *struct.unpack_from("<HH", elf, 54)
    for k in range(count):
        kind, _, at, address, _, _, _, page = struct.unpack_from("<IIQQQQQQ", elf, offset + k * size)
        if kind == 1 and page > 1 and (at - address) % page:
            return False
    return True


def selftest(edition: str, folder: Path) -> None:
    """Run `taskclf-tray selftest` of a bundle; leave when a part fails, or the full edition cannot train."""
    done = subprocess.run([str(folder / PROGRAM), "selftest", "--json"], capture_output=True, text=True, check=False)
    sys.stdout.write(done.stdout)
    sys.stderr.write(done.stderr)
    if done.returncode != 0:
        sys.exit(f"The self-test of {folder} failed.")
    verdicts = {result["subject"]: result["verdict"] for result in json.loads(done.stdout)}
    if edition == "full" and verdicts["Training"] != "ok":
        sys.exit(f"{folder} cannot train.")


# -- what it holds -----------------------------------------------------------------------------------------------


def write_inventory(edition: str, folder: Path) -> None:
    """Write the licences of what it holds into the bundle; beside it its list (CycloneDX) and the sums of its files."""
    held = distributions(edition)
    texts = [f"{'=' * 80}\n{each.name} {each.version}\n{'=' * 80}\n{licence(each)}\n" for each in held]
    (folder / "THIRD_PARTY_LICENSES.txt").write_text("\n".join(texts), encoding="utf-8")
    bill = bill_of_materials(
        edition, held, {p.relative_to(folder).as_posix(): sha256(p) for p in own_libraries(folder)}
    )
    beside(folder, ".cdx.json").write_text(json.dumps(bill, indent=2) + "\n", encoding="utf-8")
    beside(folder, ".sha256").write_text(sums(folder), encoding="utf-8")


def beside(folder: Path, suffix: str) -> Path:
    """The file of that name beside a bundle."""
    return folder.with_name(folder.name + suffix)


def distributions(edition: str) -> list[importlib.metadata.Distribution]:
    """The installed packages that an edition needs, directly or by one that it needs, by name."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = [*project["dependencies"], *(line for e in EXTRAS[edition] for line in project["optional-dependencies"][e])]
    waiting = [(Requirement(line), "") for line in lines]
    found: dict[str, importlib.metadata.Distribution] = {}
    seen: set[tuple[str, str]] = set()
    while waiting:
        need, extra = waiting.pop()
        name = canonicalize_name(need.name)
        if need.marker is not None and not need.marker.evaluate({"extra": extra}):
            continue
        for wanted in {"", *need.extras} - {part for other, part in seen if other == name}:
            seen.add((name, wanted))
            found[name] = importlib.metadata.distribution(name)
            waiting += [(Requirement(line), wanted) for line in found[name].requires or ()]
    return [found[name] for name in sorted(found)]


def licence(distribution: importlib.metadata.Distribution) -> str:
    """The texts of its licence files, else what its metadata says."""
    names = [path for path in distribution.files or () if re.search(r"(?i)licen[cs]e|copying|notice", path.name)]
    texts = [Path(str(path.locate())).read_text(encoding="utf-8", errors="replace") for path in sorted(names)
             if path.suffix in ("", ".txt", ".md", ".rst", ".APACHE", ".BSD")]  # fmt: skip
    return "\n".join(texts) or licence_name(distribution)


def licence_name(distribution: importlib.metadata.Distribution) -> str:
    """The name of its licence by its metadata; empty where there is none, or a whole text."""
    said = distribution.metadata.json
    names = [str(said.get(key, "")) for key in ("license_expression", "license")]
    return next((name for name in names if name and len(name) < 80), "")


def own_libraries(folder: Path) -> list[Path]:
    """The shared libraries that come from this system and from no wheel: those beside the packages."""
    return sorted(path for path in (folder / "_internal").glob("*.so*") if not path.is_symlink())


def bill_of_materials(
    edition: str, held: list[importlib.metadata.Distribution], system_libraries: dict[str, str]
) -> dict[str, Any]:
    """The list of a bundle as CycloneDX 1.6: Python, the pinned packages with their hashes in the lock, and libraries.

    Args:
        edition: `full` or `core`.
        held: the packages in it.
        system_libraries: of each library of the system its place in the bundle, and its SHA-256.
    """
    root = {"type": "application", "bom-ref": NAME, "name": NAME, "version": str(own_version()), "description": edition}
    components: list[dict[str, Any]] = [_python()]
    components += [_component(each, pinned_hashes()) for each in held]
    components += [
        {"type": "file", "bom-ref": name, "name": name, "hashes": [{"alg": "SHA-256", "content": digest}]}
        for name, digest in sorted(system_libraries.items())
    ]
    digest = json.dumps([root, components], sort_keys=True)
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_OID, digest)}",
        "version": 1,
        "metadata": {"timestamp": datetime.fromtimestamp(source_date(), UTC).isoformat(), "component": root},
        "components": components,
        "dependencies": [{"ref": NAME, "dependsOn": [each["bom-ref"] for each in components]}],
    }


def _python() -> dict[str, Any]:
    version = ".".join(map(str, sys.version_info[:3]))
    licence = [{"license": {"id": "PSF-2.0"}}]
    return {"type": "platform", "bom-ref": "python", "name": "CPython", "version": version, "licenses": licence}


def _component(distribution: importlib.metadata.Distribution, hashes: dict[str, list[str]]) -> dict[str, Any]:
    name = canonicalize_name(distribution.name)
    link = f"pkg:pypi/{name}@{distribution.version}"
    found: dict[str, Any] = {"type": "library", "bom-ref": link, "name": name, "version": distribution.version}
    found["purl"] = link
    if said := licence_name(distribution):
        found["licenses"] = [{"license": {"name": said}}]
    pins = hashes.get(f"{name}=={distribution.version}", [])
    if pins:
        found["properties"] = [{"name": "pip:hash", "value": f"sha256:{pin}"} for pin in pins]
    return found


def pinned_hashes() -> dict[str, list[str]]:
    """Of each pin (`name==version`) of the lock the SHA-256 of the files it may be."""
    return {block.split()[0]: re.findall(r"sha256:(\w+)", block) for block in blocks_of_lock()}


def blocks_of_lock() -> list[str]:
    """The pins of the lock, each with its hashes."""
    return re.split(r"^(?=[A-Za-z0-9])", LOCK.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]


def sums(folder: Path) -> str:
    """A line for each file of a folder, as `sha256sum --check` reads it."""
    return "".join(f"{sha256(folder / name)}  {folder.name}/{name}\n" for name in files(folder))


def sha256(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def files(folder: Path) -> list[str]:
    """The files below a folder, links left out, sorted."""
    found = (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return sorted(path.relative_to(folder).as_posix() for path in found)


def differences(one: Path, other: Path) -> Iterator[str]:
    """The files of two bundles that are not the same."""
    for name in sorted({*files(one), *files(other)} - {"THIRD_PARTY_LICENSES.txt"}):
        first, second = one / name, other / name
        if not first.is_file() or not second.is_file() or first.read_bytes() != second.read_bytes():
            yield name


def size_mb(folder: Path) -> float:
    """The size of its files, links counted once, in MB (10⁶ bytes)."""
    return sum((folder / name).stat().st_size for name in files(folder)) / 1e6


if __name__ == "__main__":
    main()
