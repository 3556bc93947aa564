"""The report of `doctor --bundle`: one text file that a person reads before sending it to anybody.

It holds versions, the findings, the settings that differ and the end of the log. Names of the person, the computers,
the folders and excluded programs are left out. Nothing is sent by this program.
"""

from __future__ import annotations

import platform
import re
import socket
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

from taskclf_tray import __version__
from taskclf_tray.app.home_checks import CheckResult
from taskclf_tray.core.config import Config
from taskclf_tray.core.regular_files import Links, open_regular
from taskclf_tray.system.paths import HomePaths

LOG_BYTES: Final = 60_000
_DESKTOP: Final = ("XDG_CURRENT_DESKTOP", "XDG_SESSION_TYPE", "LANG")
_PRIVATE_SETTINGS: Final = frozenset(
    {"aw_api_key", "aw_host", "exclude_apps", "exclude_title_patterns", "username", "user_id"}
)
"""Settings of which only the fact that they are set is written."""
_ID: Final = re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b")
_ADDRESS: Final = re.compile(r"\bhttps?://[^\s'\"<>]+")
_FEWEST_CHARACTERS: Final = 3
"""A shorter name would also be replaced inside words of the report."""


def report_text(
    findings: Sequence[CheckResult],
    paths: HomePaths,
    config: Config,
    environ: Mapping[str, str],
    lines_of: Callable[[CheckResult], Iterable[str]],
) -> str:
    """The whole report. `lines_of`: a finding as `doctor` prints it."""
    system = [
        f"taskclf-tray {__version__}, Python {platform.python_version()}, {platform.platform()}",
        *(f"{name}={environ[name]}" for name in _DESKTOP if name in environ),
    ]
    parts = {
        "System": system,
        "Findings": [line for finding in findings if finding.subject != "Exclusions" for line in lines_of(finding)],
        "Settings that differ": _settings(config),
        "End of the log": _end_of_log(paths.log),
    }
    text = "\n".join(line for title, body in parts.items() for line in (f"== {title} ==", *body, ""))
    hosts = (finding.facts.get(key) for finding in findings for key in ("host", "computer"))
    return redacted(text, paths.home, environ, [str(host) for host in hosts if host])


def redacted(text: str, home: Path, environ: Mapping[str, str], hosts: Iterable[str] = ()) -> str:
    """The text without the names of person, folders and computers, without ids, and without addresses elsewhere."""
    text = _ADDRESS.sub(
        lambda found: found[0] if "//localhost" in found[0] or "//127." in found[0] else "ADDRESS", text
    )
    text = _ID.sub("ID", text)
    user = environ.get("USER") or environ.get("USERNAME") or Path.home().name
    names = {str(home): "HOME", str(Path.home()): "~", user: "USER", socket.gethostname(): "HOST"}
    names |= dict.fromkeys(hosts, "HOST")
    for name in sorted(names, key=len, reverse=True):
        if len(name) >= _FEWEST_CHARACTERS:
            text = re.sub(rf"(?<![^\W_]){re.escape(name)}(?![^\W_])", names[name], text)
    return text


def _settings(config: Config) -> list[str]:
    """The settings that differ from their defaults; of private ones only that they do."""
    usual = Config()
    return [
        f"{name} = {'(set)' if name in _PRIVATE_SETTINGS else repr(getattr(config, name))}"
        for name in type(config).model_fields
        if getattr(config, name) != getattr(usual, name)
    ]


def _end_of_log(path: Path) -> list[str]:
    try:
        with open_regular(path, "rb", Links.NONE) as file:
            file.seek(max(0, path.stat().st_size - LOG_BYTES))
            return file.read(LOG_BYTES).decode(errors="replace").splitlines()[-400:]
    except OSError:
        return ["(there is no log)"]
