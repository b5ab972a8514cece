"""Resources: what stages state, and what is asked of an engine."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path

import pytest
from nipype import Function, IdentityInterface, Node, Workflow

from qsmflow.engines.execute import Machine, execute, last_error
from qsmflow.engines.resources import BASE_GB, Need, Resources, ask
from qsmflow.interfaces.stages import stages


def test_memory_grows_with_grid_and_images() -> None:
    need = Resources(volumes=4, volumes_per_image=2)
    voxel = 4e-9
    assert need.memory_gb(10**6, 3) == pytest.approx(BASE_GB + 10 * 10**6 * voxel)


def test_time_grows_with_grid_and_images() -> None:
    assert Resources(volumes=4, minutes=2).minutes_for(3 * 10**6, 5) == pytest.approx(30)
    assert Resources(volumes=4, minutes=2, least_voxels=10**6).minutes_for(1) == pytest.approx(2)


def test_a_device_is_asked_only_where_it_is_used_and_leaves_one_thread() -> None:
    record = Resources(volumes=1, cpus=8, gpus=1)
    assert (record.need(10, threads=4).cpus, record.need(10, threads=4).gpus) == (4, 0)
    need = record.need(10, threads=4, use_gpu=True)
    assert (need.cpus, need.gpus) == (1, 1)
    assert Resources(volumes=1).need(10, use_gpu=True).gpus == 0


def test_a_node_carries_what_it_asks() -> None:
    need = Need(cpus=3, memory_gb=2.5, minutes=7)
    node = deepcopy(ask(Node(IdentityInterface(["a"]), "a"), need))
    assert (node.n_procs, node.mem_gb, node.need) == (3, 2.5, need)


@pytest.mark.parametrize("name", stages())
def test_every_stage_fits_a_common_head(name: str) -> None:
    """256 x 256 x 160 with 5 echoes stays within 8 GB by what the stage states."""
    assert stages()[name].resources.memory_gb(256 * 256 * 160, 5) < 8


#: Seconds of the benchmarks, with the millions of voxels and images that they were for.
MEASURED = [
    ("unwrap", 7.0, 4.1 * 4),
    ("resharp", 46, 6.8),
    ("lbv", 24, 6.8),
    ("pdf", 117, 6.8),
    ("ismv", 22, 6.8),
    ("ilsqr", 18, 6.8),
    ("rts", 10, 6.8),
    ("tv", 22, 6.8),
    ("tgv", 193, 6.8),
    ("nltgv", 134, 6.8),
    ("ndi", 10, 6.8),
    ("whtv", 89, 6.8),
    ("medi", 85, 6.8),
    ("qsmnet", 10.5, 4.1),
    ("grappa", 39, 4.1 * 16),
    ("espirit", 208, 4.1 * 16),
]


@pytest.mark.parametrize(("name", "seconds", "millions"), MEASURED)
def test_time_limits_are_several_times_what_was_measured(name: str, seconds: float, millions: float) -> None:
    assert 4 < 60 * stages()[name].resources.minutes * millions / seconds < 50


def test_a_crash_file_comes_into_a_folder_of_any_name(tmp_path: Path) -> None:
    workflow = Workflow("run", base_dir=str(tmp_path / "work"))
    workflow.add_nodes([ask(Node(Function(output_names=["a"], function=_fails), "fails"), Need())])
    (failure,) = execute(workflow, Machine(1, 1.0), tmp_path / "100% logs").failed
    assert failure.crash_file is not None and failure.crash_file.parent == tmp_path / "100% logs"


def _fails() -> int:
    raise ValueError("it does")


def test_last_error_is_the_reason() -> None:
    text = "Node: a.b\nTraceback (most recent call last):\n  File x\n\tValueError: the mask is empty\n\n"
    assert last_error(text) == "ValueError: the mask is empty"
    assert last_error("nothing to see") == "nothing to see"
