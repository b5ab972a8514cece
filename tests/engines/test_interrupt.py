"""Ctrl-C ends a run at once: no new node, no process left behind, no traceback, finished work kept."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

PROGRAM = """
import sys
from pathlib import Path
from nipype import Function, Node, Workflow
from qsmflow.engines.execute import Machine, execute

def work(seconds, mark, after=None):
    import time
    from pathlib import Path
    time.sleep(seconds)
    Path(mark).touch()
    return mark

def node(name, seconds, base):
    made = Node(Function(["seconds", "mark", "after"], ["mark"], work), name)
    made.inputs.seconds, made.inputs.mark = seconds, str(base / name)
    return made

if __name__ == "__main__":
    base, slots = Path(sys.argv[1]), int(sys.argv[2])
    graph = Workflow("graph", base_dir=base)
    graph.connect(node("brief", 0, base), "mark", node("long", 60, base), "after")
    try:
        execute(graph, Machine(nprocs=slots, memory_gb=4), base / "crash")
    except KeyboardInterrupt:
        sys.exit(130)
"""


@pytest.mark.parametrize("slots", [1, 2])
def test_one_interrupt_of_the_terminal_ends_the_run(tmp_path: Path, slots: int) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM, encoding="utf-8")
    run = subprocess.Popen(
        [sys.executable, str(program), str(tmp_path), str(slots)],
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    deadline = time.monotonic() + 60
    while not (tmp_path / "brief").exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    time.sleep(1)
    os.killpg(run.pid, signal.SIGINT)  # what a terminal does: every process of the group is told
    told, _ = run.communicate(timeout=40)
    assert run.returncode == 130, told
    assert "Traceback" not in told
    assert (tmp_path / "brief").exists() and not (tmp_path / "long").exists()
    with pytest.raises(ProcessLookupError):
        for _ in range(50):
            os.killpg(run.pid, 0)
            time.sleep(0.1)
