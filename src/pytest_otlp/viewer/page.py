"""The built page: package data, made by `make page` before a distribution is."""

from __future__ import annotations

from functools import lru_cache
from importlib import resources

_KINDS = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".woff2": "font/woff2",
}


class NoPageError(Exception):
    """The page was not built: a source checkout, or a broken distribution."""


@lru_cache(maxsize=64)
def file(path: str) -> tuple[bytes, str]:
    """Content and content type of one of the page's files; `path` with slashes.

    Raises:
        NoPageError: there is no such file.
    """
    place = resources.files("pytest_otlp.viewer").joinpath("page")
    for part in path.split("/"):
        if not part or part.startswith(".") or "\\" in part or ":" in part:
            raise NoPageError(path)
        place = place.joinpath(part)
    kind = _KINDS.get(path[path.rfind(".") :])
    if kind is None or not place.is_file():
        raise NoPageError(path)
    return place.read_bytes(), kind


def check() -> None:
    """Raises:
    NoPageError: there is no page to show.
    """
    try:
        file("index.html")
    except NoPageError:
        raise NoPageError("this installation has no page: in a source checkout, `make page` builds it") from None
