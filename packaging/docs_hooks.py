"""What MkDocs needs besides docs/: the pages that stand at the root of the repository, and links that fit the site.

In the repository a page links to files beside it, so that it reads well there too. Here each link is made to lead to
the page of the site, and a link to a file that is no page keeps its text alone.
"""

from __future__ import annotations

import os
import posixpath
import re
from pathlib import Path, PurePosixPath
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[1]
ROOT_PAGES: Final = {
    "ARCHITECTURE.md": "architecture.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
    "CHANGELOG.md": "changelog.md",
    "README.md": "index.md",
    "findings/README.md": "findings.md",
}
"""Path in the repository → path in the site. The README's place is taken by docs/index.md."""
_LINK: Final = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s#]*)(#[^)\s]*)?\)")


def on_files(files: Any, config: Any) -> Any:
    """Add the pages from the root."""
    from mkdocs.structure.files import File

    for source, target in ROOT_PAGES.items():
        if target != "index.md":
            files.append(File.generated(config, target, abs_src_path=os.fspath(ROOT / source)))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Make the links of a page fit the site."""
    return site_links(markdown, page.file.src_uri)


def site_links(markdown: str, target: str) -> str:
    """The page at `target` in the site, with its links as they are there; code is left alone."""
    source = repository_path(target)
    parts = re.split(r"(^```.*?^```$|`[^`\n]+`)", markdown, flags=re.MULTILINE | re.DOTALL)
    return "".join(
        part if place % 2 else _LINK.sub(_rewriter(source, target), part) for place, part in enumerate(parts)
    )


def repository_path(target: str) -> str:
    """Where a page of the site stands in the repository."""
    return next((source for source, page in ROOT_PAGES.items() if page == target != "index.md"), f"docs/{target}")


def site_path(path: str) -> str | None:
    """Where a file of the repository stands in the site; None when it is not there."""
    if path in ROOT_PAGES:
        return ROOT_PAGES[path]
    return path.removeprefix("docs/") if path.startswith("docs/") else None


def _rewriter(source: str, target: str) -> Any:
    def rewritten(match: re.Match[str]) -> str:
        picture, text, path, anchor = match[1], match[2], match[3], match[4] or ""
        if not path or re.match(r"[a-z]+:", path):
            return match[0]
        found = site_path(posixpath.normpath(PurePosixPath(source).parent / path))
        if found is None:
            return text
        return f"{picture}[{text}]({posixpath.relpath(found, PurePosixPath(target).parent)}{anchor})"

    return rewritten
