"""What an index shows of the package: the README, with links and pictures that lead to the repository."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

_RELATIVE = re.compile(r"(!?)\[([^]]+)\]\((?!https?:|#)([^)]+)\)")


class IndexPage(MetadataHookInterface):
    """Sets the metadata that depend on where the package is built."""

    PLUGIN_NAME = "custom"

    def update(self, metadata: dict[str, Any]) -> None:
        text = Path(self.root, "README.md").read_text("utf-8")
        home = repository(os.environ)
        tag = f"v{metadata['version']}"
        metadata["readme"] = {"content-type": "text/markdown", "text": readable_anywhere(text, home, tag)}
        if home:
            metadata["urls"] = {
                "Source": home,
                "Documentation": f"{home}/tree/{tag}/docs",
                "Changelog": f"{home}/blob/{tag}/CHANGELOG.md",
            }


def repository(env: Mapping[str, str]) -> str:
    """The address of the repository, as the job that publishes is told it (GitHub's "Variables"); else empty."""
    server, name = env.get("GITHUB_SERVER_URL", ""), env.get("GITHUB_REPOSITORY", "")
    return f"{server}/{name}" if server and name else ""


def readable_anywhere(text: str, home: str, tag: str) -> str:
    """Markdown without a relative link: each leads to the repository, or is its text only where that is not known."""

    def absolute(link: re.Match[str]) -> str:
        picture, title, path = link.groups()
        if home:
            return f"{picture}[{title}]({home}/{'raw' if picture else 'blob'}/{tag}/{path})"
        return "" if picture else title

    return _RELATIVE.sub(absolute, text)
