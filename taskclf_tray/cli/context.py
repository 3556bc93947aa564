"""The record of a home, opened for one command."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from taskclf_tray.cli.output import Actions, Handler, add_action, paths_of
from taskclf_tray.core.errors import LabelError, StoreError
from taskclf_tray.core.types import LABEL_SET_V1
from taskclf_tray.labels.spans import LabelStore
from taskclf_tray.labels.spans import core_label as known
from taskclf_tray.models.identity import load_or_create_identity, user_id_path
from taskclf_tray.store.database import Database
from taskclf_tray.system.console import complain
from taskclf_tray.system.local_zone import local_zone_name
from taskclf_tray.system.paths import HomePaths, prepare_home

SHOWN_ENTRIES: Final = 20
"""How many waiting blocks are printed where --limit does not say."""


@dataclass(frozen=True, slots=True)
class Record:
    """A home's database, its user, and the current time."""

    paths: HomePaths
    database: Database
    user_id: str
    now: datetime

    @property
    def labels(self) -> LabelStore:
        """The person's labels."""
        return LabelStore(self.database, self.user_id)


@contextlib.contextmanager
def opened(options: argparse.Namespace, *, create: bool = False, read_only: bool = False) -> Iterator[Record]:
    """Open the record; with `create`, create what is missing of home, identity and record.

    With `read_only` nothing is written, so a full disk or a read-only home does not matter. Raises StoreError,
    IdentityError, HomeError.
    """
    paths = paths_of(options)
    if create:
        prepare_home(paths.home)
    elif not (paths.database.exists() and user_id_path(paths.home).exists()):
        raise StoreError(
            f"There is no record in {paths.home} yet.",
            "Start the app there first with `taskclf-tray run`, or name another home with --home.",
        )
    user_id = load_or_create_identity(paths.home).user_id
    with closing(Database(paths.database, read_only=read_only)) as database:
        yield Record(paths, database, user_id, now())
        if database.buckets.unreadable(user_id):
            _say_what_is_left_out(database, user_id)


def _say_what_is_left_out(database: Database, user_id: str) -> None:
    # the sentences of the app, 20 ms that only a damaged record costs
    from taskclf_tray.app.unreadable import left_out

    sentence = left_out(database, user_id)
    if sentence is not None:
        complain(sentence)


def now() -> datetime:
    """The wall clock."""
    return datetime.now(UTC)


def zone_name() -> str:
    """The machine's time zone."""
    return local_zone_name()


def add_label(parser: argparse.ArgumentParser) -> None:
    """Add the argument LABEL."""
    parser.add_argument("label", type=_core_label, metavar="LABEL", help=f"one of {', '.join(LABEL_SET_V1)}")


def _core_label(word: str) -> str:
    """Parse one of the eight labels, in any case. Raises ArgumentTypeError, which lists them."""
    try:
        return known(word)
    except LabelError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def add_list(actions: Actions, name: str, handler: Handler) -> None:
    """Add `queue list`, which the documents call `labels show-queue`."""
    listed = add_action(actions, name, handler, "what waits, the least sure first")
    listed.add_argument(
        "--limit", type=_limit, metavar="N", help=f"how many to show (default: {SHOWN_ENTRIES}; with --json all)"
    )


def _limit(word: str) -> int:
    number = int(word)
    if number < 1:
        raise argparse.ArgumentTypeError("the limit is 1 or more")
    return number
