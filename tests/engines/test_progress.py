"""The lines that nodes leave on how far they are reach whoever watches the run."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

from nipype import Function, Node, Workflow

from qsmflow.engines import progress
from qsmflow.engines.execute import Machine, execute


def test_each_new_line_of_a_running_node_is_told_once(tmp_path: Path) -> None:
    told: list[tuple[str, str]] = []
    heard = threading.Event()

    def tell(node: str, line: str) -> None:
        told.append((node, line))
        heard.set()

    progress.leave(tmp_path, "of an earlier run")
    with progress.Reader(tell, every=0.001) as reader:
        reader.begin("sub-1.medi", tmp_path)
        for line in ("iteration 1", "iteration 2"):
            heard.clear()
            progress.leave(tmp_path, line)
            assert heard.wait(60)
        reader.end("sub-1.medi")
    assert told == [("sub-1.medi", "iteration 1"), ("sub-1.medi", "iteration 2")]


def test_a_line_that_is_taken_away_is_none(tmp_path: Path) -> None:
    progress.leave(tmp_path, "iteration 1")
    progress.clear(tmp_path)
    progress.clear(tmp_path)
    assert progress.read(tmp_path) == "" and not list(tmp_path.iterdir())


def _work(heard: str) -> None:
    import time
    from pathlib import Path

    from qsmflow.engines import progress

    progress.leave(Path.cwd(), "iteration 3")
    deadline = time.monotonic() + 60
    while not Path(heard).exists() and time.monotonic() < deadline:
        time.sleep(0.01)


class _Watch:
    """Lets the node end once its line has come."""

    def __init__(self, heard: Path) -> None:
        self.heard = heard
        self.told: list[tuple[str, str]] = []

    def begin(self, nodes: Sequence[str]) -> None:
        pass

    def __call__(self, node: str, event: str) -> None:
        pass

    def tell(self, node: str, line: str) -> None:
        self.told.append((node, line))
        self.heard.touch()

    def warn(self, node: str, line: str) -> None:
        raise AssertionError(line)


def test_a_run_tells_how_far_its_nodes_are(tmp_path: Path) -> None:
    watch = _Watch(tmp_path / "heard")
    node = Node(Function(["heard"], [], _work), "medi")
    node.inputs.heard = str(watch.heard)
    graph = Workflow("graph", base_dir=tmp_path)
    graph.add_nodes([node])
    outcome = execute(graph, Machine(nprocs=1, memory_gb=1), tmp_path / "crash", watch)
    assert outcome.executed == tuple(outcome.seconds) == ("graph.medi",)
    assert watch.told == [("graph.medi", "iteration 3")]
