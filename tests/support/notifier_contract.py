"""What every notifier must do, real and dummy alike: subclass `NotifierContract` and give it a `notifier` fixture."""

from __future__ import annotations

import logging
import threading

import pytest

from taskclf_tray.notify.base import Button, Notice, Notifier, NotifyCapability, Urgency

HOSTILE_TEXTS = (
    "",
    "\x00\x01\x1b[31m",
    "\ud800 lone surrogate",
    "\u202egnp.exe",
    "<b>bold</b> & <img src='file:///etc/passwd'>",
    "$(touch /tmp/x); `id` \" ' \\",
    "x" * 65536,
    "e\u0301" * 400,
)


class NotifierContract:
    """The suite; `notifier` is closed by its fixture."""

    def test_a_notice_is_answered_with_a_bool(self, notifier: Notifier) -> None:
        assert notifier.notify(Notice("Title", "Body")) is (NotifyCapability.BODY in notifier.capabilities)

    @pytest.mark.parametrize("text", HOSTILE_TEXTS, ids=range(len(HOSTILE_TEXTS)))
    def test_no_text_makes_it_fail(self, notifier: Notifier, text: str) -> None:
        notice = Notice(text, text, (Button(text, "yes"),), Urgency.LOW, tag="hostile")
        assert notifier.notify(notice) is (NotifyCapability.BODY in notifier.capabilities)

    @pytest.mark.parametrize("urgency", list(Urgency))
    def test_every_urgency(self, notifier: Notifier, urgency: Urgency) -> None:
        notifier.notify(Notice("Title", "Body", urgency=urgency))

    def test_capabilities_are_stable(self, notifier: Notifier) -> None:
        assert notifier.capabilities == notifier.capabilities
        assert all(isinstance(one, NotifyCapability) for one in notifier.capabilities)

    def test_no_body_reaches_the_log(self, notifier: Notifier, caplog: pytest.LogCaptureFixture) -> None:
        with caplog.at_level(logging.DEBUG):
            notifier.notify(Notice("Title", "quarterly-secret", (Button("secret-button", "yes"),), tag="t"))
        assert "secret" not in caplog.text

    def test_many_threads_may_notify(self, notifier: Notifier) -> None:
        answers: list[bool] = []
        threads = [
            threading.Thread(target=lambda: answers.append(notifier.notify(Notice("Title", "Body")))) for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(120)
        assert answers == [NotifyCapability.BODY in notifier.capabilities] * 8

    def test_close_twice_and_then_notify(self, notifier: Notifier) -> None:
        notifier.close()
        notifier.close()
        assert notifier.notify(Notice("Title", "Body")) is False
        assert notifier.capabilities == frozenset()

    def test_taking_back_never_fails(self, notifier: Notifier) -> None:
        notifier.withdraw("never shown")
        notifier.notify(Notice("Title", "Body", (Button("Yes", "yes"),), tag="shown"))
        notifier.withdraw("shown")
        notifier.withdraw("shown")
        notifier.close()
        notifier.withdraw("shown")

    def test_has_a_name(self, notifier: Notifier) -> None:
        assert notifier.name
