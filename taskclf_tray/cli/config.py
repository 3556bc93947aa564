"""`taskclf-tray taxonomy` creates, checks and shows the person's categories; `taskclf-tray config` imports settings."""

from __future__ import annotations

import argparse
from typing import Final

from taskclf_tray.app.tool_files import different_settings
from taskclf_tray.cli.arguments import Commands, file_path
from taskclf_tray.cli.output import add_action, add_actions, paths_of, tell
from taskclf_tray.core.config import ensure_config, load_config
from taskclf_tray.core.errors import ConfigError, TaxonomyError
from taskclf_tray.core.types import LABEL_SET_V1
from taskclf_tray.infer.taxonomy_config import TaxonomyConfig
from taskclf_tray.infer.taxonomy_file import load_taxonomy, write_starter_taxonomy
from taskclf_tray.infer.taxonomy_resolver import OTHER_BUCKET
from taskclf_tray.models.file_schemas import write_schemas

_NONE_YET: Final = "Until there is one the eight core labels are shown:"


def add_parser(commands: Commands) -> None:
    """Add `taxonomy` and `config`."""
    _add_taxonomy(commands)
    actions = add_actions(commands.add_parser("config", help="take over the settings of the taskclf tool"))
    add_action(actions, "import", handle_import, "write config.toml with the taskclf tool's settings")


def handle_import(options: argparse.Namespace) -> int:
    """Write config.toml where there is none; else print the lines that differ and change nothing."""
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
    if is_written:
        write_schemas(paths.schemas)
    facts = {"path": str(paths.config), "is_written": is_written, "taken_over": lines}
    said = [f"Written: {paths.config}", *(f"  {line}" for line in lines)]
    tell(options, facts, said if is_written else ["The taskclf tool has no settings that differ from yours."])
    return 0


def _add_taxonomy(commands: Commands) -> None:
    actions = add_actions(commands.add_parser("taxonomy", help="make, check and show your own categories"))
    init = add_action(actions, "init", handle_init, "write a commented taxonomy that changes nothing yet")
    init.add_argument("--force", action="store_true", help="replace the taxonomy there is")
    for name, handler, words in (
        ("validate", handle_validate, "check the taxonomy; a mistake is named with its line and key"),
        ("show", handle_show, "the categories and the labels each of them holds"),
    ):
        parser = add_action(actions, name, handler, words)
        parser.add_argument("file", nargs="?", type=file_path, metavar="FILE", help="another file than the home's")


def handle_init(options: argparse.Namespace) -> int:
    """Write the starter; an existing file is replaced only with --force."""
    paths = paths_of(options)
    path = paths.taxonomy
    if not write_starter_taxonomy(path, overwrite=options.force):
        raise TaxonomyError(f"There is already a taxonomy: {path}.", "Add --force to replace it.")
    write_schemas(paths.schemas)
    lines = [f"Written: {path}", "Every label is a category of its own until you edit it."]
    tell(options, {"path": str(path)}, lines, is_done=True)
    return 0


def handle_validate(options: argparse.Namespace) -> int:
    """Print the first problem; returns 0 when the file is valid, 1 when it is not."""
    path = options.file or paths_of(options).taxonomy
    try:
        load_taxonomy(path)
    except TaxonomyError as error:
        is_there = options.file is not None or path.exists() or path.is_symlink()
        step = error.next_step if is_there else f"{_NONE_YET} `taskclf-tray taxonomy init` writes one."
        problem = {"key": error.key, "line": error.line, "problem": error.title, "next_step": step}
        facts = {"path": str(path), "is_valid": False, "problem": problem}
        tell(options, facts, [f"✗ {error.title}", step])
        return 1
    tell(options, {"path": str(path), "is_valid": True, "problem": None}, [f"✓ {path} is valid."])
    return 0


def handle_show(options: argparse.Namespace) -> int:
    """Print the categories. It is no failure when there are none."""
    path = options.file or paths_of(options).taxonomy
    if options.file is None and not path.exists() and not path.is_symlink():
        words = "the eight core labels are shown. `taskclf-tray taxonomy init` makes one."
        tell(options, {"path": str(path), "taxonomy": None}, [f"There is no taxonomy at {path}: {words}"])
        return 0
    taxonomy = load_taxonomy(path)
    tell(options, {"path": str(path), "taxonomy": taxonomy.model_dump()}, [f"{path}:", *_lines(taxonomy)])
    return 0


def _lines(taxonomy: TaxonomyConfig) -> list[str]:
    lines = [f"  {b.name} ({b.color}): {', '.join(b.core_labels)}" for b in taxonomy.buckets]
    placed = {label for bucket in taxonomy.buckets for label in bucket.core_labels}
    rest = [label for label in LABEL_SET_V1 if label not in placed]
    if rest:
        lines.append(f"  {OTHER_BUCKET}: {', '.join(rest)} (in no bucket of the file)")
    weights = ", ".join(
        f"{label} × {weight:g}" for label, weight in taxonomy.reweight_core_labels.items() if weight != 1
    )
    return [
        *lines,
        f"  below {taxonomy.min_confidence_for_mapping:g} or rejected: {taxonomy.mixed_label_name}",
        f"  probabilities: {taxonomy.probability_aggregation} of the labels'{'; ' + weights if weights else ''}",
    ]
