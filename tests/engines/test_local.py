"""Nodes in processes of this machine: no two on one device, and one that is killed is told and takes no other along."""

from __future__ import annotations

import gc
from pathlib import Path

import pytest
from nipype import Function, Node, Workflow
from nipype.pipeline.plugins.multiproc import MultiProcPlugin

from qsmflow.engines import execute as engine
from qsmflow.engines.execute import Machine, Outcome, execute
from qsmflow.engines.local import LocalPlugin


def hold_device(folder: str, use_gpu: bool, first: bool) -> str:
    """Hold what CUDA would see, alone; the first nodes until there are two of them. Leaves what was held at once."""
    import os
    import time
    from pathlib import Path

    device = os.environ["CUDA_VISIBLE_DEVICES"]
    mark = Path(folder, device)
    mark.touch(exist_ok=False)
    deadline = time.monotonic() + 60
    while first and len(list(Path(folder).iterdir())) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    held = sorted(path.name for path in Path(folder).iterdir())
    time.sleep(0.3)
    mark.unlink()
    Path("seen").write_text(f"{device} of {' '.join(held)}")
    return device


def see_devices() -> str:
    import os
    from pathlib import Path

    Path("seen").write_text(os.environ["CUDA_VISIBLE_DEVICES"])
    return "done"


def die() -> int:
    import os
    import signal

    os.kill(os.getpid(), signal.SIGKILL)
    return 0


def sleep(seconds: float) -> float:
    import time

    time.sleep(seconds)
    return seconds


def run(folder: Path, *nodes: Node, nprocs: int) -> Outcome:
    workflow = Workflow("run", base_dir=str(folder))
    workflow.add_nodes(nodes)
    return execute(workflow, Machine(nprocs, 4.0), folder / "crash")


def test_nodes_on_a_gpu_have_a_device_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-1a,3")
    monkeypatch.setattr(engine, "visible_devices", lambda: ["GPU-1a", "3"])
    (tmp_path / "held").mkdir()
    nodes = [Node(Function(function=hold_device), f"gpu{number}") for number in range(4)]
    for number, node in enumerate(nodes):
        node.inputs.trait_set(folder=str(tmp_path / "held"), use_gpu=True, first=number < 2)
    other = Node(Function(function=see_devices), "cpu")
    outcome = run(tmp_path, *nodes, other, nprocs=4)
    assert not outcome.failed and len(outcome.executed) == 5
    seen = {path.parent.name: path.read_text() for path in tmp_path.glob("run/*/seen")}
    assert {seen["gpu0"], seen["gpu1"]} == {"GPU-1a of 3 GPU-1a", "3 of 3 GPU-1a"}
    assert seen["cpu"] == "GPU-1a,3"


def test_a_process_that_is_killed_fails_its_node_alone(tmp_path: Path) -> None:
    beside = Node(Function(function=sleep), "beside")
    beside.inputs.seconds = 2.0
    outcome = run(tmp_path, Node(Function(function=die), "die"), beside, nprocs=2)
    assert outcome.executed == ("run.beside",)
    (failure,) = outcome.failed
    assert failure.node == "run.die" and "was killed" in failure.message and "run again" in failure.message


def test_the_graph_is_no_garbage_to_be_looked_through_while_it_is_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: list[int] = []
    monkeypatch.setattr(MultiProcPlugin, "run", lambda *_: kept.append(gc.get_freeze_count()))
    before = gc.get_freeze_count()
    LocalPlugin({"n_procs": 1, "memory_gb": 1.0}, []).run(None, None)
    assert kept[0] > before == gc.get_freeze_count()
