"""The schema tables against the published ones."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from taskclf_tray.core.schema import SCHEMAS, schema_of_hash

PUBLISHED = json.loads((Path(__file__).parents[1] / "data/feature_schemas.json").read_text())


@pytest.mark.parametrize("version", ["v1", "v2", "v3"])
def test_schema_is_the_published_one(version: str) -> None:
    ours, theirs = SCHEMAS[version], PUBLISHED[version]
    assert [list(column) for column in ours.row_columns] == theirs["row_columns"]
    assert list(ours.model_columns) == theirs["model_columns"]
    assert list(ours.categorical_columns) == theirs["categorical_columns"]
    assert ours.schema_hash == theirs["schema_hash"]
    assert schema_of_hash(ours.schema_hash) is ours


def test_unknown_hash_has_no_schema() -> None:
    assert schema_of_hash("000000000000") is None
