"""How many examples a law is tried with that takes long."""

from __future__ import annotations

import os

from hypothesis import settings


def examples(count: int) -> settings:
    """So many in `make explore`, whose examples are new; a quarter in `make test`, whose are the same each time."""
    return settings(max_examples=count if "TASKCLF_EXPLORE" in os.environ else -(-count // 4))
