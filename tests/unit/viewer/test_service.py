from __future__ import annotations

import asyncio
import socket

import pytest

pytest.importorskip("uvicorn", reason="the extra `view` is not installed here")

from pytest_otlp.viewer.service import listening


def test_no_answer_waits_for_the_acknowledgement_of_its_head() -> None:
    assert asyncio.run(_nodelay()), "Nagle's algorithm is on"


async def _nodelay() -> bool:
    """Whether asyncio sends at once what is written to a connection that such a socket accepted."""
    accepted: asyncio.Future[asyncio.StreamWriter] = asyncio.get_running_loop().create_future()

    async def accept(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        accepted.set_result(writer)

    with listening("127.0.0.1", 0, "--page-port") as port:
        server = await asyncio.start_server(accept, sock=port)
        _, client = await asyncio.open_connection(*port.getsockname())
        served = await accepted
        found = served.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        for writer in (client, served):
            writer.close()
        server.close()
    return bool(found)
