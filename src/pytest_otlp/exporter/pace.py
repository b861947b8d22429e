"""When the next request of a signal may begin, and how long it may take.

One at a time where answers come at once; where they are late, others begin meanwhile; where they are "not now", only
one tries until the endpoint takes something again.
"""

from __future__ import annotations

from pytest_otlp.exporter.transport import Answer

PATIENCE = 0.1
"""s after which a request without an answer no longer holds up the next one."""
HEAD_START = 0.1
"""s that the first request is ahead of the others, at a run's end too: with it comes what names the run in lists."""
FIRST_BACKOFF = 0.1
LAST_BACKOFF = 2.0
"""s; short, since a run's end must not find us asleep while the endpoint is back."""
_DOUBLINGS = 10
CLOSING_CONNECT = 1.0
"""s that a request after the run's end may take where the endpoint did not answer before."""


class Pace:
    """Times are those of `time.monotonic`, in s."""

    def __init__(self, timeout: float) -> None:
        """`timeout`: s for one request."""
        self._timeout = timeout
        self._deadline: float | None = None
        self._began = 0.0
        self._first: float | None = None
        """When the first request began, until something final was said of a payload."""
        self._not_before = 0.0
        self._asked = False
        """The endpoint itself said when."""
        self._failures = 0
        """Since something was taken."""
        self._unreachable = False

    @property
    def hurrying(self) -> bool:
        return self._deadline is not None

    def pause(self, under_way: int, now: float) -> float:
        """s until a request may begin beside those under way; not positive where one may at once."""
        after = self._not_before
        if under_way and (self._failures or not self.hurrying):
            after = max(after, self._began + PATIENCE)
        elif under_way and self._first is not None:
            after = max(after, self._first + HEAD_START)
        return after - now

    def budget(self, now: float) -> float:
        """s for a request that begins now; not positive where there is no time left."""
        if self._deadline is None:
            return self._timeout
        left = min(self._timeout, self._deadline - now)
        return min(left, CLOSING_CONNECT) if self._unreachable else left

    def begin(self, now: float) -> None:
        if not self._began:
            self._first = now
        self._began = now

    def hurry(self, deadline: float, now: float) -> bool:
        """The run is over; whether anything can still be sent before `deadline`.

        It ends a wait for which nobody asked: the endpoint may be back.
        """
        self._deadline = deadline
        if not self._asked:
            self._not_before = now
        return self._not_before < deadline or not self._asked

    def answered(self) -> None:
        """Something final was said of a payload."""
        self._failures = 0
        self._first = None
        self._unreachable = False
        if not self._asked:
            self._not_before = 0.0

    def failed(self, answer: Answer, now: float) -> bool:
        """Whether another attempt is worth while after this answer."""
        self._asked = answer.retry_after is not None
        self._not_before = now + (self._backoff() if answer.retry_after is None else answer.retry_after)
        self._failures += 1
        self._unreachable = answer.unreachable
        return self._deadline is None or (self._not_before < self._deadline and not answer.unreachable)

    def _backoff(self) -> float:
        import random  # noqa: PLC0415  only where an endpoint does not answer

        longest: float = min(FIRST_BACKOFF * 2 ** min(self._failures, _DOUBLINGS), LAST_BACKOFF)
        return longest * random.uniform(0.8, 1.2)  # noqa: S311  no secret
