from __future__ import annotations

import sys
import threading
import webbrowser

import pytest

from pytest_otlp.viewer import browser

ADDRESS = "http://127.0.0.1:4319/#token=x"
SEEN = {"DISPLAY": ":0"}


class Lasting(webbrowser.BaseBrowser):
    """A command that is over when its window is closed."""

    def __init__(self) -> None:
        super().__init__("lasting")
        self.asked = threading.Event()
        self.closed = threading.Event()
        self.addresses: list[str] = []

    def open(self, url: str, new: int = 0, autoraise: bool = True) -> bool:
        self.addresses.append(url)
        self.asked.set()
        return self.closed.wait(30)


def test_nobody_waits_for_the_browser(monkeypatch: pytest.MonkeyPatch) -> None:
    found = Lasting()
    monkeypatch.setattr(webbrowser, "get", lambda: found)
    assert browser.show(ADDRESS, SEEN) == ""
    assert found.asked.wait(30)
    assert found.addresses == [ADDRESS]
    assert not found.closed.is_set()
    found.closed.set()


def test_without_a_display_the_address_is_what_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(webbrowser, "get", lambda: pytest.fail("a browser in the terminal would take it over"))
    told = browser.show(ADDRESS, {"DISPLAY": ""})
    assert told == "no browser is opened, for there is no display here: open the address above"


def test_without_a_browser_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def none_found() -> webbrowser.BaseBrowser:
        raise webbrowser.Error("could not locate runnable browser")

    monkeypatch.setattr(webbrowser, "get", none_found)
    told = browser.show(ADDRESS, SEEN)
    assert told == "no browser is opened, for none is found here: open the address above, or set BROWSER"


@pytest.mark.parametrize(
    ("platform", "env", "seen"),
    [
        ("linux", {}, False),
        ("linux", {"WAYLAND_DISPLAY": "wayland-0"}, True),
        ("linux", {"BROWSER": "wslview"}, True),
        ("darwin", {}, True),
        ("win32", {}, True),
    ],
)
def test_where_a_window_can_be_seen(
    monkeypatch: pytest.MonkeyPatch, platform: str, env: dict[str, str], *, seen: bool
) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    assert browser.has_display(env) is seen
