"""The entries of the menu that open files, choose a model or ask how things stand."""

from __future__ import annotations

import contextlib
import logging
import shutil
import subprocess
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from taskclf_tray.app import served_text, text
from taskclf_tray.app.commands import (
    Command,
    EditConfig,
    EditPolicy,
    EditTaxonomy,
    OpenDataFolder,
    OpenLog,
    PickModel,
    ReloadNow,
    TellStatus,
    TellWhy,
)
from taskclf_tray.app.services import Service
from taskclf_tray.app.session import Session
from taskclf_tray.app.snapshot import Snapshot
from taskclf_tray.app.text import Message
from taskclf_tray.app.why_text import why_told
from taskclf_tray.core.config import ensure_config
from taskclf_tray.core.errors import LabelError, ModelError, SystemToolError, file_error
from taskclf_tray.infer.attribution import Attribution
from taskclf_tray.infer.taxonomy_file import write_starter_taxonomy
from taskclf_tray.models.draft_policy import draft_policy_for_edit, policy_for_bundle
from taskclf_tray.models.file_schemas import POLICY_SCHEMA, write_schemas
from taskclf_tray.models.policy import load_inference_policy, save_inference_policy
from taskclf_tray.models.resolve import ModelResolutionError
from taskclf_tray.record.why import why_minute
from taskclf_tray.system.editor import open_in_editor
from taskclf_tray.system.opener import open_folder
from taskclf_tray.system.paths import HomePaths

log = logging.getLogger(__name__)


@contextlib.contextmanager
def file_trouble() -> Iterator[None]:
    """Convert an OSError of the block to a sentence. Raises SystemToolError."""
    try:
        yield
    except OSError as error:
        raise file_error(error, kind=SystemToolError) from error


class MenuCommands(Service):
    """Carries out the entries of the menu that open files, choose a model or ask how things stand."""

    def __init__(self, session: Session, snapshot: Callable[[], Snapshot]) -> None:
        self._session = session
        self._snapshot = snapshot

    def on_command(self, command: Command) -> list[Message] | None:
        """Carry out one entry. Raises TaskclfError for what the person has to know."""
        if isinstance(command, TellStatus):
            return [tell_status(self._session, self._snapshot())]
        return perform(self._session, command)


def perform(session: Session, command: Command) -> list[Message] | None:
    """Carry out one command; returns messages for the person, None for a command of another service.

    Raises TaskclfError.
    """
    with file_trouble():
        return _perform(session, command)


def _perform(session: Session, command: Command) -> list[Message] | None:
    match command:
        case EditPolicy():
            return edit_policy(session)
        case EditConfig():
            ensure_config(session.config_path, HomePaths(session.config_path.parent).tool_config)
            write_schemas(session.paths.schemas)
            return open_or_say(session.config_path)
        case EditTaxonomy():
            return edit_taxonomy(session)
        case OpenDataFolder():
            return open_or_say(session.paths.home)
        case OpenLog():
            return open_or_say(session.log_path)
        case PickModel(name=name):
            return pick_model(session, name)
        case ReloadNow():
            session.forget_bundles()
            return session.serving.reload()
        case TellWhy():
            return [tell_why(session)]
        case _:
            return None


def tell_why(session: Session) -> Message:
    """Why the newest recorded minute has its label. Raises LabelError, ModelError, StoreError."""
    newest, served = session.newest(), session.serving
    if newest is None:
        raise LabelError("No minute is on record yet.", "The first comes within two minutes.")
    if served.config is None or served.resolved is None:
        raise ModelError("No model can be served, so there is nothing to explain by.", served.problem or "")
    explaining = partial(Attribution.load, served.resolved.bundle_dir / "model.txt")
    at = newest.bucket_start_ts
    return why_told(why_minute(session.database, session.identity.user_id, at, served.config, explaining))


def tell_status(session: Session, snapshot: Snapshot) -> Message:
    """The status line, with the model, threshold and source behind it."""
    resolved = session.serving.resolved
    model = None if resolved is None else resolved.bundle_id
    threshold = None if resolved is None else resolved.reject_threshold
    return served_text.status_told(snapshot.line, model, threshold, snapshot.source)


def edit_policy(session: Session) -> list[Message]:
    """Open the policy in the editor. Where there is none, write one that serves what is served now.

    Raises ModelError, PolicyValidationError, OSError.
    """
    path = session.models_dir / session.paths.policy.name
    if not path.exists():
        try:
            draft = draft_policy_for_edit(session.models_dir)
        except ModelResolutionError as error:
            log.warning("%s", error)
            return [served_text.no_model_for_policy()]
        save_inference_policy(draft.model_copy(update=POLICY_SCHEMA), session.models_dir)
        session.serving.adopt()
    write_schemas(session.paths.schemas)
    return open_or_say(path)


def edit_taxonomy(session: Session) -> list[Message]:
    """Open the taxonomy in the editor.

    Where there is none, write the starter, which shows the same labels. Raises OSError.
    """
    path = session.paths.taxonomy
    if write_starter_taxonomy(path):
        session.serving.adopt()
    write_schemas(session.paths.schemas)
    return open_or_say(path)


def pick_model(session: Session, name: str) -> list[Message]:
    """Serve a bundle by writing a policy for it, so that calibration and threshold come along and a restart keeps it.

    The model in use is not picked again: its policy may hold the person's own threshold. Raises ModelError,
    PolicyValidationError, OSError.
    """
    if not session.serving.follows_policy:
        return [served_text.model_named_at_start()]
    resolved, policy = session.serving.resolved, load_inference_policy(session.models_dir)
    if policy is not None and resolved is not None and name == resolved.bundle_id == Path(policy.model_dir).name:
        return [served_text.model_in_use(name)]
    policy = policy_for_bundle(session.models_dir, session.models_dir / name, source="tray")
    save_inference_policy(policy, session.models_dir)
    session.serving.adopt()
    session.forget_bundles()
    return [served_text.model_picked(name)]


def open_or_say(path: Path) -> list[Message]:
    """Open a file in the editor, a folder in the file manager. When no program opens it, show and copy the path."""
    is_folder = path.is_dir()
    opened = open_folder(path) if is_folder else open_in_editor(path)
    if opened.opened == ("folder" if is_folder else "file"):
        return []
    return [text.not_opened(str(path), is_folder=is_folder, is_copied=copy_to_clipboard(str(path)))]


def copy_to_clipboard(words: str) -> bool:
    """Copy to the clipboard with whichever program the desktop has; returns whether one took it."""
    for command in (["wl-copy"], ["xclip", "-selection", "clipboard"], ["xsel", "-ib"], ["pbcopy"], ["clip.exe"]):
        program = shutil.which(command[0])
        if program is None:
            continue
        try:
            subprocess.run(
                [program, *command[1:]],
                input=words.encode(errors="surrogateescape"),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=2,
                check=True,
            )
        except (OSError, subprocess.SubprocessError):
            continue
        return True
    return False
