"""The install's identity: adopted, created once, completed after a crash, and never silently another one."""

from __future__ import annotations

import json
import logging
import re
import shutil
import stat
import uuid
from pathlib import Path

import pytest

from taskclf_tray.core.errors import IdentityError
from taskclf_tray.models import identity
from taskclf_tray.models.identity import Identity, load_or_create_identity, secret_path, user_id_path

GOLDEN = Path(__file__).parents[1] / "data/taskclf_home"
SECRET = "0123456789abcdef" * 4
USER = "aaaaaaaa-0000-4000-8000-000000000001"


def _put(home: Path, secret: str | None = SECRET, user: str | None = USER) -> None:
    secret_path(home).parent.mkdir(parents=True, exist_ok=True)
    if secret is not None:
        secret_path(home).write_text(secret)
    if user is not None:
        user_id_path(home).write_text(user)


def _snapshot(home: Path) -> dict[str, str]:
    return {str(p): p.read_text() for p in (home / "data").rglob("*") if p.is_file()}


def test_empty_home_gets_both_once_for_the_owner_alone(tmp_path: Path) -> None:
    first = load_or_create_identity(tmp_path)
    assert re.fullmatch("[0-9a-f]{64}", first.title_secret)
    assert uuid.UUID(first.user_id).version == 4
    for path in (secret_path(tmp_path), user_id_path(tmp_path), tmp_path / "tray/identity.json"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert load_or_create_identity(tmp_path) == first
    assert load_or_create_identity(tmp_path / "other") != first


def test_existing_home_is_adopted_unchanged(tmp_path: Path) -> None:
    shutil.copytree(GOLDEN, tmp_path, dirs_exist_ok=True)
    _put(tmp_path, SECRET + "\n", USER + "\n")
    before = _snapshot(tmp_path)
    assert load_or_create_identity(tmp_path) == Identity(USER, SECRET)
    assert _snapshot(tmp_path) == before


def test_secret_is_in_no_repr_record_error_or_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    _put(tmp_path)
    with caplog.at_level(logging.DEBUG):
        assert SECRET not in repr(load_or_create_identity(tmp_path))
    assert SECRET not in (tmp_path / "tray/identity.json").read_text()
    _put(tmp_path, SECRET + "0")
    with pytest.raises(IdentityError) as caught:
        load_or_create_identity(tmp_path)
    assert SECRET not in str(caught.value) + caplog.text


@pytest.mark.parametrize("secret", ["", " \n", "abc", "g" * 64, SECRET + "0", "x" * 10_000])
def test_damaged_secret_is_an_error_in_any_home(tmp_path: Path, secret: str) -> None:
    _put(tmp_path, secret)
    before = _snapshot(tmp_path)
    with pytest.raises(IdentityError, match="title_secret"):
        load_or_create_identity(tmp_path)
    assert _snapshot(tmp_path) == before


def test_secret_file_that_is_no_text_or_no_file(tmp_path: Path) -> None:
    _put(tmp_path, None)
    secret_path(tmp_path).write_bytes(b"\xff" * 64)
    with pytest.raises(IdentityError, match="not text"):
        load_or_create_identity(tmp_path)
    secret_path(tmp_path).unlink()
    secret_path(tmp_path).mkdir()
    with pytest.raises(IdentityError, match="not a file"):
        load_or_create_identity(tmp_path)


@pytest.mark.parametrize("user", ["", "default-user", USER + "0"])
def test_damaged_user_id_is_an_error(tmp_path: Path, user: str) -> None:
    _put(tmp_path, SECRET, user)
    with pytest.raises(IdentityError, match="user id"):
        load_or_create_identity(tmp_path)


def test_models_without_a_secret_ask(tmp_path: Path) -> None:
    shutil.copytree(GOLDEN, tmp_path, dirs_exist_ok=True)
    with pytest.raises(IdentityError, match="2026-11-21_082102_run-9643"):
        load_or_create_identity(tmp_path)
    _put(tmp_path, None, USER)
    with pytest.raises(IdentityError, match="secret"):
        load_or_create_identity(tmp_path)
    assert not secret_path(tmp_path).exists()


def test_models_without_a_user_id_ask(tmp_path: Path) -> None:
    shutil.copytree(GOLDEN, tmp_path, dirs_exist_ok=True)
    _put(tmp_path, SECRET, None)
    with pytest.raises(IdentityError, match="user id"):
        load_or_create_identity(tmp_path)


def test_a_policy_or_feature_files_alone_ask(tmp_path: Path) -> None:
    (tmp_path / "a/models").mkdir(parents=True)
    (tmp_path / "a/models/inference_policy.json").write_text("{}")
    (tmp_path / "b/data/processed/features_v3").mkdir(parents=True)
    for home in (tmp_path / "a", tmp_path / "b"):
        with pytest.raises(IdentityError, match="secret"):
            load_or_create_identity(home)


def test_a_synthetic_model_and_its_policy_do_not_ask(tmp_path: Path) -> None:
    shutil.copytree(GOLDEN, tmp_path, dirs_exist_ok=True)
    metadata = next((tmp_path / "models").glob("*/metadata.json"))
    metadata.write_text(json.dumps(json.loads(metadata.read_text()) | {"data_provenance": "synthetic"}))
    assert load_or_create_identity(tmp_path) == load_or_create_identity(tmp_path)


def test_secret_lost_after_use_is_an_error_even_without_models(tmp_path: Path) -> None:
    load_or_create_identity(tmp_path)
    secret_path(tmp_path).unlink()
    with pytest.raises(IdentityError, match="disappeared"):
        load_or_create_identity(tmp_path)
    assert not secret_path(tmp_path).exists()


def test_secret_or_user_id_swapped_after_use_is_an_error(tmp_path: Path) -> None:
    first = load_or_create_identity(tmp_path)
    secret_path(tmp_path).write_text(SECRET)
    with pytest.raises(IdentityError, match="another one"):
        load_or_create_identity(tmp_path)
    _put(tmp_path, first.title_secret, USER)
    with pytest.raises(IdentityError, match="another one"):
        load_or_create_identity(tmp_path)


def test_user_id_lost_after_use_is_restored(tmp_path: Path) -> None:
    first = load_or_create_identity(tmp_path)
    user_id_path(tmp_path).unlink()
    assert load_or_create_identity(tmp_path) == first


@pytest.mark.parametrize("writes", [1, 2])
def test_creation_that_was_killed_is_completed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, writes: int) -> None:
    """After the secret; after the user id: what is there stays, the rest is made."""

    class Killed(BaseException):
        pass

    real = identity.write_text_atomic
    done: list[Path] = []

    def dying(path: Path, text: str, mode: int | None = None) -> None:
        if len(done) == writes:
            raise Killed
        done.append(path)
        real(path, text, mode)

    def dying_record(path: Path, value: object, mode: int | None = None) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(identity, "write_text_atomic", dying)
        patch.setattr(identity, "write_json_atomic", dying_record)
        with pytest.raises(Killed):
            load_or_create_identity(tmp_path)
    secret = secret_path(tmp_path).read_text()
    whole = load_or_create_identity(tmp_path)
    assert whole.title_secret == secret
    assert load_or_create_identity(tmp_path) == whole


def test_damaged_record_asks(tmp_path: Path) -> None:
    load_or_create_identity(tmp_path)
    (tmp_path / "tray/identity.json").write_text("{}")
    with pytest.raises(IdentityError, match="record"):
        load_or_create_identity(tmp_path)
