"""JSON Schemas of the files a person edits; with them an editor completes and checks while the person types.

The files name their schema by its place in a home, `tray/schemas/`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel

from taskclf_tray.core.atomic import json_text, write_text_atomic
from taskclf_tray.core.config import UNUSED_KEYS, WITHOUT_EFFECT, Config
from taskclf_tray.core.strict_json import BadJsonError, read_bounded
from taskclf_tray.infer.taxonomy_config import TaxonomyConfig
from taskclf_tray.models.policy import NEEDED_IN_FILE, InferencePolicy

FILE_MODELS: Final[dict[str, type[BaseModel]]] = {
    "config": Config,
    "inference_policy": InferencePolicy,
    "user_taxonomy": TaxonomyConfig,
}
POLICY_SCHEMA: Final = {"$schema": "../tray/schemas/inference_policy.schema.json"}
"""The key of a policy that names its schema."""

_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_MAX_SCHEMA_BYTES: Final = 1_000_000


def schema_text(name: str) -> str:
    """The schema of one of `FILE_MODELS` as JSON text."""
    schema = _told(FILE_MODELS[name].model_json_schema())
    if name == "config":
        for key, why in (UNUSED_KEYS | WITHOUT_EFFECT).items():
            known = schema["properties"].setdefault(key, {})
            known |= {"description": f"{known.get('description', '')} It has no effect: {why}.".lstrip()}
    elif name == "inference_policy":
        schema["required"] = [key for key in schema["properties"] if key in (*schema["required"], *NEEDED_IN_FILE)]
    return json_text({"$schema": _DIALECT, **schema})


def write_schemas(folder: Path) -> None:
    """Write every schema into the folder; a file that is up to date is left alone. Raises OSError."""
    for name in FILE_MODELS:
        path, text = folder / f"{name}.schema.json", schema_text(name)
        try:
            is_current = read_bounded(path, _MAX_SCHEMA_BYTES) == text.encode()
        except BadJsonError:
            is_current = False
        if not is_current:
            write_text_atomic(path, text)


def _told(schema: Any) -> Any:
    """The schema for an editor: a description of each key with what may be written, and none of a Python class."""
    if isinstance(schema, list):
        return [_told(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    hidden = {"remedy", *(key for key in ("title", "description") if "properties" in schema or key == "title")}
    told = {key: _told(value) for key, value in schema.items() if key not in hidden or isinstance(value, dict)}
    remedy = schema.get("remedy")
    if isinstance(remedy, str):
        told["description"] = f"{told.get('description', '')} {remedy[:1].upper()}{remedy[1:]}.".lstrip()
    return told
