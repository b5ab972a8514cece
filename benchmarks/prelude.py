"""How far unwrapping agrees with FSL PRELUDE on real phase: ``python -m benchmarks.prelude FOLDER``.

FOLDER holds ``prelude_pair/`` with ``phase_wrapped``, ``phase_prelude``, ``magnitude`` and ``mask``, each ``.nii.gz``.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import NamedTuple

import torch

from qsmflow.core.unwrap import unwrap_series
from qsmflow.interfaces.volume import load

METHODS = ("romeo", "best_path", "segue", "laplacian")
#: s; any serves for a single echo.
_TE = 0.01


class Pair(NamedTuple):
    """Wrapped phase and PRELUDE's, rad, magnitude, and mask, each (X, Y, Z); and the voxel size, mm."""

    phase: torch.Tensor
    prelude: torch.Tensor
    magnitude: torch.Tensor
    mask: torch.Tensor
    voxel_size: tuple[float, float, float]

    @property
    def signal(self) -> torch.Tensor:
        """The brighter half of the mask; the other holds voxels of noise, on which no two methods agree."""
        return self.mask & (self.magnitude > self.magnitude[self.mask].median())

    def unwrapped(self, method: str) -> torch.Tensor:
        """The phase unwrapped by `method`, rad, (X, Y, Z)."""
        return unwrap_series(
            self.phase[None], self.magnitude[None], (_TE,), self.voxel_size, self.mask, method=method
        ).phase[0]


def prelude_pair(data: Path) -> Pair:
    """Read it from the folder of real data."""
    names = ("phase_wrapped", "phase_prelude", "magnitude", "mask")
    phase, prelude, magnitude, mask = (load(data / "prelude_pair" / f"{name}.nii.gz") for name in names)
    return Pair(phase.data, prelude.data, magnitude.data, mask.mask, phase.voxel_size)


def agreement(unwrapped: torch.Tensor, pair: Pair, where: torch.Tensor) -> float:
    """Share of the voxels of `where` that are the same multiple of 2 pi away from PRELUDE, to the nearest turn."""
    turns = ((unwrapped - pair.prelude) / (2 * torch.pi)).round()
    return float((turns[where] == turns[pair.mask].mode().values).float().mean())


def main() -> int:
    """Print Markdown."""
    if len(sys.argv) != 2:
        print(__doc__.splitlines()[0], file=sys.stderr)
        return 2
    pair = prelude_pair(Path(sys.argv[1]))
    print("| method | agree in the mask, % | agree where there is signal, % |\n|---|---|---|")
    for method in METHODS:
        found = pair.unwrapped(method)
        shares = (100 * agreement(found, pair, where) for where in (pair.mask, pair.signal))
        print(f"| {method} | {' | '.join(f'{share:.1f}' for share in shares)} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
