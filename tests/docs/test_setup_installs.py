"""The set-up for real, from an index on this machine: what is installed is what is listed, and nothing newer."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from tests.support.environments import load_environment, pins
from tests.support.package_index import PackageIndex

REFUSING_SETUP = "raise SystemExit('a source release was built though there is a wheel')\n"
PROJECT = """
[project]
name = "omega"
[build-system]
requires = ["gamma"]
build-backend = "backend"
backend-path = ["."]
"""
BACKEND = """
import alpha  # what is listed is there to build with
import pathlib, zipfile
INFO = "omega-1.0.dist-info"
FILES = {
    "omega.pth": str(pathlib.Path(__file__).parent),
    f"{INFO}/METADATA": "Metadata-Version: 2.1\\nName: omega\\nVersion: 1.0\\nRequires-Dist: alpha\\n",
    f"{INFO}/WHEEL": "Wheel-Version: 1.0\\nGenerator: tests\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n",
}
def build_editable(wheel_directory, config_settings=None, metadata_directory=None):
    name = "omega-1.0-py3-none-any.whl"
    with zipfile.ZipFile(pathlib.Path(wheel_directory, name), "w") as wheel:
        for path, text in FILES.items():
            wheel.writestr(path, text)
        wheel.writestr(f"{INFO}/RECORD", "".join(f"{path},,\\n" for path in [*FILES, f"{INFO}/RECORD"]))
    return name
"""
ASK_PIP = """
import json, sys
sys.path.insert(0, {folder!r})
import pip
from pip._internal.commands import create_command
options, _ = create_command("install").parse_args([])
answer = {{name: getattr(options, name) for name in ("index_url", "proxy", "retries", "find_links", "cert")}}
print(json.dumps(answer | {{"version": pip.__version__}}))
"""
BOTH = pytest.mark.parametrize("pip", ["oldest", "newest"], indirect=True)


@pytest.fixture
def pip(request: pytest.FixtureRequest) -> Path:
    """The folder of the newest published pip, or of the oldest that this Python ever brought."""
    return Path(sys.prefix) / "apart" / f"pip-{getattr(request, 'param', 'newest')}"


@pytest.fixture
def environment(pip: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The set-up, whose new environments hold that pip instead of the one this Python brings."""
    module = load_environment()

    def create(plan: object) -> None:
        folder = plan.folder  # type: ignore[attr-defined]
        venv.EnvBuilder(clear=True, with_pip=False, symlinks=True).create(folder)
        (site(folder) / "pip.pth").write_text(f"{pip}\n")

    monkeypatch.setattr(module, "create", create)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    return module


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A checkout's folder with a name that is not made for shells."""
    path = tmp_path / "Mein Büro"
    path.mkdir()
    return path


@pytest.fixture
def index(tmp_path: Path) -> PackageIndex:
    return PackageIndex(tmp_path / "index")


@pytest.fixture
def address(index: PackageIndex) -> Iterator[str]:
    with index.served() as address:
        yield address


def site(folder: Path) -> Path:
    return Path(sysconfig.get_path("purelib", vars={"base": str(folder), "platbase": str(folder)}))


def installed(folder: Path) -> dict[str, str]:
    names = [path.name.removesuffix(".dist-info") for path in site(folder).glob("*.dist-info")]
    return {name.partition("-")[0]: name.partition("-")[2] for name in names}


def plan(
    environment: ModuleType, monkeypatch: pytest.MonkeyPatch, folder: Path, listed: str, project: Path | None = None
) -> None:
    """Let `run` be an environment in this folder with one requirement file of these lines."""
    made = environment.Plan("unused", "run.txt", project=project)
    made.folder, made.requirements = folder / ".venv", [folder / "listed.txt"]
    made.requirements[0].write_text(listed)
    monkeypatch.setattr(environment, "PLANS", {"run": made})


@BOTH
def test_the_listed_bytes_are_installed_whatever_is_newer_and_however_pip_is_configured(
    environment: ModuleType,
    index: PackageIndex,
    address: str,
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Extras, markers and requirements that a resolver would look up again: the newest of these have no listed hash."""
    alpha = index.add_wheel("alpha", "1.0", ["beta[fast]>=1", "zeta"])
    alpha += " " + index.add_sdist("alpha", "1.0", REFUSING_SETUP)
    beta = index.add_wheel("beta", "1.0", ["delta>=1 ; extra == 'fast'", "beta[safe]"], ["fast", "safe"])
    delta, epsilon = index.add_wheel("delta", "1.0"), index.add_wheel("epsilon", "1.0")
    old_zeta, zeta = index.add_wheel("zeta", "0.9"), index.add_wheel("zeta", "1.0")
    index.add_wheel("alpha", "1.0", ["gamma"], build="1")  # another build of the listed version: pip prefers it
    for name in ("alpha", "beta", "delta", "epsilon", "gamma", "zeta"):
        index.add_wheel(name, "2.0", ["gamma"], ["fast", "safe"])
    project = folder / "project"
    project.mkdir()
    (project / "backend.py").write_text(BACKEND)
    (project / "pyproject.toml").write_text(PROJECT)
    listed = f"""
alpha==1.0 {alpha}
beta==1.0 {beta}
delta==1.0 {delta}
epsilon==1.0 ; sys_platform == 'nowhere' {epsilon}
zeta==0.9 ; python_full_version < '3.11' {old_zeta}
zeta==1.0 ; python_full_version >= '3.11' {zeta}
"""
    plan(environment, monkeypatch, folder, listed, project=project)
    configure_pip_badly(address, tmp_path, monkeypatch)

    environment.main("run")

    assert installed(folder / ".venv") == {"alpha": "1.0", "beta": "1.0", "delta": "1.0", "zeta": "1.0", "omega": "1.0"}
    assert (site(folder / ".venv") / "alpha.py").read_text() == "VERSION = '1.0'\n"
    assert set(index.fetched) == {f"{name}-1.0-py3-none-any.whl" for name in ("alpha", "beta", "delta", "zeta")}
    assert not (tmp_path / "elsewhere").exists()
    assert environment.is_current("run")


def configure_pip_badly(address: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mirror in a file, as a person may have it, and beside it all that would make pip do something else."""
    (folder / "constraints.txt").write_text("alpha<1\n")
    (folder / "more.txt").write_text("gamma\n")
    elsewhere = folder / "elsewhere"
    (folder / "pip.conf").write_text(
        f"[global]\nindex-url = {address}\nconstraint = {folder}/constraints.txt\nno-binary = :all:\nuser = yes\n"
        f"quiet = 3\npython = {folder}/nowhere\nuse-feature = gone\n"
        f"[install]\ntarget = {elsewhere}\npre = yes\ndry-run = yes\n"
    )
    monkeypatch.setenv("PIP_CONFIG_FILE", str(folder / "pip.conf"))
    monkeypatch.setenv("PIP_REQUIREMENT", str(folder / "more.txt"))
    monkeypatch.setenv("PIP_PREFIX", str(elsewhere))
    monkeypatch.setenv("PIP_NO_DEPS", "no")
    monkeypatch.setenv("PIP_PLATFORM", "win32")
    monkeypatch.setenv("PIP_ONLY_BINARY", ":none:")
    monkeypatch.setenv("PYTHONHOME", str(elsewhere))
    monkeypatch.setenv("PYTHONPATH", str(lent(folder)))


def lent(folder: Path) -> Path:
    """A folder of PYTHONPATH where pip would see a listed package as installed."""
    info = folder / "lent" / "delta-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: delta\nVersion: 1.0\n")
    (info / "RECORD").write_text("delta-1.0.dist-info/METADATA,,\n")
    return info.parent


@pytest.mark.parametrize("kind", ["other bytes", "source"])
def test_what_is_not_listed_or_would_have_to_be_built_is_refused(
    kind: str,
    environment: ModuleType,
    index: PackageIndex,
    address: str,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Building a source release would fetch what it is built with, of which nothing is listed."""
    source = index.add_sdist("alpha", "1.0", "from setuptools import setup\nsetup(name='alpha', version='1.0')\n")
    if kind == "other bytes":
        index.add_wheel("alpha", "1.0")
        source = f"--hash=sha256:{'0' * 64}"
    plan(environment, monkeypatch, folder, f"alpha==1.0 {source}\n")
    monkeypatch.setenv("PIP_INDEX_URL", address)
    with pytest.raises(SystemExit, match=r"^Set-up failed at: .*; running make again"):
        environment.main("run")
    assert installed(folder / ".venv") == {}
    assert index.fetched == ["alpha-1.0-py3-none-any.whl"] * (kind == "other bytes")
    assert not environment.is_current("run")


def test_an_incomplete_list_is_one_sentence_and_no_environment(
    environment: ModuleType, index: PackageIndex, address: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alpha = index.add_wheel("alpha", "1.0", ["delta>=1"])
    plan(environment, monkeypatch, folder, f"alpha==1.0 {alpha}\n")
    monkeypatch.setenv("PIP_INDEX_URL", address)
    with pytest.raises(SystemExit, match=r"^listed.txt does not list all .*: alpha 1.0 requires delta.* Run make lock"):
        environment.main("run")
    assert not environment.is_current("run")


@BOTH
def test_where_packages_come_from_is_the_persons_choice(
    environment: ModuleType, pip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As pip itself reads it: variables first, then the file one of them names, the person's, and the system's."""
    for place, lines in {
        "etc": "[global]\nindex_url = system\nproxy = system\ncert = system\n[install]\nretries = 7\n",
        "home": "[global]\nindex-url = person\nproxy = person\nretries = 6\nno-binary = :all:\ncert =\n"
        "find-links =\n  a\n  b\n",
    }.items():
        (tmp_path / place / "pip").mkdir(parents=True)
        (tmp_path / place / "pip" / "pip.conf").write_text(lines)
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_DIRS", str(tmp_path / "etc"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PIP_PROXY", "variable")
    monkeypatch.setenv("PIP_TARGET", "elsewhere")
    monkeypatch.setenv("PIP_TIMEOUT", "")

    settings = {name: value for name, value in environment.pip_settings.environment().items() if name[:4] == "PIP_"}

    asked = [sys.executable, "-c", ASK_PIP.format(folder=str(pip))]
    said = json.loads(subprocess.run(asked, capture_output=True, text=True, check=True).stdout)
    assert said["version"] in pins(f"{pip.name}.txt")["pip"]
    assert said["index_url"] == settings.pop("PIP_INDEX_URL") == "person"
    assert said["proxy"] == settings.pop("PIP_PROXY") == "variable"
    assert (said["retries"], settings.pop("PIP_RETRIES")) == (7, "7")
    assert said["find_links"] == settings.pop("PIP_FIND_LINKS").split() == ["a", "b"]
    assert said["cert"] is settings.pop("PIP_CERT", None) is None
    assert settings == environment.pip_settings.FIXED
