"""Every inversion on a brain whose susceptibility is known: time, error, memory.

    python benchmarks/bench_inversion.py [--labels LABELS.nii.gz --chi TABLE --brain MASK.nii.gz] [--device cuda]

prints the table for two grids as Markdown: the field of the brain alone with 2 ppb of noise, and all settings at their
defaults. Without labels the head is the procedural one. Y is the time of one pair of real FFTs of the grid, measured
next to each run in the same process.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from brains import ECHO, GRIDS, in_own_process, make_brain, timed

from qsmflow.core import inversion
from qsmflow.core.metrics import nrmse, nrmse_demeaned

#: What is run: name, function, and settings other than the defaults.
RUNS: dict[str, tuple[str, dict[str, Any]]] = {
    "tkd": ("tkd", {}),
    "tkd, rescaled": ("tkd", {"rescale": True}),
    "tsvd": ("tsvd", {}),
    "l2": ("l2", {}),
    "ndi": ("ndi", {"te": ECHO}),
    "rts": ("rts", {}),
    "tv": ("tv", {}),
    "nltv": ("tv", {"te": ECHO}),
    "tgv": ("tgv", {}),
    "nltgv": ("tgv", {"te": ECHO}),
    "whtv": ("whtv", {}),
    "medi": ("medi", {"te": ECHO}),
}
COLUMNS = ("method", "grid", "s", "Y", "peak memory, volumes", "iterations", "NRMSE", "NRMSE, demeaned")


def measure(name: str, path: str, device: str) -> dict[str, float]:
    """Run one method in this process, whose peak memory nothing else has raised."""
    data = torch.load(path)
    chi, field, mask, magnitude = (data[key].to(device) for key in ("chi", "field", "mask", "magnitude"))
    function, settings = RUNS[name]
    images = (field, magnitude, mask) if function == "medi" else (field, mask)
    changes: list[float] = []

    def invert() -> torch.Tensor:
        found = getattr(inversion, function)(*images, data["voxel_size"], data["b0_dir"], **settings)
        if isinstance(found, tuple):
            changes.extend(found[1])
            return found[0]
        return found

    found, cost = timed(invert, field)
    errors = {"nrmse": float(nrmse(found, chi, mask)), "demeaned": float(nrmse_demeaned(found, chi, mask))}
    return {**cost, **errors, "iterations": len(changes)}


def rows(settings: dict[str, str], device: str) -> Iterator[str]:
    """One line of Markdown for each method and grid, as soon as it is known."""
    with tempfile.TemporaryDirectory() as folder:
        for shape, side in GRIDS:
            path = Path(folder) / "brain.pt"
            make_brain(path, shape, side, settings)
            for name in RUNS:
                yield row(name, "x".join(map(str, shape)), in_own_process(__file__, name, str(path), device))


def row(name: str, grid: str, found: dict[str, float]) -> str:
    cost = f"{found['seconds']:.2f} | {found['units']:.0f} | {found['peak']:.1f} | {found['iterations'] or ''}"
    return f"| {name} | {grid} | {cost} | {found['nrmse']:.1f} | {found['demeaned']:.1f} |"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    for flag, meaning in (("labels", "label map"), ("chi", "its tissue table"), ("brain", "brain mask on its grid")):
        parser.add_argument(f"--{flag}", default="", help=meaning)
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--measure", nargs=3, metavar=("METHOD", "BRAIN", "DEVICE"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        print(json.dumps(measure(*args.measure)))
        return
    print(f"| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}")
    for line in rows({"labels": args.labels, "chi": args.chi, "brain": args.brain}, args.device):
        print(line, flush=True)


if __name__ == "__main__":
    main()
