"""What a computation takes: seconds, pairs of FFTs, and memory at its peak."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch


class Times(NamedTuple):
    """Seconds of the processor (of a GPU: of the clock), which other programs hardly lengthen; and of the clock."""

    work: float
    wall: float


def timed(work: Callable[[], Any], device: str = "cpu") -> Times:
    """Do `work` once and say how long it took."""
    clock, processor = time.perf_counter(), time.process_time()
    work()
    if device != "cpu":
        torch.cuda.synchronize()
    wall = time.perf_counter() - clock
    return Times(time.process_time() - processor if device == "cpu" else wall, wall)


def fft_pair(volume: torch.Tensor, device: str = "cpu") -> Times:
    """A real FFT of `volume`, (X, Y, Z), and back, best of nine: in this unit a cost depends less on the machine."""

    def pair() -> torch.Tensor:
        return torch.fft.irfftn(torch.fft.rfftn(volume), s=volume.shape)

    return min(timed(pair, device) for _ in range(9))


def reset_peak(device: str = "cpu") -> int:
    """Forget the peak of memory so far; bytes in use now."""
    if device != "cpu":
        torch.cuda.reset_peak_memory_stats()
        return torch.cuda.memory_allocated()
    # what the C library keeps of freed memory would be used again unseen
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    return _status("VmRSS")


def peak(device: str = "cpu") -> int:
    """Most bytes in use since `reset_peak`."""
    return torch.cuda.max_memory_allocated() if device != "cpu" else _status("VmHWM")


def _status(field: str) -> int:
    """Bytes of a line of this process's status file."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(field):
            return int(line.split()[1]) * 1024
    raise KeyError(field)
