"""The person's pip settings, as far as the set-up obeys them: where packages come from, not what becomes of them.

pip takes each of its options from files and variables too: a folder to install into, constraints, “build everything
from source”, another interpreter. Any of these would install something else than the requirement files list, or
nothing. A mirror, a proxy and certificates are the person's business, and harmless: what comes is checked against the
listed hashes. So these few are handed on and the rest is left out. The files are read here and not by pip, because
`pip config` obeys them as well.
"""

from __future__ import annotations

import configparser
import os
import sys
from collections.abc import Mapping
from pathlib import Path

KEPT = frozenset(
    {
        "cache-dir", "cert", "client-cert", "default-timeout", "extra-index-url", "find-links", "index-url",
        "keyring-provider", "no-cache-dir", "no-index", "proxy", "pypi-url", "resume-retries", "retries", "timeout",
        "trusted-host",
    }
)  # fmt: skip
SECTIONS = ("global", "install")  # as in pip, the later one wins, of whatever file it is
FIXED = {"PIP_CONFIG_FILE": os.devnull, "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_ROOT_USER_ACTION": "ignore"}


def environment() -> dict[str, str]:
    """The variables for pip: it reads no file, and of its options only the kept ones are set."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "PYTHON"))}
    settings = {**from_files(), **from_variables()}
    return {**plain, **FIXED, **{"PIP_" + key.upper().replace("-", "_"): value for key, value in settings.items()}}


def from_variables() -> dict[str, str]:
    """Kept settings from variables, which outweigh every file."""
    return kept({name[4:]: value for name, value in os.environ.items() if name.startswith("PIP_") and value})


def from_files() -> dict[str, str]:
    """Kept settings from all of pip's files together."""
    found: dict[str, dict[str, str]] = {section: {} for section in SECTIONS}
    for path in files():
        parser = configparser.RawConfigParser()
        try:
            parser.read(path)
        except (configparser.Error, UnicodeDecodeError) as error:
            sys.exit(f"{path} cannot be read: {' '.join(str(error).split())}. Repair or move it, then run make again.")
        for section in SECTIONS:
            if parser.has_section(section):
                found[section].update(kept(dict(parser.items(section))))
    return {key: value for section in SECTIONS for key, value in found[section].items() if value}


def kept(settings: Mapping[str, str]) -> dict[str, str]:
    normal = {name.lower().replace("_", "-").removeprefix("--"): value for name, value in settings.items()}
    return {name: value for name, value in normal.items() if name in KEPT}


def files() -> list[Path]:
    """Where pip documents its files to be, the later ones winning; the new environment's own is not there yet."""
    named = os.environ.get("PIP_CONFIG_FILE")
    if named == os.devnull:
        return []
    mine = [] if named and Path(named).exists() else personal_files()
    return [*system_files(), *mine, *([Path(named)] if named else [])]


def system_files() -> list[Path]:
    if sys.platform == "win32":
        return [Path(os.environ.get("PROGRAMDATA", r"C:\ProgramData"), "pip", "pip.ini")]
    if sys.platform == "darwin":
        return [Path("/Library/Application Support/pip/pip.conf")]
    folders = (os.environ.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(os.pathsep)
    return [*(Path(folder, "pip", "pip.conf") for folder in folders), Path("/etc/pip.conf")]


def personal_files() -> list[Path]:
    home = Path(os.path.expanduser("~"))  # noqa: PTH111 - Path.home() raises where there is none
    if sys.platform == "win32":
        return [home / "pip" / "pip.ini", Path(os.environ.get("APPDATA", home), "pip", "pip.ini")]
    folder = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config")
    if sys.platform == "darwin":
        library = home / "Library" / "Application Support"
        folder = library if (library / "pip").is_dir() else home / ".config"
    return [home / ".pip" / "pip.conf", folder / "pip" / "pip.conf"]
