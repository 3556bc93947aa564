"""A session bus that goes away: what nobody waits for is lost with it and says nothing, what is waited for fails."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator
from typing import Any

import pytest
from dbus_fast import Message, MessageType
from dbus_fast.service import ServiceInterface, dbus_signal

from taskclf_tray.system.session_bus import ask, connect
from tests.support.dbus_bus import PrivateBus, private_bus

pytestmark = pytest.mark.bus

SIGNAL = Message(
    path="/a", interface="a.b", member="Changed", message_type=MessageType.SIGNAL, signature="s", body=["x" * 2000]
)


class Item(ServiceInterface):
    """An exported interface with a signal."""

    def __init__(self) -> None:
        super().__init__("a.b")

    @dbus_signal(name="Changed")
    def changed(self) -> None:
        """Say that it changed."""


@pytest.fixture
def session_bus() -> Iterator[PrivateBus]:
    with private_bus() as bus:
        yield bus


def test_signals_to_a_bus_that_just_went_away_are_lost_in_silence(session_bus: PrivateBus) -> None:
    complaints: list[dict[str, Any]] = []

    async def lose_it() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
        bus = await connect(session_bus.address)
        item = Item()
        bus.export("/a", item)
        session_bus.kill()  # the loop does not run in between: the bus object still believes in its connection
        assert bus.connected
        item.changed()  # the write fails
        item.changed()
        bus.send(SIGNAL)
        with pytest.raises(OSError):
            await bus.wait_for_disconnect()  # type: ignore[no-untyped-call]
        item.changed()  # the socket is closed
        bus.send(SIGNAL)

    asyncio.run(lose_it())
    gc.collect()  # a failed future that nobody looked at complains when it is collected
    assert complaints == []


def test_questions_to_a_bus_that_went_away_have_no_answer(session_bus: PrivateBus) -> None:
    complaints: list[dict[str, Any]] = []
    question = Message("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "ListNames")

    async def answers() -> list[Any]:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
        bus = await connect(session_bus.address)
        before = await ask(bus, question)
        session_bus.kill()
        return [before is not None, await ask(bus, question), await ask(bus, question)]

    assert asyncio.run(answers()) == [True, None, None]
    gc.collect()
    assert complaints == []
