"""TCP servers that say what no OTLP server would, or nothing::

    with raw_server(saying(b"SSH-2.0-OpenSSH_9.6\\r\\n")) as port:
        ...  # send to http://127.0.0.1:{port}

`raw_server` takes any function of a connected socket; `saying`, `resetting` and `tunnel` (an HTTP proxy) are made.
`full_backlog` lets no connection be made at all.
"""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress

Talk = Callable[[socket.socket], None]


@contextmanager
def raw_server(talk: Talk, port: int = 0) -> Iterator[int]:
    """Gives the port of a server that has this talk on each connection and then closes it."""
    with socket.create_server(("127.0.0.1", port)) as listener:
        thread = threading.Thread(target=_serve, args=(listener, talk), daemon=True)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            # Wakes `accept`, which closing alone does not.
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()
            thread.join()


@contextmanager
def full_backlog() -> Iterator[int]:
    """Gives a port on which no connection is made any more: the queue of those not yet accepted is full.

    Linux lets them wait for as long as the client likes; other systems may refuse them.
    """
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


def _serve(listener: socket.socket, talk: Talk) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=_talk, args=(connection, talk), daemon=True).start()


def _talk(connection: socket.socket, talk: Talk) -> None:
    with connection, suppress(OSError):
        talk(connection)


def saying(answer: bytes) -> Talk:
    """Waits for a word, answers, and closes."""

    def talk(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(answer)
        # What was not read would turn the end into a reset that takes the answer with it.
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(65536):
            pass

    return talk


def resetting(connection: socket.socket) -> None:
    """Reads a little and resets the connection."""
    connection.recv(10)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def read_head(connection: socket.socket) -> str:
    """A request's head, byte by byte, so that nothing after it is taken."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = connection.recv(1)
        if not byte:
            break
        head += byte
    return head.decode("latin-1")


def tunnel(heads: list[str], status: int = 200) -> Talk:
    """An HTTP proxy that knows CONNECT only; notes the heads that it gets."""

    def talk(connection: socket.socket) -> None:
        head = read_head(connection)
        heads.append(head)
        connection.sendall(b"HTTP/1.1 %d Said\r\n\r\n" % status)
        if status != 200:
            return
        host, _, port = head.split()[1].rpartition(":")
        with socket.create_connection((host, int(port))) as target:
            back = threading.Thread(target=_pump, args=(target, connection), daemon=True)
            back.start()
            _pump(connection, target)
            back.join()

    return talk


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    for sock in (source, sink):
        with suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)
