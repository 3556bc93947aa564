"""Door to the user id and title secret of a home, under the name in the inference documents."""

from taskclf_tray.models.identity import (
    Identity,
    load_or_create_identity,
)

__all__ = [
    "Identity",
    "load_or_create_identity",
]
