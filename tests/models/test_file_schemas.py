"""The JSON Schemas of the files a person edits: current, complete, and named by the files."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from taskclf_tray.core.config import UNUSED_KEYS, Config, render_default_config
from taskclf_tray.infer.taxonomy_file import starter_taxonomy_text
from taskclf_tray.models.file_schemas import FILE_MODELS, POLICY_SCHEMA, schema_text, write_schemas
from taskclf_tray.system.paths import HomePaths

CONFIGS = Path(__file__).parents[2] / "configs"


def schema(name: str) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(schema_text(name))
    return read


@pytest.mark.parametrize("name", FILE_MODELS)
def test_the_one_in_configs_is_current(name: str) -> None:
    """`make reference` writes them."""
    assert (CONFIGS / f"{name}.schema.json").read_text(encoding="utf-8") == schema_text(name)


def test_every_setting_is_described_with_what_may_be_written() -> None:
    described = schema("config")
    assert list(described["properties"]) == [*Config.model_fields, *UNUSED_KEYS]
    assert all("Write" in described["properties"][name]["description"] for name in Config.model_fields)
    assert "remedy" not in schema_text("config")
    assert described["properties"]["smooth_window"]["maximum"] == 15
    assert described["additionalProperties"] is False
    assert set(tomllib.loads(render_default_config())) <= set(described["properties"])


def test_a_policy_and_a_taxonomy_have_what_they_need() -> None:
    needed = ["policy_version", "model_dir", "model_schema_hash", "model_label_set", "reject_threshold"]
    assert schema("inference_policy")["required"] == needed
    assert schema("user_taxonomy")["required"] == ["buckets"]
    assert set(yaml.safe_load(starter_taxonomy_text())) <= set(schema("user_taxonomy")["properties"])


def test_the_files_name_their_schema(tmp_path: Path) -> None:
    paths = HomePaths(tmp_path)
    write_schemas(paths.schemas)
    before = {path: path.stat().st_mtime_ns for path in paths.schemas.iterdir()}
    assert len(before) == len(FILE_MODELS)
    write_schemas(paths.schemas)
    assert {path: path.stat().st_mtime_ns for path in paths.schemas.iterdir()} == before
    named = {
        paths.config: render_default_config().splitlines()[0].removeprefix("#:schema "),
        paths.taxonomy: starter_taxonomy_text().splitlines()[0].removeprefix("# yaml-language-server: $schema="),
        paths.policy: POLICY_SCHEMA["$schema"],
    }
    assert {(file.parent / place).resolve() for file, place in named.items()} == {path.resolve() for path in before}
