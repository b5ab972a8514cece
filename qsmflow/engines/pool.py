"""Processes that compute nodes here, and end with the one that holds the graph, however that ends."""

from __future__ import annotations

import os
import resource
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from nipype.pipeline.plugins.multiproc import process_initializer

#: Files that a pool of one process has open here.
_FILES = 8
_DEVICES = "CUDA_VISIBLE_DEVICES"
_KILLED = (
    "ProcessError: a process of this run was killed, by somebody or by a machine short of memory; run again, "
    "with a lower --mem or --nprocs"
)


def start_pool(processes: int, device: str | None = None) -> ProcessPoolExecutor:
    """A pool of `processes` that starts its processes when they are needed; parameters are those of `Pool`."""
    # the fork server may be older than what is set here now
    seen = os.environ.get(_DEVICES) if device is None else device
    return ProcessPoolExecutor(
        processes,
        mp_context=get_context("forkserver"),
        initializer=_begin,
        initargs=(str(Path.cwd()), os.getpid(), seen),
    )


class Pool:
    """Processes that are started when they are needed; where one is killed, others take the place of all.

    Parameters
    ----------
    processes
        How many nodes are computed at once; more wait.
    device
        The one CUDA device that they see, as CUDA_VISIBLE_DEVICES names it; None: as this process does.
    """

    def __init__(self, processes: int, device: str | None = None) -> None:
        self._processes, self._device = processes, device
        self._executor = start_pool(processes, device)

    def submit(self, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
        """Have `function` called in one of the processes."""
        try:
            return self._executor.submit(function, *arguments)
        except BrokenProcessPool:
            self._executor = start_pool(self._processes, self._device)
            return self._executor.submit(function, *arguments)

    def shutdown(self) -> None:
        """Begin nothing more."""
        self._executor.shutdown(wait=False, cancel_futures=True)


def outcome(future: Future[Any]) -> dict[str, Any] | None:
    """What nipype is to know of a node that was submitted to a pool; None while it waits or is computed."""
    if not future.done():
        return None
    error = future.exception()
    if error is None:
        return dict(future.result())
    line = _KILLED if isinstance(error, BrokenProcessPool) else f"{type(error).__name__}: {error}"
    return {"result": None, "traceback": [line]}


def allow_pools(count: int) -> None:
    """Let this process have as many files open as `count` pools of one process take beside what is usual."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 1024 + _FILES * count
    if 0 <= soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted if hard < 0 else min(wanted, hard), hard))


def _begin(folder: str, driver: int, seen: str | None) -> None:
    process_initializer(folder)
    os.environ.pop(_DEVICES, None)
    if seen is not None:  # CUDA reads it once, when it is first used
        os.environ[_DEVICES] = seen
    threading.Thread(target=_end_after, args=(driver,), daemon=True).start()


def _end_after(driver: int) -> None:
    """End this process when `driver` is gone: what that left running would be in the way of the next run."""
    while True:
        time.sleep(1)
        try:
            os.kill(driver, 0)
        except OSError:
            os._exit(1)
