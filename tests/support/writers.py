"""Processes that write something over and over, and say so, until they are killed."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

from taskclf_tray.models.policy import build_inference_policy, save_inference_policy
from taskclf_tray.store.database import Database


def write_policies(say: Callable[[Any], None], models: Path, source: str) -> None:
    """Save one policy after the other, each 3000 times `source` long."""
    say("ready")
    for number in count(1):
        policy = build_inference_policy(
            model_dir="models/m",
            model_schema_hash="h",
            model_label_set=["A"],
            reject_threshold=(number % 100) / 100,
            source=source * 3000,
        )
        save_inference_policy(policy, models)


def repack_over_and_over(say: Callable[[Any], None], path: Path, old_bytes: bytes) -> None:
    """Put an old record in place and rewrite it, again and again."""
    from taskclf_tray.store.repack import repack

    while True:
        for ending in ("-wal", "-shm", "-journal"):
            path.with_name(path.name + ending).unlink(missing_ok=True)
        path.write_bytes(old_bytes)
        say("begins")
        repack(path)
        say("ends")


def write_numbers(say: Callable[[Any], None], path: Path) -> None:
    """Count in a database; each number is said when it is committed."""
    database = Database(path)
    for number in count(int(database.state.get("n") or 0) + 1):
        with database.transaction():
            database.state.set("n", str(number))
        say(number)
