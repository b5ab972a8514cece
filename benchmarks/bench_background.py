"""Every background removal on a whole head whose local field is known: error, time, memory.

    python benchmarks/bench_background.py [--labels LABELS.nii.gz --chi TABLE --brain MASK.nii.gz]

prints the table for two grids as Markdown; without labels the head is the procedural one. Y is the time of one pair of
real FFTs of the grid, measured after each run in the same process.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from qsmflow.config import BACKGROUNDS, Simulate
from qsmflow.core import background
from qsmflow.core.grid import irfft, rfft
from qsmflow.core.mask.morphology import depth

#: Shape of the grid, and size of its voxels, mm, with which a brain fills it.
GRIDS = (((160, 160, 160), 1.25), ((164, 204, 204), 1.0))
#: Depth in the mask, mm, from which errors are told too.
DEEP = 3.0
#: What is run: name, stages, and settings other than the defaults.
RUNS: dict[str, tuple[tuple[str, ...], dict[str, Any]]] = {
    **{name: (stages, {}) for name, stages in BACKGROUNDS.items()},
    "vsharp, inverse": (("vsharp",), {"deconvolution": "inverse"}),
}
COLUMNS = ("method", "grid", "s", "Y", "peak memory, volumes", "mask kept", "error, own mask", "mask", "3 mm inside")


def make_head(path: Path, shape: tuple[int, int, int], side: float, settings: dict[str, str]) -> None:
    """Save total field, local field and brain mask of a head on a grid of `shape` around its brain."""
    from qsmflow.phantom.acquisition import total_and_local_field
    from qsmflow.phantom.plan import plan_subject
    from qsmflow.phantom.pose import b0_direction
    from qsmflow.phantom.sampling import sample_head

    plan = plan_subject(Simulate(voxel_size=(side,), angles=("0,0,0",), max_shift=0.0, **settings), 1)
    sample = sample_head(plan.head, plan.affine, plan.shape, plan.poses[0])
    b0_dir = b0_direction(plan.affine)
    total, local = total_and_local_field(sample, (side,) * 3, b0_dir, plan.head.outside)
    mask = sample.brain > 0.5
    volumes = {"total": total, "local": local, "mask": mask}
    data: dict[str, Any] = {name: _around(volume, mask, shape) for name, volume in volumes.items()}
    torch.save({**data, "voxel_size": (side,) * 3, "b0_dir": b0_dir}, path)


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


def measure(name: str, path: Path) -> dict[str, float]:
    """Run one method in this process, whose peak memory nothing else has raised."""
    data = torch.load(path)
    total, local, mask, size = data["total"], data["local"], data["mask"], data["voxel_size"]
    _remove(name, *_ball(32))  # so that libraries loaded on first use do not count
    before = _peak()
    start = time.perf_counter()
    found, kept = _remove(name, total, mask, size, data["b0_dir"])
    seconds = time.perf_counter() - start
    peak = (_peak() - before) / (4 * total.numel())
    inside = depth(mask, size) >= DEEP

    def error(where: torch.Tensor) -> float:
        return 100.0 * float((found - local)[where].norm() / local[where].norm())

    return {
        "seconds": seconds,
        "units": seconds / _unit(total),
        "peak": peak,
        "kept": float(kept.sum() / mask.sum()),
        "own": error(kept),
        "mask": error(mask),
        "deep": error(inside),
    }


def _remove(name: str, total: torch.Tensor, mask: torch.Tensor, *where: Any) -> tuple[torch.Tensor, torch.Tensor]:
    stages, settings = RUNS[name]
    for stage in stages:
        method: Callable[..., tuple[torch.Tensor, torch.Tensor]] = getattr(background, stage)
        takes = where if stage in ("vsharp", "pdf") else where[:1]
        total, mask = method(total, mask, *takes, **settings)
    return total, mask


def _ball(side: int) -> tuple[Any, ...]:
    """A field, a mask that fills its grid as a brain does, size of the voxels and direction of B0."""
    x, y, z = (torch.linspace(-1, 1, side).reshape([-1 if a == b else 1 for b in range(3)]) for a in range(3))
    mask = x**2 + y**2 + z**2 < 0.8
    return (x * y + torch.sin(9.0 * z)) * mask, mask, (1.0, 1.0, 1.0), (0.0, 0.0, 1.0)


def _peak() -> int:
    """Bytes that this process has held at most; what getrusage says would begin with the peak of the parent."""
    status = Path("/proc/self/status").read_text()
    return 1024 * int(status.split("VmHWM:")[1].split()[0])


def _unit(volume: torch.Tensor) -> float:
    times = []
    for _ in range(5):
        start = time.perf_counter()
        irfft(rfft(volume), (volume.shape[0], volume.shape[1], volume.shape[2]))
        times.append(time.perf_counter() - start)
    return min(times)


def rows(settings: dict[str, str]) -> Iterator[str]:
    """One line of Markdown for each method and grid, as soon as it is known."""
    with tempfile.TemporaryDirectory() as folder:
        for shape, side in GRIDS:
            path = Path(folder) / "head.pt"
            make_head(path, shape, side, settings)
            for name in RUNS:
                command = [sys.executable, __file__, "--measure", name, str(path)]
                done = subprocess.run(command, capture_output=True, text=True, check=True)
                yield row(name, "x".join(map(str, shape)), json.loads(done.stdout))


def row(name: str, grid: str, found: dict[str, float]) -> str:
    cost = f"{found['seconds']:.1f} | {found['units']:.0f} | {found['peak']:.1f} | {found['kept']:.2f}"
    errors = " | ".join(f"{found[where]:.1f}" for where in ("own", "mask", "deep"))
    return f"| {name} | {grid} | {cost} | {errors} |"


@pytest.mark.parametrize("name", RUNS)
def test_background(benchmark, name):
    """Time alone, on a field without a head."""
    benchmark.pedantic(_remove, args=(name, *_ball(160)), rounds=1)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    for flag, meaning in (("labels", "label map"), ("chi", "its tissue table"), ("brain", "brain mask on its grid")):
        parser.add_argument(f"--{flag}", default="", help=meaning)
    parser.add_argument("--measure", nargs=2, metavar=("METHOD", "HEAD"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        print(json.dumps(measure(args.measure[0], Path(args.measure[1]))))
        return
    print(f"| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}")
    for line in rows({"labels": args.labels, "chi": args.chi, "brain": args.brain}):
        print(line, flush=True)


if __name__ == "__main__":
    main()
