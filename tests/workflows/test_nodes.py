"""Nodes ask what the records of their stages say, and a GPU only where it was asked for."""

from __future__ import annotations

from qsmflow.interfaces.inversion import TKD
from qsmflow.interfaces.network import QSMnet
from qsmflow.workflows.nodes import Budget, stage_node


def test_a_node_asks_what_the_record_of_its_stage_says() -> None:
    node = stage_node(TKD(), "tkd", Budget(10**6, images=3, threads=8))
    record = TKD.resources
    assert node.need == record.need(10**6, 3, threads=8)
    assert (node.n_procs, node.mem_gb) == (record.cpus, round(record.memory_gb(10**6, 3), 2))


def test_only_stages_that_are_named_use_a_gpu() -> None:
    budget = Budget(10**6, threads=8, gpu=frozenset({"qsmnet"}))
    network = stage_node(QSMnet(), "qsmnet", budget)
    assert network.inputs.use_gpu and network.is_gpu_node() and (network.need.gpus, network.n_procs) == (1, 1)
    assert network.inputs.memory == 0  # what is free on the device
    assert stage_node(TKD(), "tkd", budget).need.gpus == 0
    without = stage_node(QSMnet(), "qsmnet", Budget(10**6, threads=8))
    assert not without.inputs.use_gpu and without.need.gpus == 0 and without.inputs.memory == without.need.memory_gb
