"""Nipype's plugin for one machine, with a process of its own for each node that runs and for each CUDA device."""

from __future__ import annotations

import gc
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any

from nipype.pipeline.engine import Node
from nipype.pipeline.plugins.multiproc import MultiProcPlugin, run_node

from .pool import Pool, allow_pools, outcome


class LocalPlugin(MultiProcPlugin):
    """As many nodes at once as CPUs, memory and devices allow.

    A process that is killed takes the node with it that it computed, and no other; Nipype's own plugin waits for that
    node forever. CUDA does not let go of a device in a process that has used it, so each device has one process, which
    sees no other device, and no two nodes share one.

    Parameters
    ----------
    arguments
        Of Nipype's plugin.
    devices
        Names of the CUDA devices that nodes may use.
    """

    def __init__(self, arguments: dict[str, Any], devices: Sequence[str]) -> None:
        # a node that finds no device says so itself
        devices = devices or [""]
        super().__init__({**arguments, "n_gpu_procs": len(devices)})
        allow_pools(self.processors + len(devices))
        self._processes = [Pool(1) for _ in range(self.processors)]
        self._devices = [Pool(1, device) for device in reversed(devices)]
        self._tasks: dict[int, tuple[Future[Any], Pool, list[Pool]]] = {}

    def run(self, graph: Any, config: Any, updatehash: bool = False) -> None:
        """Execute `graph`."""
        pools = [*self._processes, *self._devices]
        # nipype collects garbage before each submission, and of 200 subjects the graph alone takes half a second
        gc.freeze()
        try:
            super().run(graph, config, updatehash)
        finally:
            gc.unfreeze()
            for pool in pools:
                pool.shutdown()

    def _submit_job(self, node: Node, updatehash: bool = False) -> int:
        self._taskid += 1
        free = self._devices if node.is_gpu_node() else self._processes
        pool = free.pop()
        self._tasks[self._taskid] = pool.submit(run_node, node, updatehash, self._taskid), pool, free
        return self._taskid

    def _get_result(self, taskid: int) -> dict[str, Any] | None:
        return outcome(self._tasks[taskid][0])

    def _clear_task(self, taskid: int) -> None:
        _, pool, free = self._tasks.pop(taskid)
        free.append(pool)
