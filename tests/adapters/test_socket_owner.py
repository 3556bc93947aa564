"""Whose server answers on this computer: another local user must neither become the source nor get the key."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from taskclf_tray.adapters import aw_http, deadline
from taskclf_tray.adapters.aw_http import AWClient, configured_key, server_owner
from taskclf_tray.core.errors import AWForeignServerError
from tests.support.http_faults import faulty_server

KEY = "local-key-77"


@contextmanager
def connected(family: socket.AddressFamily, bind: str, address: str) -> Iterator[tuple[socket.socket, socket.socket]]:
    with socket.socket(family) as listener:
        listener.bind((bind, 0))
        listener.listen()
        with socket.create_connection((address, listener.getsockname()[1])) as connection:
            yield listener, connection


@pytest.mark.parametrize("bind", ["127.0.0.1", "0.0.0.0"])
def test_the_owner_of_a_listening_socket(bind: str) -> None:
    with connected(socket.AF_INET, bind, "127.0.0.1") as (_, connection):
        assert server_owner(connection) == os.geteuid()


def test_the_owner_of_a_dual_stack_socket() -> None:
    with socket.create_server(("", 0), family=socket.AF_INET6, dualstack_ipv6=True) as listener:
        port = listener.getsockname()[1]
        for address in ("127.0.0.1", "::1"):
            with socket.create_connection((address, port)) as connection:
                assert server_owner(connection) == os.geteuid()


def test_the_owner_of_an_accepted_socket_whose_listener_has_gone() -> None:
    with connected(socket.AF_INET, "127.0.0.1", "127.0.0.1") as (listener, connection):
        accepted, _ = listener.accept()
        listener.close()
        with closing(accepted):
            assert server_owner(connection) == os.geteuid()


def test_nothing_is_known_of_a_connection_that_is_gone() -> None:
    with connected(socket.AF_INET, "127.0.0.1", "127.0.0.1") as (listener, connection):
        listener.close()
        assert server_owner(connection) is None


@pytest.fixture
def key_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    folder = tmp_path / "activitywatch" / "aw-server-rust"
    folder.mkdir(parents=True)
    return folder / "config.toml"


def configure(path: Path, port: int) -> None:
    path.write_text(f'port = {port}\n[auth]\napi_key = "{KEY}"\n')


def test_another_users_server_is_sent_nothing(key_for: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aw_http, "own_user", lambda: os.geteuid() + 1)
    monkeypatch.setattr(aw_http, "server_owner", lambda connection: os.geteuid() + 2)
    with faulty_server(lambda h: h.answer(200, b"{}")) as (url, seen):
        configure(key_for, int(url.rpartition(":")[2]))
        with pytest.raises(AWForeignServerError, match=r"another user") as caught:
            AWClient(url).get("info")
    assert seen == []
    assert caught.value.next_step


def test_a_server_nobody_knows_gets_no_key_from_the_file(key_for: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aw_http, "server_owner", lambda connection: None)
    with faulty_server(lambda h: h.answer(200, b"{}")) as (url, seen):
        assert AWClient(url).get("info") == {}
        configure(key_for, int(url.rpartition(":")[2]))
        assert AWClient(url, api_key="mine").get("info") == {}
        with pytest.raises(AWForeignServerError, match=r"key"):
            AWClient(url).get("info")
    assert len(seen) == 2


@pytest.mark.parametrize("url", ["http://localhost:{port}", "http://127.0.0.1:{port}"])
def test_ones_own_server_is_read(key_for: Path, url: str) -> None:
    with faulty_server(lambda h: h.answer(200, b"{}")) as (address, seen):
        port = int(address.rpartition(":")[2])
        configure(key_for, port)
        assert AWClient(url.format(port=port)).get("info") == {}
    assert len(seen) == 1


@pytest.mark.parametrize(
    ("url", "key"),
    [
        ("http://localhost:5600", KEY),
        ("http://127.0.0.1:5600/", KEY),
        ("http://[::1]:5600", KEY),
        ("http://localhost:5601", None),
        ("http://localhost", None),
        ("http://aw.example.org:5600", None),
        ("http://10.0.0.1:5600", None),
    ],
)
def test_the_key_goes_to_its_own_address_alone(key_for: Path, url: str, key: str | None) -> None:
    key_for.write_text(f'[auth]\napi_key = "{KEY}"\n')
    assert configured_key(url) == key


def test_each_configuration_has_its_own_port(key_for: Path) -> None:
    key_for.with_name("config-testing.toml").write_text(f'[auth]\napi_key = "{KEY}"\n')
    assert configured_key("http://localhost:5666") == KEY
    assert configured_key("http://localhost:5600") is None
    configure(key_for, 7000)
    assert configured_key("http://localhost:7000") == KEY


def test_localhost_is_127_0_0_1_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where only ::1 listens it is asked second."""
    tried = []
    real = deadline.create_connection

    def noted(address: tuple[str, int], *rest: object) -> socket.socket:
        tried.append(address[0])
        return real(address, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(deadline, "create_connection", noted)
    with faulty_server(lambda h: h.answer(200, b"{}")) as (url, _):
        AWClient(f"http://localhost:{url.rpartition(':')[2]}").get("info")
    assert tried == ["127.0.0.1"]
