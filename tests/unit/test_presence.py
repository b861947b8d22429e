from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pytest_otlp.presence import noted, page_at, process_lives, state_folder

PAGE = "http://127.0.0.1:4319"


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    """With a state folder that is there."""
    env = {"XDG_STATE_HOME": str(tmp_path), "LOCALAPPDATA": str(tmp_path)}
    state_folder(env, tmp_path).mkdir()
    return env


def test_a_receiver_is_known_at_its_ports_while_it_lives(env: dict[str, str], tmp_path: Path) -> None:
    folder = state_folder(env, tmp_path)
    with noted(folder, (4318, 4317), PAGE):
        assert [page_at(env, port) for port in (4318, 4317, 4316)] == [PAGE, PAGE, ""]
    assert page_at(env, 4318) == ""
    assert [*folder.iterdir()] == []


HOLDS = """
import sys
from pathlib import Path
from pytest_otlp.presence import noted
with noted(Path(sys.argv[1]), (4318,), sys.argv[2]):
    print("noted", flush=True)
    sys.stdin.read()
"""


def test_a_receiver_that_was_killed_is_not_known(env: dict[str, str], tmp_path: Path) -> None:
    folder = state_folder(env, tmp_path)
    command = [sys.executable, "-c", HOLDS, str(folder), PAGE]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as receiver:
        try:
            assert receiver.stdout is not None
            assert receiver.stdout.readline() == "noted\n"
            assert [page_at(env, 4318) for _ in range(2)] == [PAGE] * 2
        finally:
            receiver.kill()
            receiver.wait()
        assert [path.name for path in folder.iterdir()] == ["view-at-4318.json"]
        assert page_at(env, 4318) == ""
        with noted(folder, (4318,), "http://127.0.0.1:5"):
            assert page_at(env, 4318) == "http://127.0.0.1:5"


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"page": "http://127.0.0.1:1"}'])
def test_a_note_that_is_none_does_no_harm(env: dict[str, str], tmp_path: Path, text: str) -> None:
    (state_folder(env, tmp_path) / "view-at-4318.json").write_text(text)
    assert page_at(env, 4318) == ""


def test_without_a_home_or_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    with noted(tmp_path / "missing", (4318,), PAGE):
        assert page_at({"XDG_STATE_HOME": str(tmp_path), "LOCALAPPDATA": str(tmp_path)}, 4318) == ""
    monkeypatch.setattr(Path, "home", homeless)
    assert page_at({}, 4318) == ""


def test_a_process_that_lives_and_one_that_does_not() -> None:
    def gone(_pid: int, _signal: int) -> None:
        raise ProcessLookupError

    def foreign(_pid: int, _signal: int) -> None:
        raise PermissionError

    assert process_lives(1, lambda _pid, _signal: None)
    assert process_lives(1, foreign)
    assert not process_lives(1, gone)
