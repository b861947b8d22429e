"""The current span under pytest-asyncio and anyio, whose contexts are copied early."""

from __future__ import annotations

import json

import pytest

from support.runs import Runner

HEAD = """
    import asyncio
    import json
    import pytest
    from opentelemetry import trace

    seen = []

    def note(*where):
        seen.append([*where, f"{trace.get_current_span().get_span_context().span_id:016x}"])

    @pytest.fixture(scope="module", autouse=True)
    def written():
        yield
        with open("seen.json", "w") as file:
            json.dump(seen, file)
"""
ASYNCIO = """
    import pytest_asyncio

    @pytest_asyncio.fixture
    async def shop(request):
        note(request.node.name, "setup")
        await asyncio.sleep(0)
        note(request.node.name, "setup")
        yield
        await asyncio.sleep(0)
        note(request.node.name, "teardown")

    @pytest.mark.asyncio
    async def test_a(shop):
        note("test_a", "call")
        await asyncio.gather(*(tasked("test_a") for _ in range(3)))

    async def tasked(name):
        await asyncio.sleep(0)
        note(name, "call")

    @pytest.mark.asyncio
    async def test_b(shop):
        await asyncio.create_task(tasked("test_b"))

    def test_c():
        note("test_c", "call")

    @pytest.mark.asyncio(loop_scope="module")
    async def test_d():
        note("test_d", "call")

    @pytest.mark.asyncio(loop_scope="module")
    async def test_e():
        note("test_e", "call")
"""
ANYIO = """
    pytestmark = pytest.mark.anyio

    @pytest.fixture(scope="module")
    def anyio_backend():
        return "asyncio"

    @pytest.fixture(scope="module")
    async def kept():
        note("test_a", "setup")
        yield
        note("test_b", "teardown")

    @pytest.fixture
    async def shop(kept, request):
        note(request.node.name, "setup")
        yield
        note(request.node.name, "teardown")

    async def test_a(shop):
        note("test_a", "call")

    async def test_b(shop):
        await asyncio.sleep(0)
        note("test_b", "call")
"""


@pytest.mark.parametrize(
    ("package", "plugin", "body", "notes"),
    [("pytest_asyncio", "asyncio", ASYNCIO, 14), ("anyio", "anyio", ANYIO, 8)],
    ids=["pytest-asyncio", "anyio"],
)
def test_the_span_of_the_running_phase_is_current(
    run_pytest: Runner, package: str, plugin: str, body: str, notes: int
) -> None:
    pytest.importorskip(package)
    run = run_pytest(HEAD + body, "-p", plugin)
    assert run.exit_code == 0, run.stdout
    seen = json.loads((run.folder / "seen.json").read_text())
    assert seen == [[test, phase, run.phase(test, phase).span_id] for test, phase, _ in seen]
    assert len(seen) == notes
