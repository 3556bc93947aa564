"""The programs and sites simulated people use, by the names ActivityWatch's watchers report on each platform.

Linux watchers report the window class, Windows watchers the executable, macOS watchers the display name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Platform = Literal["linux", "windows", "macos"]
PLATFORMS: Final[tuple[Platform, ...]] = ("linux", "linux", "windows", "macos")
"""As often as each is drawn."""


@dataclass(frozen=True, slots=True)
class Surface:
    """One thing a person works on: the native programs that offer it by platform, and the sites that do."""

    linux: tuple[str, ...] = ()
    windows: tuple[str, ...] = ()
    macos: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()

    def native(self, platform: Platform) -> tuple[str, ...]:
        """The programs on this platform; empty where there is none."""
        programs: tuple[str, ...] = getattr(self, platform)
        return programs


BROWSERS: Final = Surface(
    linux=("firefox", "Google-chrome", "Chromium", "Brave-browser"),
    windows=("chrome.exe", "msedge.exe", "firefox.exe"),
    macos=("Safari", "Google Chrome", "Arc"),
)
LOCKERS: Final = Surface(
    linux=("i3lock", "light-locker", "gnome-screensaver"), windows=("LockApp.exe",), macos=("loginwindow",)
)

SURFACES: Final[dict[str, Surface]] = {
    "editor": Surface(
        linux=("Code", "jetbrains-pycharm", "Emacs", "jetbrains-idea", "Sublime_text"),
        windows=("Code.exe", "idea64.exe", "devenv.exe", "Cursor.exe"),
        macos=("Code", "Xcode", "PyCharm", "Cursor"),
        hosts=("github.dev", "codesandbox.io"),
    ),
    "terminal": Surface(
        linux=("Gnome-terminal", "Alacritty", "kitty", "konsole", "XTerm"),
        windows=("WindowsTerminal.exe", "powershell.exe"),
        macos=("iTerm2", "Terminal", "Ghostty"),
    ),
    "notebook": Surface(hosts=("localhost:8888", "colab.research.google.com")),
    "database": Surface(linux=("DBeaver",), windows=("dbeaver.exe", "Ssms.exe"), macos=("DBeaver",)),
    "sheet": Surface(
        linux=("libreoffice-calc",),
        windows=("EXCEL.EXE",),
        macos=("Microsoft Excel", "Numbers"),
        hosts=("docs.google.com", "airtable.com"),
    ),
    "document": Surface(
        linux=("libreoffice-writer",),
        windows=("WINWORD.EXE",),
        macos=("Microsoft Word", "Pages"),
        hosts=("docs.google.com", "www.notion.so"),
    ),
    "notes": Surface(
        linux=("obsidian", "joplin"),
        windows=("Obsidian.exe", "ONENOTE.EXE"),
        macos=("Obsidian", "Notes"),
        hosts=("www.notion.so", "keep.google.com"),
    ),
    "paper": Surface(
        linux=("Evince", "okular"),
        windows=("Acrobat.exe", "SumatraPDF.exe"),
        macos=("Preview",),
        hosts=("arxiv.org", "www.jstor.org"),
    ),
    "mail": Surface(
        linux=("thunderbird",),
        windows=("OUTLOOK.EXE", "thunderbird.exe"),
        macos=("Mail", "Microsoft Outlook"),
        hosts=("mail.google.com", "outlook.office.com"),
    ),
    "chat": Surface(
        linux=("Slack", "discord", "Element"),
        windows=("slack.exe", "Discord.exe", "ms-teams.exe"),
        macos=("Slack", "Discord", "Messages"),
        hosts=("app.slack.com", "discord.com", "web.whatsapp.com"),
    ),
    "meeting": Surface(
        linux=("zoom",),
        windows=("Zoom.exe", "ms-teams.exe"),
        macos=("zoom.us", "FaceTime"),
        hosts=("meet.google.com", "app.zoom.us", "teams.microsoft.com"),
    ),
    "design": Surface(
        linux=("figma-linux", "Inkscape"), windows=("Figma.exe",), macos=("Figma",), hosts=("www.figma.com", "miro.com")
    ),
    "slides": Surface(
        linux=("libreoffice-impress",),
        windows=("POWERPNT.EXE",),
        macos=("Keynote",),
        hosts=("docs.google.com", "www.canva.com"),
    ),
    "files": Surface(linux=("org.gnome.Nautilus", "dolphin"), windows=("explorer.exe",), macos=("Finder",)),
    "music": Surface(
        linux=("Spotify",), windows=("Spotify.exe",), macos=("Spotify", "Music"), hosts=("open.spotify.com",)
    ),
    "calendar": Surface(macos=("Calendar",), hosts=("calendar.google.com", "outlook.office.com")),
    "tracker": Surface(macos=("Linear",), hosts=("linear.app", "trello.com", "jira.atlassian.com")),
    "code_host": Surface(hosts=("github.com", "gitlab.com", "codeberg.org")),
    "local_app": Surface(hosts=("localhost:3000", "localhost:8000", "127.0.0.1:5173")),
    "cms": Surface(hosts=("wordpress.com", "ghost.org", "webflow.com")),
    "reference": Surface(
        hosts=("docs.python.org", "developer.mozilla.org", "learn.microsoft.com", "en.wikipedia.org", "docs.rs")
    ),
    "answers": Surface(hosts=("stackoverflow.com", "unix.stackexchange.com", "stackoverflow.com")),
    "search": Surface(hosts=("www.google.com", "duckduckgo.com", "www.bing.com")),
    "article": Surface(hosts=("medium.com", "dev.to", "{place}", "{place}", "en.wikipedia.org")),
    "assistant": Surface(hosts=("chatgpt.com", "claude.ai")),
    "video": Surface(hosts=("www.youtube.com", "vimeo.com", "www.youtube.com")),
    "social": Surface(hosts=("www.reddit.com", "x.com", "www.linkedin.com", "bsky.app")),
    "news": Surface(hosts=("news.ycombinator.com", "www.bbc.com", "www.theverge.com", "www.reuters.com")),
    "shop": Surface(hosts=("www.amazon.com", "www.ebay.com", "{place}")),
    "tool": Surface(linux=("{tool}",), windows=("{tool}.exe",), macos=("{tool}",)),
}
"""Every surface a scene may name. `{place}` is one of the person's own small sites, `{tool}` an in-house program."""

SUFFIXES: Final[dict[str, str]] = {
    "firefox": " — Mozilla Firefox", "firefox.exe": " — Mozilla Firefox", "google-chrome": " - Google Chrome",
    "chrome.exe": " - Google Chrome", "chromium": " - Chromium", "brave-browser": " - Brave",
    "msedge.exe": " and 4 more pages - Personal - Microsoft\u200b Edge", "code": " - Visual Studio Code",
    "code.exe": " - Visual Studio Code", "devenv.exe": " - Microsoft Visual Studio", "cursor.exe": " - Cursor",
    "libreoffice-calc": " - LibreOffice Calc", "libreoffice-writer": " - LibreOffice Writer",
    "libreoffice-impress": " - LibreOffice Impress", "excel.exe": " - Excel", "winword.exe": " - Word",
    "powerpnt.exe": " - PowerPoint", "thunderbird": " - Mozilla Thunderbird", "outlook.exe": " - Outlook",
    "thunderbird.exe": " - Mozilla Thunderbird", "slack": " - Slack", "slack.exe": " - Slack",
    "discord": " - Discord", "discord.exe": " - Discord", "ms-teams.exe": " | Microsoft Teams",
    "obsidian": " - Obsidian v1.7.7", "obsidian.exe": " - Obsidian v1.7.7", "onenote.exe": " - OneNote",
    "acrobat.exe": " - Adobe Acrobat Reader", "dbeaver": " - DBeaver 24.2", "dbeaver.exe": " - DBeaver 24.2",
}  # fmt: skip
"""What programs add to their titles, by lower-case name; macOS programs add nothing."""
