"""The identity of an installation: a random user id, and the secret that hashes every window title.

Both are in `data/processed/`, as in the taskclf tool. They must never change unnoticed: with another secret the models
see unfamiliar titles (macro F1 0.947 → 0.899, measured), and with another user id the personal calibrators never apply.
So a missing or damaged value that was in use is an error. `tray/identity.json` records what is in use: the user id and
a SHA-256 of the secret, written last.

Order of creation: secret, user id, record. If a kill interrupts it, the next start completes the pair: without a record
and without models, nothing can have used half of it yet.
"""

from __future__ import annotations

import hashlib
import logging
import secrets
import string
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from taskclf_tray.core.atomic import write_json_atomic, write_text_atomic
from taskclf_tray.core.defaults import METADATA_FILE, POLICY_FILE
from taskclf_tray.core.errors import IdentityError, file_error, is_full_disk
from taskclf_tray.core.filelocks import HomeBusyError, home_lock
from taskclf_tray.core.strict_json import BadJsonError, parse_json_object, read_bounded, read_json_object

_log = logging.getLogger(__name__)

_PRIVATE: Final = 0o600
_SECRET_CHARS: Final = 64
_MAX_FILE_BYTES: Final = 4096
_FROM_BACKUP: Final = "Copy it from the home or backup where these models were made"


@dataclass(frozen=True, slots=True)
class Identity:
    """The user id (a UUID) and the title secret (64 hexadecimal characters, used as that text)."""

    user_id: str
    title_secret: str = field(repr=False)


def load_or_create_identity(home: Path) -> Identity:
    """Load the identity of the home, or create it (mode 0600) in an empty home.

    Raises:
        IdentityError: a part is missing or damaged and must not be made up, or cannot be read or written.
    """
    home = Path(home)
    try:
        if _is_complete(home):
            return _load_or_create(home)  # nothing is to be written, so a home that is read-only can be read
        with home_lock(home):
            return _load_or_create(home)
    except OSError as error:
        where = error.filename or f"One of the identity files in {_folder(home)}"
        raise file_error(
            error,
            _folder(home) if is_full_disk(error) else where,
            kind=IdentityError,
            next_step="Make the folder and its files readable and writable for your user.",
        ) from error
    except HomeBusyError as error:
        raise IdentityError(error.title, error.next_step) from error


def secret_path(home: Path) -> Path:
    """Return the path of the title secret."""
    return _folder(home) / ".title_secret"


def title_secret(home: Path) -> str | None:
    """Return the title secret of the home; None without one. Raises IdentityError for a damaged one."""
    return _read_secret(Path(home))


def user_id_path(home: Path) -> Path:
    """Return the path of the user id."""
    return _folder(home) / ".user_id"


def _folder(home: Path) -> Path:
    return Path(home) / "data" / "processed"


def _load_or_create(home: Path) -> Identity:
    record = _read_record(home)
    secret, user_id = _read_secret(home), _read_user_id(home)
    if secret is None:
        _refuse_new_secret(home, record)
    elif record is not None and record[1] != _fingerprint(secret):
        raise IdentityError(
            f"The title secret in {secret_path(home)} is another one than this home has been using.",
            "Put the former one back; or, if the new one is meant, remove tray/identity.json.",
        )
    if user_id is None and record is None and secret is not None:
        _refuse_new_user_id(home)
    if user_id is not None and record is not None and user_id != record[0]:
        raise IdentityError(
            f"The user id in {user_id_path(home)} is another one than this home has been using.",
            f"Write {record[0]} there again; or, if the new one is meant, remove tray/identity.json.",
        )
    if secret is None:
        secret = secrets.token_hex(_SECRET_CHARS // 2)
        write_text_atomic(secret_path(home), secret, _PRIVATE)
    if user_id is None:
        user_id = record[0] if record is not None else str(uuid.uuid4())
        write_text_atomic(user_id_path(home), user_id, _PRIVATE)
    if record is None:
        content = {"user_id": user_id, "title_secret_sha256": _fingerprint(secret)}
        write_json_atomic(_record_path(home), content, _PRIVATE)
    return Identity(user_id, secret)


def _refuse_new_secret(home: Path, record: tuple[str, str] | None) -> None:
    if record is not None:
        raise IdentityError(
            f"The title secret {secret_path(home)} has disappeared.",
            f"{_FROM_BACKUP}; to start over without this home's records, use an empty home.",
        )
    used_by = _depends_on_secret(home)
    if used_by is not None:
        raise IdentityError(
            f"The home holds {used_by}, but not the secret its window titles were hashed with ({secret_path(home)}).",
            f"{_FROM_BACKUP}; without it, put 64 hexadecimal characters of your own there and expect worse labels.",
        )


def _refuse_new_user_id(home: Path) -> None:
    used_by = _depends_on_secret(home)
    if used_by is not None:
        raise IdentityError(
            f"The home holds {used_by}, but not the user id its calibrators and labels belong to "
            f"({user_id_path(home)}).",
            f"{_FROM_BACKUP}; without it, put a UUID of your own there.",
        )


def _depends_on_secret(home: Path) -> str | None:
    """Name a model, policy or feature file made with this home's identity; None without any.

    A model of synthetic data, such as the starter, was trained without a home's secret.
    """
    models = home / "models"
    for run_dir in sorted(models.glob("*")) if models.is_dir() else ():
        if (run_dir / METADATA_FILE).exists() and not run_dir.name.startswith(".") and not _is_synthetic(run_dir):
            return f"the model {run_dir.name}"
    if (models / POLICY_FILE).exists() and not _policy_is_synthetic(home):
        return "an inference policy"
    if any(_folder(home).glob("features_*")):
        return "feature files"
    return None


def _is_synthetic(run_dir: Path) -> bool:
    try:
        return read_json_object(run_dir / METADATA_FILE).get("data_provenance") == "synthetic"
    except BadJsonError:
        return False


def _policy_is_synthetic(home: Path) -> bool:
    try:
        policy = read_json_object(home / "models" / POLICY_FILE)
    except BadJsonError:
        return False
    model_dir = policy.get("model_dir")
    return isinstance(model_dir, str) and _is_synthetic(home / model_dir)


def _read_secret(home: Path) -> str | None:
    text = _read(secret_path(home))
    if text is not None and (len(text) != _SECRET_CHARS or not set(text) <= set(string.hexdigits)):
        raise IdentityError(
            f"The title secret in {secret_path(home)} is damaged: it must be 64 hexadecimal characters.",
            f"{_FROM_BACKUP}.",
        )
    return text


def _read_user_id(home: Path) -> str | None:
    text = _read(user_id_path(home))
    if text is None:
        return None
    try:
        uuid.UUID(text)
    except ValueError:
        raise IdentityError(
            f"The user id in {user_id_path(home)} is damaged: it must be a UUID.", f"{_FROM_BACKUP}."
        ) from None
    return text


def _read(path: Path) -> str | None:
    """Return the stripped text of the file; None when there is no such file. Raises IdentityError."""
    if not path.exists() and not path.is_symlink():
        return None
    try:
        return read_bounded(path, _MAX_FILE_BYTES).decode().strip()
    except (BadJsonError, UnicodeDecodeError) as error:
        why = str(error) if isinstance(error, BadJsonError) else "is not text"
        raise IdentityError(f"The identity file {path} {why}.", "Make it readable, or copy it from a backup.") from None


def _is_complete(home: Path) -> bool:
    """Whether secret, user id and record, which is written last, exist."""
    return all(path.exists() for path in (_record_path(home), secret_path(home), user_id_path(home)))


def _record_path(home: Path) -> Path:
    return home / "tray" / "identity.json"


def _read_record(home: Path) -> tuple[str, str] | None:
    """Return (user id, fingerprint of the secret) in use;

    None without a record. Raises IdentityError for a damaged one.
    """
    path = _record_path(home)
    if not path.exists():
        return None
    try:
        data = parse_json_object(read_bounded(path, _MAX_FILE_BYTES))
        user_id, fingerprint = data["user_id"], data["title_secret_sha256"]
        uuid.UUID(user_id)
    except (BadJsonError, KeyError, ValueError, TypeError, AttributeError) as error:
        if isinstance(error.__cause__, OSError):
            raise IdentityError(
                f"The record {path} of this home's identity {error}.", "Make it readable for your user."
            ) from None
        raise IdentityError(
            f"The record {path} of this home's identity is damaged.",
            "Remove it if .user_id and .title_secret in data/processed are the right ones.",
        ) from None
    return str(user_id), str(fingerprint)


def _fingerprint(secret: str) -> str:
    """Return the SHA-256 of the secret, whose 256 random bits make it irreversible."""
    return hashlib.sha256(secret.encode()).hexdigest()
