"""Windows of calls, where a person may listen without input: programs for calls, and pages for calls.

Every program of the category `meeting` is one. So is a chat program with calls, and a browser page whose title names a
service for calls; a program that no table knows is judged by its titles too. Titles are matched in memory, in linear
time, and only the result is kept.
"""

from __future__ import annotations

import re
from typing import Final

CALL_APP_IDS: Final = frozenset(
    {
        "ch.threema.threema",
        "chat.rocket.RocketChat",
        "chat.schildi.desktop",
        "com.alibaba.DingTalkMac",
        "com.discordapp.Discord",
        "com.facebook.messenger",
        "com.franz.franz",
        "com.google.chat",
        "com.guilded.app",
        "com.kakao.KakaoTalkMac",
        "com.larksuite.larkApp",
        "com.mattermost.desktop",
        "com.microsoft.teams2",
        "com.revolt.desktop",
        "com.session.Session",
        "com.tencent.WeWorkMac",
        "com.tencent.qq",
        "com.tencent.xinWeChat",
        "com.tinyspeck.slackmacgap",
        "com.viber.desktop",
        "com.vng.zalo",
        "com.wire.Wire",
        "im.dino.Dino",
        "im.riot.Riot",
        "in.cinny.Cinny",
        "jp.naver.line.mac",
        "net.whatsapp.WhatsApp",
        "org.jami.Jami",
        "org.matrix.nheko",
        "org.signal.Signal",
        "org.telegram.desktop",
    }
)
"""Chat programs with calls, by app id; programs for text alone (IRC, mail) are left out."""

HOST_APP_IDS: Final = frozenset({"com.microsoft.SystemSettings"})
"""Programs that host others' windows: Windows reports every store app as `ApplicationFrameHost.exe`."""

CALL_TITLES: Final = frozenset(
    {
        "amazon chime",
        "bigbluebutton",
        "bluejeans",
        "cisco webex",
        "cisco webex meetings",
        "dialpad meetings",
        "dingtalk",
        "discord",
        "element call",
        "eyeson",
        "facebook messenger",
        "facetime",
        "feishu",
        "gather",
        "google chat",
        "google meet",
        "goto meeting",
        "goto webinar",
        "gotomeeting",
        "gotowebinar",
        "hopin",
        "jitsi meet",
        "kumospace",
        "lark",
        "lifesize",
        "livestorm",
        "mattermost",
        "messenger",
        "microsoft teams",
        "microsoft teams classic",
        "microsoft teams meeting",
        "nextcloud talk",
        "pexip",
        "ringcentral",
        "ringcentral video",
        "rocket.chat",
        "signal",
        "skype",
        "slack",
        "spatialchat",
        "starleaf",
        "streamyard",
        "telegram",
        "telegram web",
        "tencent meeting",
        "viber",
        "voov meeting",
        "webex",
        "webex meetings",
        "wechat",
        "whatsapp",
        "whatsapp web",
        "whereby",
        "zoho meeting",
        "zoom",
        "zoom workplace",
        "яндекс телемост",
        "腾讯会议",
    }
)
"""A part of a title that names a service for calls: `Weekly planning | Microsoft Teams`, `general - Acme - Slack`."""

CALL_TITLE_BEGINNINGS: Final = ("huddle", "zoom meeting", "zoom webinar", "zoom-meeting", "zoom-webinar")
"""The beginnings of title parts that name a call itself: `Zoom Meeting 40-Minutes`, `Huddle with Sam`."""

FIRST_PART: Final = "meet"
"""The first part of Google Meet's titles, which do not name the service otherwise: `Meet - abc-defg-hij`."""

MEETING_CATEGORY: Final = "meeting"

MAX_TITLE_CHARACTERS: Final = 512
"""The length examined at each end of a title, where services name themselves."""

_SEPARATOR = re.compile(r" [-–—•·:] |\|")
_DECORATION: Final = (
    " 0123456789()[]+*!.,:•●○▶⏺🔴🔊🔇🎥🎙📞☎\ufe0f\u200b\u200c\u200d\u200e\u200f\u2060\u2068\u2069\ufeff"
)
"""Decoration around a name: counts of unread messages, and marks of a running call."""


def is_call_program(app_id: str, app_category: str) -> bool:
    """Whether a program is for calls, whatever its title."""
    return app_category == MEETING_CATEGORY or app_id in CALL_APP_IDS


def is_call_title(title: str) -> bool:
    """Whether a part of the title, separated by dashes or bars, names a service for calls.

    >>> is_call_title("Meet - abc-defg-hij - Google Chrome"), is_call_title("Meet the team - Acme")
    (True, False)
    """
    if len(title) > 2 * MAX_TITLE_CHARACTERS:
        title = f"{title[:MAX_TITLE_CHARACTERS]} | {title[-MAX_TITLE_CHARACTERS:]}"
    parts = [part.strip(_DECORATION) for part in _SEPARATOR.split(" ".join(title.casefold().split()))]
    if parts[0] == FIRST_PART:
        return True
    return any(_names_a_call(part) for part in parts)


def _names_a_call(part: str) -> bool:
    return part.partition(" (")[0] in CALL_TITLES or part.startswith(CALL_TITLE_BEGINNINGS)
