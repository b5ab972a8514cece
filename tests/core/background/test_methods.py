"""What every method of background removal must do, on fields whose sources are known."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
import torch

from qsmflow.core.background import ismv, lbv, pdf, resharp, vsharp
from qsmflow.core.dipole import forward_field
from qsmflow.core.mask.morphology import depth
from qsmflow.phantom.analytic import coordinates, sphere_field

Removal = Callable[..., tuple[torch.Tensor, torch.Tensor]]
Triple = tuple[float, float, float]

OBLIQUE = (0.3, -0.4, 0.8)
METHODS = [resharp, ismv, lbv, pdf]


def lbv_vsharp(
    field: torch.Tensor, mask: torch.Tensor, voxel_size: Triple, b0_dir: Triple
) -> tuple[torch.Tensor, torch.Tensor]:
    """The two steps, as a run takes them."""
    return vsharp(*lbv(field, mask, voxel_size), voxel_size, b0_dir)


def without_b0(method: Removal) -> Removal:
    return lambda field, mask, voxel_size, b0_dir: method(field, mask, voxel_size)


REMOVALS: dict[str, Removal] = {
    "vsharp, fit": vsharp,
    "vsharp, inverse": partial(vsharp, deconvolution="inverse"),
    "resharp": without_b0(resharp),
    "ismv": without_b0(ismv),
    "lbv": without_b0(lbv),
    "pdf": pdf,
    "lbv, vsharp": lbv_vsharp,
}


@pytest.mark.parametrize("name", REMOVALS)
@pytest.mark.parametrize("ragged", [False, True], ids=["smooth", "ragged"])
@pytest.mark.parametrize(
    ("voxel_size", "b0_dir"),
    [((1.0, 1.0, 1.0), (0.0, 0.0, 1.0)), ((1.0, 1.0, 2.0), OBLIQUE), ((1.0, 1.0, 3.0), OBLIQUE)],
)
def test_field_from_outside_is_removed(name: str, ragged: bool, voxel_size: Triple, b0_dir: Triple) -> None:
    points = coordinates([round(64 / d) for d in voxel_size], voxel_size)
    distance = points.norm(dim=-1)
    if ragged:
        distance += 4.0 * torch.rand(distance.shape, generator=torch.Generator().manual_seed(0))
    mask = distance < 24
    field = sphere_field(points, (30.0, 0.0, 8.0), 4.0, 9.0, b0_dir) + sphere_field(
        points, (0.0, -20.0, 28.0), 6.0, 9.0, b0_dir
    )
    local, eroded = REMOVALS[name](field + 0.3, mask, voxel_size, b0_dir)
    assert local.dtype == torch.float32
    assert bool((mask | ~eroded).all()) and not bool(local[~eroded].any())
    assert float(local[eroded].norm() / field[eroded].norm()) < 0.01


@pytest.mark.parametrize(("method", "limit"), [(resharp, 0.12), (ismv, 0.2), (lbv, 0.2), (pdf, 0.2)])
def test_field_from_inside_stays(method: Removal, limit: float) -> None:
    """Far from the surface; towards it each method has its own idea of what the local field may be."""
    voxel_size = (1.0, 1.0, 1.0)
    points = coordinates((64, 64, 64), voxel_size)
    mask = points.norm(dim=-1) < 26
    chi = torch.exp(-(((points - torch.tensor([3.0, -2.0, 0.0])).norm(dim=-1) / 4) ** 2))
    truth = forward_field(chi, voxel_size)
    background = sphere_field(points, (30.0, 0.0, 8.0), 4.0, 9.0, (0, 0, 1))
    local, _ = method(truth + background, mask, voxel_size)
    deep = points.norm(dim=-1) < 14
    error = float((local - truth)[deep].norm() / truth[deep].norm())
    assert error < limit, error


def masks() -> dict[str, torch.Tensor]:
    """Masks that a method may meet on a bad day."""
    noise = torch.rand((20, 21, 22), generator=torch.Generator().manual_seed(1))
    ragged = (noise > 0.03) & (coordinates((20, 21, 22), (1.0, 1.0, 1.0)).norm(dim=-1) < 9)
    corner = torch.zeros((20, 21, 22), dtype=torch.bool)
    corner[:4, :3, :5] = True
    one = torch.zeros_like(corner)
    one[10, 10, 10] = True
    return {"full": torch.ones_like(corner), "ragged": ragged, "corner": corner, "one voxel": one}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", masks())
def test_any_mask_gives_numbers_or_one_clear_line(method: Removal, name: str) -> None:
    """NaN outside the mask never comes in, and no shape of the mask makes one."""
    mask = masks()[name]
    field = torch.randn(mask.shape, generator=torch.Generator().manual_seed(2))
    field = torch.where(mask, field, torch.full_like(field, torch.nan))
    small = {"radius": 1.0} if method in (resharp, ismv) else {"peel": 0.0} if method is lbv else {}
    if name == "one voxel":
        with pytest.raises(ValueError, match="no voxel of the mask"):
            method(field, mask, (1.0, 1.0, 1.0), **small)
        return
    local, eroded = method(field, mask, (1.0, 1.0, 1.0), **small)
    assert bool(local.isfinite().all()) and bool(eroded.any())


@pytest.mark.parametrize("method", METHODS)
def test_an_empty_mask_is_refused(method: Removal) -> None:
    with pytest.raises(ValueError, match="the mask is empty"):
        method(torch.zeros(9, 9, 9), torch.zeros(9, 9, 9, dtype=torch.bool), (1.0, 1.0, 1.0))


@pytest.mark.parametrize("method", METHODS)
def test_progress_is_told_until_the_tolerance_is_met(method: Removal) -> None:
    points = coordinates((32, 32, 32), (1.0, 1.0, 1.0))
    told: list[tuple[int, float]] = []
    field = points[..., 0] ** 3 + 0.1 * torch.randn(points.shape[:3], generator=torch.Generator().manual_seed(0))
    method(
        field,
        points.norm(dim=-1) < 13,
        (1.0, 1.0, 1.0),
        tolerance=0.05,
        progress=lambda number, residual: told.append((number, residual)),
    )
    assert [number for number, _ in told] == list(range(1, len(told) + 1))
    assert told[-1][1] < 0.05 and all(residual >= 0.05 for _, residual in told[:-1])


def test_pdf_follows_its_weights() -> None:
    """A voxel of no weight may hold anything."""
    points = coordinates((40, 40, 40), (1.0, 1.0, 1.0))
    mask = points.norm(dim=-1) < 15
    field = sphere_field(points, (22.0, 0.0, 4.0), 4.0, 9.0, (0.0, 0.0, 1.0))
    weights = torch.ones_like(field)
    weights[20, 20, 20] = 0.0
    spoilt = field.clone()
    spoilt[20, 20, 20] = 100.0
    clean, _ = pdf(field, mask, (1.0, 1.0, 1.0), weights=weights)
    local, _ = pdf(spoilt, mask, (1.0, 1.0, 1.0), weights=weights)
    local[20, 20, 20] = clean[20, 20, 20] = 0.0
    assert torch.allclose(local, clean, atol=1e-5)
    with pytest.raises(ValueError, match="weights are zero"):
        pdf(field, mask, (1.0, 1.0, 1.0), weights=torch.zeros_like(field))


def test_lbv_peels() -> None:
    points = coordinates((40, 40, 40), (1.0, 1.0, 1.0))
    mask = points.norm(dim=-1) < 15
    _, kept = lbv(torch.zeros(40, 40, 40), mask, (1.0, 1.0, 1.0), peel=0.0)
    _, peeled = lbv(torch.zeros(40, 40, 40), mask, (1.0, 1.0, 1.0), peel=3.0)
    inside = depth(mask, (1.0, 1.0, 1.0))
    assert bool((kept == (inside > 0.5)).all()) and float(inside[peeled].min()) > 3.0
    _, coarse = lbv(torch.zeros(40, 40, 40), mask, (4.0, 4.0, 4.0), peel=2.0)
    _, one_voxel = lbv(torch.zeros(40, 40, 40), mask, (1.0, 1.0, 1.0), peel=1.0)
    assert torch.equal(coarse, one_voxel) and coarse.sum() < kept.sum(), "a voxel is the least that is peeled"
    with pytest.raises(ValueError, match="after peeling 20 mm"):
        lbv(torch.zeros(40, 40, 40), mask, (1.0, 1.0, 1.0), peel=20.0)
