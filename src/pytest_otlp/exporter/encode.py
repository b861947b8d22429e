"""Records into payloads that an endpoint takes: within its limits, and whatever the records hold."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from pytest_otlp.exporter import otlp_proto
from pytest_otlp.exporter.records import Attributes, Metric, Record, SharedSpan, whole
from pytest_otlp.exporter.transport import Encoded, Payload
from pytest_otlp.safe import cut_middle

MOST_RECORDS = 2048
MOST_BYTES = 3_932_160
"""3.75 MiB before compression: gRPC servers take 4 MiB by default."""


class Format(NamedTuple):
    """A way to write records down."""

    record: Callable[[Record], bytes]
    request: Callable[[Attributes, Sequence[bytes]], bytes]
    most_bytes: int


PROTOBUF = Format(otlp_proto.encode_record, otlp_proto.encode_request, MOST_BYTES)


def encode(resource: Attributes, records: Sequence[Record], to: Format = PROTOBUF) -> Encoded:
    """Packs records, in their order, into as few payloads as the limits allow.

    A record that cannot be encoded is set aside. One that is too large for a payload of its own is cut, a metric
    divided by its points; `count` is 0 for all of a divided metric but its last piece.
    """
    return _at_once(resource, records, to) or _packed(resource, records, to)


def _at_once(resource: Attributes, records: Sequence[Record], to: Format) -> Encoded | None:
    """As one payload, which most are, without a look at each record's size; None where that is too large, or one is."""
    if not 0 < len(records) <= MOST_RECORDS:
        return None
    try:
        data = to.request(resource, [*map(to.record, records)])
    except Exception:  # noqa: BLE001  see `_Packer.add`
        return None
    return Encoded([Payload(data, len(records), len(records))], 0, 0) if len(data) <= to.most_bytes else None


def _packed(resource: Attributes, records: Sequence[Record], to: Format) -> Encoded:
    packer = _Packer(resource, to)
    for record in records:
        packer.add(record)
    return packer.finish()


class _TooLargeError(Exception):
    pass


class _Packer:
    def __init__(self, resource: Attributes, to: Format) -> None:
        self._resource = resource
        self._to = to
        # What a request holds besides the records; growing lengths take a few bytes more.
        self._room = to.most_bytes - len(to.request(resource, ())) - 32
        self._payloads: list[Payload] = []
        self._pieces: list[bytes] = []
        self._size = self._count = self._aside = 0
        self._unencodable = self._cut = 0

    def add(self, record: Record) -> None:
        try:
            data = self._to.record(record)
            pieces = (data,) if len(data) <= self._room else self._fitted(record)
        except Exception:  # noqa: BLE001 - one bad record must not take the others with it
            self._unencodable += 1
            self._aside += 1
            return
        for piece in pieces[:-1]:
            self._put(piece, 0)
        self._put(pieces[-1], 1)

    def _put(self, piece: bytes, count: int) -> None:
        if self._pieces and (len(self._pieces) == MOST_RECORDS or self._size + len(piece) > self._room):
            self._flush()
        self._pieces.append(piece)
        # One byte more for a separator.
        self._size += len(piece) + 1
        self._count += count

    def _flush(self) -> None:
        data = self._to.request(self._resource, self._pieces)
        self._payloads.append(Payload(data, self._count, self._count + self._aside))
        self._pieces = []
        self._size = self._count = self._aside = 0

    def finish(self) -> Encoded:
        if self._pieces:
            self._flush()
        return Encoded(self._payloads, self._unencodable, self._cut)

    def _fitted(self, record: Record) -> Sequence[bytes]:
        if isinstance(record, SharedSpan):
            record = whole(record)
        if isinstance(record, Metric):
            return [self._to.record(part) for part in self._divided(record)]
        shortest = self._cut_to(record, _SHORTEST)
        if len(shortest) > self._room:
            raise _TooLargeError
        self._cut += 1
        longest = self._room // 2
        while longest > _SHORTEST:
            data = self._cut_to(record, longest)
            if len(data) <= self._room:
                return (data,)
            longest //= 2
        return (shortest,)

    def _cut_to(self, record: Record, longest: int) -> bytes:
        return self._to.record(_shorter(record, longest))

    def _divided(self, metric: Metric) -> Iterator[Metric]:
        if len(self._to.record(metric)) <= self._room:
            yield metric
        elif len(metric.points) > 1:
            middle = len(metric.points) // 2
            yield from self._divided(metric._replace(points=metric.points[:middle]))
            yield from self._divided(metric._replace(points=metric.points[middle:]))
        else:
            raise _TooLargeError


_SHORTEST = 64


def _shorter(value: Any, longest: int) -> Any:
    """A record in which no text is longer than that, at any depth; keys stay as they are."""
    if isinstance(value, str):
        return cut_middle(value, longest)
    if isinstance(value, Mapping):
        return {key: _shorter(item, longest) for key, item in value.items()}
    if hasattr(value, "_make"):
        return value._make(_shorter(item, longest) for item in value)
    if isinstance(value, (list, tuple)):
        return [_shorter(item, longest) for item in value]
    return value
