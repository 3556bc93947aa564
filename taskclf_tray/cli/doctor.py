"""`taskclf-tray doctor`: what works on this machine, and what to do about what does not."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from dataclasses import asdict

from taskclf_tray.app import doctor as checks
from taskclf_tray.app.doctor_report import report_text
from taskclf_tray.app.home_checks import CheckResult
from taskclf_tray.app.text import as_line
from taskclf_tray.cli.arguments import Commands, add_home, file_path
from taskclf_tray.cli.output import print_answer, print_json
from taskclf_tray.core.atomic import write_new_file
from taskclf_tray.core.config import Config, load_config
from taskclf_tray.core.errors import SystemToolError, file_error
from taskclf_tray.system.paths import HomePaths, home_dir
from taskclf_tray.ui.backend import choose_backend, known_icons

_MARK = {"ok": "✓", "note": "·", "failed": "✗"}


def add_parser(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add_parser("doctor", help="check source, tray, notifications, model, policy, files")
    add_home(parser)
    parser.add_argument("--json", action="store_true", help="the findings as JSON")
    parser.add_argument("--aw-host", metavar="URL", help="the ActivityWatch server")
    parser.add_argument(
        "--bundle", type=file_path, metavar="FILE", help="write a report without names, for you to read"
    )
    parser.set_defaults(handler=handle)


def handle(options: argparse.Namespace) -> int:
    """Check everything and print it; returns 0 when nothing failed."""
    findings = checks.check_everything(home=options.home, aw_host=options.aw_host, screen={"Tray": _check_tray})
    if options.bundle is not None:
        return _write_report(options, findings)
    if options.json:
        print_json([facts_of(finding) for finding in findings])
    else:
        print_answer("".join(f"{line}\n" for finding in findings for line in lines_of(finding)))
    return 1 if any(finding.verdict == "failed" for finding in findings) else 0


def _write_report(options: argparse.Namespace, findings: list[CheckResult]) -> int:
    """Write the report to a new file. Raises SystemToolError."""
    paths = HomePaths(home_dir(options.home))
    text = report_text(findings, paths, load_config(paths.config)[0], os.environ, lines_of)
    try:
        write_new_file(options.bundle, text.encode(errors="replace"))
    except OSError as error:
        step = "Name a file that does not exist yet, in a folder of yours."
        raise file_error(
            error, options.bundle, kind=SystemToolError, problem="cannot be written", next_step=step
        ) from error
    said = f"{options.bundle} is written. Read it before you send it to anybody: nothing was sent."
    if options.json:
        print_json({"path": str(options.bundle)}, is_done=True)
    else:
        print_answer(f"{said}\n", is_done=True)
    return 0


def _check_tray(_paths: HomePaths, _config: Config) -> Iterator[CheckResult]:
    backend = choose_backend(os.environ, sys.platform)
    if backend.icon_class is None:
        yield CheckResult("Tray", "note", "no tray here: the app runs in the terminal", backend.reason)
    elif backend.missing is not None:
        yield CheckResult("Tray", "note", "no panel takes the icon now", as_line(*backend.missing))
    else:
        yield from _check_icon(backend.name)


def _check_icon(backend: str) -> Iterator[CheckResult]:
    """Whether the panel has the icon of an app that runs."""
    icons = known_icons(os.environ) if backend == "sni" else []
    if not icons:
        yield CheckResult("Tray", "ok", backend)
    for is_known in icons:
        if is_known:
            yield CheckResult("Tray", "ok", f"{backend}, and the panel has the icon of the running app")
        else:
            step = "Restart the panel, or log in again: the icon then returns."
            yield CheckResult("Tray", "failed", "the app runs, but the panel does not have its icon", step)


def lines_of(finding: CheckResult) -> Iterator[str]:
    yield f"{_MARK[finding.verdict]} {finding.subject}: {finding.detail}"
    if finding.next_step:
        yield f"    → {finding.next_step}"


def facts_of(finding: CheckResult) -> dict[str, object]:
    """A result as JSON; without `facts` where there are none."""
    return {name: value for name, value in asdict(finding).items() if name != "facts" or value}
