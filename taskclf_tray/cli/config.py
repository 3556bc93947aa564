"""`taskclf-tray config`: the settings of the taskclf tool, taken over."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from taskclf_tray.cli.output import add_action, add_actions, paths_of, tell
from taskclf_tray.core.errors import ConfigError

if TYPE_CHECKING:
    from taskclf_tray.cli.common import Commands


def add_parser(commands: Commands) -> None:
    """Add the command."""
    actions = add_actions(commands.add_parser("config", help="take over the settings of the taskclf tool"))
    add_action(actions, "import", handle_import, "write config.toml with the taskclf tool's settings")


def handle_import(options: argparse.Namespace) -> int:
    """Write the file where there is none; where there is one, say which lines differ and change nothing."""
    from taskclf_tray.app.tool_files import different_settings
    from taskclf_tray.core.config import ensure_config, load_config

    paths = paths_of(options)
    if not paths.tool_config.exists():
        raise ConfigError(
            f"The taskclf tool has no settings in this home: {paths.tool_config} does not exist.",
            "Name the home of the tool with --home.",
        )
    lines = different_settings(paths.tool_config, load_config(paths.config)[0])
    if lines and (paths.config.exists() or paths.config.is_symlink()):
        raise ConfigError(
            f"There is already a file {paths.config}, which is yours: nothing was written.",
            f"Copy into it what you want of: {'; '.join(lines)}.",
        )
    is_written = bool(lines) and ensure_config(paths.config, paths.tool_config)
    facts = {"path": str(paths.config), "is_written": is_written, "taken_over": lines}
    said = [f"Written: {paths.config}", *(f"  {line}" for line in lines)]
    tell(options, facts, said if is_written else ["The taskclf tool has no settings that differ from yours."])
    return 0
