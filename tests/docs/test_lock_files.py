"""The requirement files are complete: for every supported Python and system, and as they are installed here."""

from __future__ import annotations

import importlib.metadata
import itertools
import re
import sysconfig
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import pytest
from packaging.markers import default_environment
from packaging.utils import canonicalize_name

from packaging.requirements import Requirement
from tests.conftest import AW_SERVER_PYTHON
from tests.support.environments import PYTHONS, REQUIREMENTS, ROOT

SYSTEMS = [("linux", "Linux", "x86_64"), ("darwin", "Darwin", "arm64"), ("win32", "Windows", "AMD64")]
ENVIRONMENTS = {".venv": "dev.txt", ".venv-aw": "aw-server.txt"}


def listed(file: str) -> list[Requirement]:
    """The entries of a requirement file, without their hashes."""
    lines = (REQUIREMENTS / file).read_text(encoding="utf-8").splitlines()
    return [Requirement(line.removesuffix("\\")) for line in lines if re.match(r"[a-z0-9]", line)]


def marker_environments() -> list[dict[str, str]]:
    """What markers are asked about, for each supported Python and system."""
    here = {name: str(value) for name, value in default_environment().items()}
    return [
        {
            **here,
            "python_version": python,
            "python_full_version": f"{python}.1",
            "implementation_version": f"{python}.1",
            "sys_platform": system,
            "platform_system": name,
            "platform_machine": machine,
            "os_name": "nt" if system == "win32" else "posix",
        }
        for python, (system, name, machine) in itertools.product(PYTHONS, SYSTEMS)
    ]


def site(environment: str) -> str:
    """Where the packages of an environment lie."""
    if environment == ".venv":
        return sysconfig.get_path("purelib")
    folder = str(AW_SERVER_PYTHON.parents[1])
    return sysconfig.get_path("purelib", vars={"base": folder, "platbase": folder})


@dataclass(frozen=True)
class Installed:
    version: str
    needs: tuple[Requirement, ...]


def installed(environment: str) -> dict[str, Installed]:
    found = importlib.metadata.distributions(path=[site(environment)])
    return {
        canonicalize_name(each.metadata["Name"]): Installed(each.version, tuple(map(Requirement, each.requires or ())))
        for each in found
    }


def project_needs(file: str) -> list[Requirement]:
    """What pyproject.toml or the .in file says the list was made from."""
    if file == "aw-server.txt":
        lines = (REQUIREMENTS / "aw-server.in").read_text(encoding="utf-8").splitlines()
        return [Requirement(line) for line in lines if not line.startswith("#")]
    tables = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    groups, project = tables["dependency-groups"], tables["project"]
    group = groups["build"] + (groups["dev"] if file == "dev.txt" else [])
    lines = [line for line in group if isinstance(line, str)]
    extras = project["optional-dependencies"]["train"] + project["optional-dependencies"]["parquet"]
    return [Requirement(line) for line in project["dependencies"] + extras + lines]


def missing(
    needs: Iterable[Requirement],
    pins: dict[str, str],
    packages: dict[str, Installed],
    environment: dict[str, str],
) -> Iterator[str]:
    """What is needed there, directly or by a package or one of its extras, and has no fitting pin."""
    waiting = [(need, "the project", "") for need in needs]
    seen = set()
    while waiting:
        need, by, extra = waiting.pop()
        if need.marker is not None and not need.marker.evaluate({**environment, "extra": extra}):
            continue
        name = canonicalize_name(need.name)
        if name not in pins or not need.specifier.contains(pins[name], prereleases=True):
            yield f"{by} needs {need}, listed is {pins.get(name)}"
            continue
        known = packages.get(name)
        if known is None or known.version != pins[name]:
            continue  # for another Python or system: packaging/setup/lock.py asks an index about these
        for wanted in {"", *need.extras} - {part for other, part in seen if other == name}:
            seen.add((name, wanted))
            waiting += [(each, f"{name}[{wanted}]", wanted) for each in known.needs]


@pytest.mark.parametrize("file", ["run.txt", "dev.txt", "aw-server.txt"])
def test_nothing_has_to_be_resolved_when_a_list_is_installed(file: str) -> None:
    packages = installed(".venv-aw" if file == "aw-server.txt" else ".venv")
    found = set()
    for environment in marker_environments():
        pins: dict[str, str] = {}
        for entry in listed(file):
            if entry.marker is None or entry.marker.evaluate(environment):
                assert canonicalize_name(entry.name) not in pins, f"{entry.name} is listed twice for {environment}"
                pins[canonicalize_name(entry.name)] = str(entry.specifier).removeprefix("==")
        found |= set(missing(project_needs(file), pins, packages, environment))
    assert found == set()


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_what_is_installed_is_what_is_listed(environment: str) -> None:
    """And all of it: a set-up that was bent by a setting may have left something out."""
    versions = {name: package.version for name, package in installed(environment).items()}
    for entry in listed(ENVIRONMENTS[environment]):
        if entry.marker is None or entry.marker.evaluate():
            assert versions.get(canonicalize_name(entry.name)) == str(entry.specifier).removeprefix("==")
