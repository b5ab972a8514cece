"""What the tables of stages on a brain share: the brain, the unit of time, and a process of its own for each run."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from qsmflow.config import Simulate
from qsmflow.core.dipole import forward_field
from qsmflow.core.grid import as_size, irfft, rfft

#: Shape of the grid, and the side of its voxels, mm, with which a brain fills it.
GRIDS = (((160, 160, 160), 1.25), ((164, 204, 204), 1.0))
#: SD of the noise of the field, ppm.
NOISE = 0.002
#: Echo time, s, of the magnitude and of the phase that nonlinear inversions take the field as.
ECHO = 0.008


def make_brain(path: Path, shape: tuple[int, int, int], side: float, settings: dict[str, str]) -> None:
    """Save susceptibility, the field of the brain alone with noise, mask and magnitude, on a grid around the brain."""
    from qsmflow.phantom.plan import plan_subject
    from qsmflow.phantom.pose import b0_direction
    from qsmflow.phantom.sampling import sample_head

    plan = plan_subject(Simulate(voxel_size=(side,), angles=("0,0,0",), max_shift=0.0, **settings), 1)
    sample = sample_head(plan.head, plan.affine, plan.shape, plan.poses[0])
    inside = sample.brain > 0.5
    magnitude = sample.m0 * torch.exp(-ECHO * sample.r2star)
    chi, mask, magnitude = (_around(v, inside, shape) for v in (sample.brain_chi * inside, inside, magnitude))
    b0_dir = b0_direction(plan.affine)
    generator = torch.Generator().manual_seed(0)
    field = forward_field(chi, (side,) * 3, b0_dir) + NOISE * torch.randn(shape, generator=generator)
    volumes = {"chi": chi, "field": field * mask, "mask": mask, "magnitude": magnitude}
    torch.save({**volumes, "voxel_size": (side,) * 3, "b0_dir": b0_dir}, path)


def _around(volume: torch.Tensor, mask: torch.Tensor, shape: tuple[int, int, int]) -> torch.Tensor:
    """`volume` on a grid of `shape` in whose middle the mask lies; zero where it reaches beyond."""
    out = volume.new_zeros(shape)
    source, target = [], []
    for axis, n in enumerate(shape):
        held = mask.any(dim=[a for a in range(3) if a != axis]).nonzero()
        start = (int(held[0]) + int(held[-1]) + 1 - n) // 2
        first, last = max(start, 0), min(start + n, volume.shape[axis])
        source.append(slice(first, last))
        target.append(slice(first - start, last - start))
    out[tuple(target)] = volume[tuple(source)]
    return out


def fft_pair(volume: torch.Tensor) -> float:
    """Seconds of a pair of real FFTs of the grid of `volume`, the unit Y: the best of five."""
    times = []
    for _ in range(5):
        start = now(volume)
        irfft(rfft(volume), as_size(volume.shape))
        times.append(now(volume) - start)
    return min(times)


def now(volume: torch.Tensor) -> float:
    """Seconds, when all that was asked of the device of `volume` is done."""
    if volume.is_cuda:
        torch.cuda.synchronize()
    return time.perf_counter()


def timed(call: Callable[[], torch.Tensor], volume: torch.Tensor) -> tuple[torch.Tensor, dict[str, float]]:
    """What `call` returns, with its seconds, its time in Y, and its peak memory in float32 volumes of the grid."""
    unit = fft_pair(volume)
    before = _memory(volume)[0]
    start = now(volume)
    found = call()
    seconds = now(volume) - start
    peak = (_memory(volume)[1] - before) / (4 * volume.numel())
    return found, {"seconds": seconds, "units": seconds / min(unit, fft_pair(volume)), "peak": peak}


def _memory(volume: torch.Tensor) -> tuple[int, int]:
    """Bytes held now, and the most ever; `getrusage` would count the parent of this process in."""
    if volume.is_cuda:
        return torch.cuda.memory_allocated(), torch.cuda.max_memory_allocated()
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    now_kb, most_kb = (int(status[name].split()[0]) for name in ("VmRSS", "VmHWM"))
    return 1024 * now_kb, 1024 * most_kb


def in_own_process(script: str, *words: str) -> Any:
    """What ``script --measure words`` prints as JSON."""
    done = subprocess.run([sys.executable, script, "--measure", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(words)}: {done.stderr}")
    return json.loads(done.stdout)
