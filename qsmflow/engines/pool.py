"""Processes that compute nodes here, and end with the one that holds the graph, however that ends."""

from __future__ import annotations

import os
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from nipype.pipeline.plugins.multiproc import process_initializer


def start_pool(processes: int) -> ProcessPoolExecutor:
    """A pool of `processes` that starts its processes when they are needed."""
    return ProcessPoolExecutor(
        processes,
        mp_context=get_context("forkserver"),
        initializer=_begin,
        initargs=(str(Path.cwd()), os.getpid()),
    )


def _begin(folder: str, driver: int) -> None:
    process_initializer(folder)
    threading.Thread(target=_end_after, args=(driver,), daemon=True).start()


def _end_after(driver: int) -> None:
    """End this process when `driver` is gone: what that left running would be in the way of the next run."""
    while True:
        time.sleep(1)
        try:
            os.kill(driver, 0)
        except OSError:
            os._exit(1)
