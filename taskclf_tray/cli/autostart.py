"""`taskclf-tray autostart`: whether the app starts at login."""

from __future__ import annotations

import argparse
import shlex
from dataclasses import asdict

from taskclf_tray.cli.arguments import Commands
from taskclf_tray.cli.output import add_action, add_actions, paths_of, tell
from taskclf_tray.system.autostart import LoginState, login_start


def add_parser(commands: Commands) -> None:
    """Add the command."""
    actions = add_actions(commands.add_parser("autostart", help="start the app at login, or not"))
    add_action(actions, "on", handle_switch, "start the app at login, with this home")
    add_action(actions, "off", handle_switch, "no longer start the app at login")
    add_action(actions, "status", handle_status, "say whether the app starts at login")


def handle_switch(options: argparse.Namespace) -> int:
    """Switch it on or off. Raises SystemToolError."""
    state = login_start(paths_of(options).home).switch(options.action == "on")
    return _tell(options, state, is_done=True)


def handle_status(options: argparse.Namespace) -> int:
    """Print whether it is on; returns 1 when the program of the entry is missing. Raises SystemToolError."""
    return _tell(options, login_start(paths_of(options).home).state())


def _tell(options: argparse.Namespace, state: LoginState, *, is_done: bool = False) -> int:
    tell(options, asdict(state), lines_of(state), is_done=is_done)
    return 1 if state.missing else 0


def lines_of(state: LoginState) -> list[str]:
    """The state in words."""
    if not state.is_on:
        return ["taskclf-tray does not start at login."]
    if state.missing:
        return [
            f"The login entry {state.place} starts {state.missing}, which does not exist.",
            "`taskclf-tray autostart on` writes it again.",
        ]
    return [f"taskclf-tray starts at login: {shlex.join(state.command)}", f"  {state.place}"]
