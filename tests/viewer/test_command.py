"""What `pytest-otlp view` is asked for, and what it says."""

from __future__ import annotations

import http.client
import socket
from contextlib import suppress
from pathlib import Path

import pytest

from support.viewer import TIMEOUT, View


def has_ipv6() -> bool:
    with suppress(OSError), socket.create_server(("::1", 0), family=socket.AF_INET6):
        return True
    return False


@pytest.mark.skipif(not has_ipv6() or not socket.has_dualstack_ipv6(), reason="there is no IPv6 here")
def test_every_address_is_one_of_ipv4_too(folder: Path) -> None:
    """The name of the machine that is printed may lead to either."""
    with View(folder, host="::") as view:
        for address in ("127.0.0.1", "::1"):
            for port in (view.page_port, view.http_port):
                connection = http.client.HTTPConnection(address, port, timeout=TIMEOUT)
                connection.request("GET", "/nothing")
                assert connection.getresponse().status == 404
                connection.close()
            socket.create_connection((address, view.grpc_port), TIMEOUT).close()


def test_a_second_receiver_keeps_away_from_the_store_of_the_first(folder: Path) -> None:
    with View(folder) as view:
        (store,) = folder.rglob("runs.db")
        with pytest.raises(AssertionError) as error:
            View(folder)
        remedy = "another `pytest-otlp view` has it open; stop that, or use --db with another file"
        assert str(error.value) == f"pytest-otlp: {store}: {remedy}\n"
        with View(folder.with_name("other"), "--db=:memory:") as other:
            assert other.runs() == []
        assert view.runs() == []
    with View(folder) as view:
        assert view.runs() == []


@pytest.mark.parametrize(
    ("size", "told"),
    [("400K", "400 KB"), ("512M", "512 MB"), ("2G", "2 GB"), ("1536M", "1.5 GB"), ("700", "700 bytes")],
)
def test_the_size_is_told_as_it_was_asked_for(folder: Path, size: str, told: str) -> None:
    with View(folder, f"--keep-bytes={size}") as view:
        assert f"; kept: 50 runs or {told} in " in view.lines[1]


def test_a_link_without_the_trace_is_refused(folder: Path) -> None:
    with pytest.raises(AssertionError) as error:
        View(folder, "--trace-url=http://x/{trace}")
    told = "give a URL with {trace_id} or {run_id}, like http://localhost:16686/trace/{trace_id}"
    assert str(error.value).endswith(f"error: argument --trace-url: {told}\n")
