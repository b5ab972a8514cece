"""A job waits for what other machines wrote, and not for ever."""

from __future__ import annotations

from pathlib import Path
from threading import Timer

from nipype import Node
from nipype.interfaces.utility import Merge

from qsmflow.engines.slurm.job import wait_for_inputs


def node_after(result: Path) -> Node:
    """A node that takes what is in `result`."""
    node = Node(Merge(1), "merge")
    node.input_source = {"in1": (str(result), "out")}
    return node


def test_a_result_that_is_seen_late_is_waited_for(tmp_path: Path) -> None:
    result = tmp_path / "before" / "result.pklz"
    result.parent.mkdir()
    Timer(0.7, result.touch).start()
    wait_for_inputs(node_after(result), 60)
    assert result.exists()


def test_one_that_never_comes_is_left_to_the_node(tmp_path: Path) -> None:
    wait_for_inputs(node_after(tmp_path / "before" / "result.pklz"), 0.1)
