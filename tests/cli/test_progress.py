"""What a run says while it goes on: bars on a terminal, now and then a plain line everywhere else."""

from __future__ import annotations

import pytest

from qsmflow.cli import progress

NODES = [
    f"qsmflow.sub_0{number}{ses}.{name}" for number in (1, 2) for ses in ("_ses_a", "_ses_b") for name in ("x", "y")
]


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> progress.Progress:
    monkeypatch.setattr(progress, "_PLAIN_EVERY", -1.0)
    return progress.Progress()


def run_through(told: progress.Progress) -> None:
    with told:
        told.begin(NODES)
        for node in NODES:
            told(node, "start")
            told.tell(node, "iteration 3")
            told(node, "end")


def test_a_pipe_gets_plain_lines(watched: progress.Progress, capsys: pytest.CaptureFixture[str]) -> None:
    run_through(watched)
    said = capsys.readouterr()
    assert "\x1b" not in said.out + said.err and said.err == ""
    lines = said.out.splitlines()
    assert lines[1] == "qsmflow: sub_01_ses_a.x: iteration 3"
    assert lines[2] == "qsmflow: 0 of 2 subjects, 1 of 8 nodes done"
    assert "qsmflow: 1 of 2 subjects, 4 of 8 nodes done" in lines
    assert lines[-1] == "qsmflow: 2 of 2 subjects, 8 of 8 nodes done"


def test_a_pipe_is_not_flooded(capsys: pytest.CaptureFixture[str]) -> None:
    run_through(progress.Progress())
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("term", ["dumb", "xterm"])
def test_a_terminal_that_cannot_draw_gets_no_bars(
    term: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")  # a terminal to rich
    monkeypatch.setenv("TERM", term)
    run_through(progress.Progress())
    said = capsys.readouterr()
    assert ("subjects" in said.err) == ("\x1b[" in said.err) == (term != "dumb")


def test_verbose_tells_every_node(capsys: pytest.CaptureFixture[str]) -> None:
    run_through(progress.Progress(verbose=1))
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["qsmflow: start     sub_01_ses_a.x", "qsmflow: end       sub_01_ses_a.x"]
    assert len(lines) == 2 * len(NODES)


def test_what_is_read_after_a_node_ended_does_not_bring_it_back(watched: progress.Progress) -> None:
    run_through(watched)
    watched.tell(NODES[0], "iteration 4")
    assert not watched._running
