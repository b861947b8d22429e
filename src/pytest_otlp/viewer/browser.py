"""The page in the browser of whoever sits at this machine."""

from __future__ import annotations

import sys
import threading
import webbrowser
from collections.abc import Mapping

_DISPLAYS = ("DISPLAY", "WAYLAND_DISPLAY")


def has_display(env: Mapping[str, str]) -> bool:
    """Whether a browser's window could be seen; `$BROWSER` is one that its owner knows to work."""
    return sys.platform in ("darwin", "win32") or any(env.get(name) for name in (*_DISPLAYS, "BROWSER"))


def show(address: str, env: Mapping[str, str]) -> str:
    """Has a browser open the address, and does not wait for it; one line on why there is none, else empty."""
    if not has_display(env):
        return "no browser is opened, for there is no display here: open the address above"
    try:
        browser = webbrowser.get()
    except webbrowser.Error:
        return "no browser is opened, for none is found here: open the address above, or set BROWSER"
    # Some commands last as long as their window.
    threading.Thread(target=browser.open, args=(address,), name="view-browser", daemon=True).start()
    return ""
