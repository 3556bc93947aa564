"""A setting that nothing reads says so, wherever settings are shown; and the table of them is true."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from taskclf_tray.core import config as config_module
from taskclf_tray.core.config import (
    UNUSED_KEYS,
    WITHOUT_EFFECT,
    Config,
    load_config,
    render_default_config,
    settings_without_effect,
)

PACKAGE = Path(config_module.__file__).parents[1]
HOLDERS = ("config", "settings", "self._config")
"""What a Config is called in the files that import its type."""


def keys_read(path: Path) -> set[str]:
    """The settings that a file takes from a Config, as in `config.aw_host` or `load_config(path)[0].aw_host`."""
    source = path.read_text(encoding="utf-8")
    holders = HOLDERS if "from taskclf_tray.core.config import" in source else ()
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) and node.attr in Config.model_fields:
            base = ast.unparse(node.value)
            if base in holders or base.endswith("session.config") or base.startswith("load_config("):
                found.add(node.attr)
    return found


def test_the_table_of_settings_without_effect_is_true() -> None:
    """A key that is read somewhere has an effect; who gives one an effect takes it off the list."""
    files = [path for path in PACKAGE.rglob("*.py") if path.parent.name != "core"]
    assert set().union(*map(keys_read, files)) == set(Config.model_fields) - set(WITHOUT_EFFECT)
    assert set(UNUSED_KEYS) & set(Config.model_fields) == set()


def test_every_reason_completes_the_sentence() -> None:
    reasons = [*UNUSED_KEYS.values(), *WITHOUT_EFFECT.values()]
    assert all(reasons)
    assert [reason for reason in reasons if reason[0].isupper() or reason.endswith(".")] == []


def test_what_has_no_effect_is_named_with_its_line_and_is_no_mistake(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text('asks_per_day = 2\nautostart = true\n\ntitle_salt = "x"\nnonsense = 1\nui_port = 70000\n')
    said = [str(one) for one in settings_without_effect(path)]
    assert said == [
        "config.toml, line 2: autostart has no effect in this version: the menu has the switch, under Advanced → "
        "Start at login.",
        "config.toml, line 4: title_salt has no effect in this version: titles are hashed with the secret in "
        "data/processed/.title_secret.",
        "config.toml, line 6: ui_port has no effect in this version: there is no dashboard.",
    ]
    assert [problem.key for problem in load_config(path)[1]] == ["nonsense", "ui_port"]


@pytest.mark.parametrize("content", [None, b"", b"[", b"\xff", b"retention_days = 30\n["])
def test_a_file_that_cannot_be_read_says_nothing_about_effects(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "config.toml"
    if content is not None:
        path.write_bytes(content)
    assert settings_without_effect(path) == []


def test_a_fresh_file_that_keeps_such_a_setting_says_so_beside_it() -> None:
    lines = render_default_config({"autostart": True}).splitlines()
    assert lines[lines.index("autostart = true") - 1] == (
        "# true: start when you log in. "
        "It has no effect in this version: the menu has the switch, under Advanced → Start at login."
    )
    assert "no effect" not in render_default_config()
