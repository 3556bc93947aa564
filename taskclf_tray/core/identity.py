"""The door to the home's user id and title secret, as the documents name it."""

from taskclf_tray.models.identity import (
    Identity,
    load_or_create_identity,
)

__all__ = [
    "Identity",
    "load_or_create_identity",
]
