"""What the benchmarks share: the cost of a call in seconds, in the unit of the README, and in memory."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

#: One a measured call: its name, and the figures that go into the table.
_ROWS: list[tuple[str, dict[str, str]]] = []


def fft_pair_seconds(shape: tuple[int, ...]) -> float:
    """Y: seconds of one pair of real FFTs of a grid, the best of five."""
    volume, times = torch.randn(shape), []
    for _ in range(5):
        start = time.perf_counter()
        torch.fft.irfftn(torch.fft.rfftn(volume), s=shape)
        times.append(time.perf_counter() - start)
    return min(times)


def _memory_gb(name: str) -> float:
    """A figure of this process, `VmRSS` or `VmHWM`, GB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) * 1024 / 1e9


@pytest.fixture
def cost(benchmark: Any, request: pytest.FixtureRequest) -> Callable[..., Any]:
    """`cost(call, shape, figures)` measures a call on a grid, prints its row in the table, and returns its result.

    `figures` takes the result and returns more columns, by name. The peak memory is that beyond what the process held.
    """

    def measure(call: Callable[[], Any], shape: tuple[int, ...], figures: Callable[[Any], dict[str, str]]) -> Any:
        ctypes.CDLL(None).malloc_trim(0)  # what was freed counts as free
        Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
        before = _memory_gb("VmRSS")
        result = call()
        peak = _memory_gb("VmHWM") - before
        benchmark.pedantic(call, rounds=2)
        seconds = benchmark.stats.stats.min
        row = {"s": f"{seconds:.2f}", "Y": f"{seconds / fft_pair_seconds(shape):.0f}", "peak GB": f"{peak:.2f}"}
        _ROWS.append((request.node.name, row | figures(result)))
        return result

    return measure


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """The table, as Markdown."""
    if not _ROWS:
        return
    names = list(dict.fromkeys(name for _, row in _ROWS for name in row))
    terminalreporter.section("cost")
    terminalreporter.line(f"| | {' | '.join(names)} |")
    terminalreporter.line("|---" * (len(names) + 1) + "|")
    for label, row in _ROWS:
        terminalreporter.line(f"| {label} | {' | '.join(row.get(name, '') for name in names)} |")
