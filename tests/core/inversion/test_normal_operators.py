"""What conjugate gradients solve is symmetric and no vector's energy is negative, which a wrong adjoint would break."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

import pytest
import torch

from qsmflow.core.inversion import cosmos, ilsqr, medi, rts
from qsmflow.core.solve import Operator

VOXEL, DIRECTIONS = (1.0, 1.2, 2.0), [(0.0, 0.0, 1.0), (0.3, -0.4, 0.8), (-0.5, 0.2, 0.9)]


def noise(shape: torch.Size | tuple[int, ...], seed: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def problem() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """A field, a magnitude and a mask with a ragged surface."""
    mask = torch.zeros(16, 14, 12, dtype=torch.bool)
    mask[2:-3, 3:-2, 1:-2] = noise((11, 9, 9), 2) > -1.0
    return 0.05 * noise(mask.shape, 0), noise(mask.shape, 1).abs() + 0.2, mask


def run_medi() -> None:
    field, magnitude, mask = problem()
    fluid = mask & (noise(mask.shape, 3) > 1.0)
    medi(field, magnitude, mask, VOXEL, DIRECTIONS[1], te=0.01, csf=fluid, max_iterations=2)


def run_rts() -> None:
    field, magnitude, mask = problem()
    rts(field, mask, VOXEL, DIRECTIONS[1], magnitude=magnitude, max_iterations=1)


def run_ilsqr() -> None:
    field, _, mask = problem()
    ilsqr(field, mask, VOXEL, DIRECTIONS[1])


def run_cosmos() -> None:
    field, magnitude, mask = problem()
    fields = torch.stack([field, field.flip(0), field.flip(1)])
    weights = magnitude * torch.stack([mask, mask.flip(0), mask])
    cosmos(fields, weights, VOXEL, DIRECTIONS, margin=2.0, orientation_weights=[1.0, 2.0, 0.5])


def energies(operator: Operator, like: torch.Tensor) -> tuple[float, float, float, float]:
    """<A x, y>, <x, A y>, <A x, x> and the largest it may be; x and y lie where the iterates do, in the range of A."""
    x, y = (operator(noise(like.shape, seed)) for seed in (4, 5))
    image = operator(x)
    forth, back, own = (float((a.double() * b.double()).sum()) for a, b in ((image, y), (x, operator(y)), (image, x)))
    return forth, back, own, float(image.norm() * max(x.norm(), y.norm()))


@pytest.mark.parametrize(
    ("method", "run", "solved"),
    [("medi", run_medi, 2), ("rts", run_rts, 1), ("ilsqr", run_ilsqr, 2), ("cosmos", run_cosmos, 1)],
)
def test_normal_operators_are_symmetric(
    method: str, run: Callable[[], None], solved: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = import_module(f"qsmflow.core.inversion.{method}")
    solve, seen = module.conjugate_gradients, []

    def checked(normal: Operator, right: torch.Tensor, **options: Any) -> Any:
        precondition = options.get("precondition")
        both = [] if precondition is None else [lambda v: normal(precondition(normal(v)))]
        for operator in (normal, *both):
            forth, back, own, most = energies(operator, right)
            assert abs(forth - back) < 1e-4 * most and own > 0
        seen.append(normal)
        return solve(normal, right, **options)

    monkeypatch.setattr(module, "conjugate_gradients", checked)
    run()
    assert len(seen) == solved
