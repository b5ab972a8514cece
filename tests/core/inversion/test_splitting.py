"""The parts of ADMM: operators and their adjoints, proximal maps, divisions in k-space."""

from __future__ import annotations

import pytest
import torch

from qsmflow.core.dipole import dipole_kernel
from qsmflow.core.gradient import gradient
from qsmflow.core.grid import irfft, rfft
from qsmflow.core.inversion import splitting
from qsmflow.core.inversion.data import DATA_RHO, DataTerm, PhaseDataTerm, chord, pull
from qsmflow.core.inversion.tgv import SECOND_RHO, TotalGeneralisedVariation
from qsmflow.core.inversion.variation import SUPPORT_RHO, THRESHOLD, TotalVariation
from qsmflow.core.inversion.weights import noise_weights
from qsmflow.core.inversion.whtv import WeakHarmonic

SHAPE = (12, 10, 8)
VOXEL = (1.0, 1.2, 2.0)
OBLIQUE = (0.3, -0.4, 0.8)


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(params=[1, 300, 10**6], ids=["plane", "planes", "whole"])
def thickness(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Slabs of one plane, of several, and of all."""
    monkeypatch.setattr(splitting, "_SLAB", request.param)


@pytest.mark.usefixtures("thickness")
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_difference_and_its_adjoint(axis: int) -> None:
    volume, values, total = noise(*SHAPE), noise(*SHAPE, seed=1), torch.zeros(SHAPE)
    image = torch.zeros(SHAPE)
    for slab in splitting.slabs(volume):
        image[slab[0]] = splitting.difference(volume, axis, slab)
        splitting.add_adjoint(total, values[slab[0]], axis, slab)
    assert torch.allclose(image, gradient(volume, (1, 1, 1))[axis])
    assert float((image * values).sum()) == pytest.approx(float((volume * total).sum()), abs=1e-3)


def test_shrink_moves_the_state_and_returns_the_reflection() -> None:
    state, image = noise(50), noise(50, seed=1)
    nearest = torch.nn.functional.softshrink(state, 0.3)
    moved = state + splitting.RELAXATION * (image - nearest)
    target = splitting.shrink(state, image.clone(), 0.3)
    assert torch.allclose(state, moved)
    assert torch.allclose(target, 2 * torch.nn.functional.softshrink(moved, 0.3) - moved)


@pytest.mark.parametrize("scale", [0.0, 16.0])
def test_phases_pull_together_up_to_half_a_turn(scale: float) -> None:
    off = torch.linspace(-1.0, 1.0, 1001, dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad((chord(off, scale).square() / 2).sum(), off)
    off = off.detach()
    assert torch.allclose(pull(off, scale), slope, atol=1e-12)
    if scale == 0:
        assert torch.equal(pull(off, scale), off)
        return
    far = off.abs() > torch.pi / scale
    assert float(pull(off, scale)[far].abs().max()) < 1e-12
    assert torch.allclose(chord(off, scale)[far].abs(), torch.tensor(2.0 / scale, dtype=torch.float64))
    phases = torch.exp(1j * scale * off) - 1.0
    assert torch.allclose(chord(off, scale)[~far].abs(), phases[~far].abs() / scale)


@pytest.mark.parametrize("scale", [0.0, 8.0])
def test_data_terms_find_the_nearest_field(scale: float) -> None:
    """The gradient of f(z) + rho/2 |z - s|^2 vanishes at the proximal map."""
    field, weights, state = 0.05 * noise(400), torch.rand(400), 0.05 * noise(400, seed=2)
    term = PhaseDataTerm(field, weights, scale) if scale else DataTerm(field, weights)
    found = field
    for _ in range(4):
        found = term._nearest(state, found, slice(None))
    off = found - field
    slope = weights.square() * (torch.sin(scale * off) / scale if scale else off) + DATA_RHO * (found - state)
    assert float(slope.abs().max()) < 1e-5


def stationary(penalty: TotalVariation | TotalGeneralisedVariation, energy: torch.Tensor, *at: torch.Tensor) -> float:
    """Largest slope of an energy at what the penalty's division in k-space says is its minimum."""
    slopes = torch.autograd.grad(energy, at)
    return max(float(slope.abs().max()) for slope in slopes)


def spectrum_energy(chi: torch.Tensor, kernel: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    return (irfft(rfft(chi) * kernel, SHAPE) - wanted).square().sum() / 2


def test_division_of_total_variation() -> None:
    kernel, wanted = dipole_kernel(SHAPE, VOXEL, OBLIQUE), noise(*SHAPE, seed=3)
    penalty = TotalVariation(kernel, torch.ones(SHAPE), VOXEL, 1e-3)
    penalty.right = noise(*SHAPE)
    chi = irfft(penalty.solve(rfft(wanted)), SHAPE).requires_grad_()
    energy = gradient(chi, VOXEL).square().sum() / 2 + SUPPORT_RHO * chi.square().sum() / 2
    energy = energy + penalty.ratio * spectrum_energy(chi, kernel, wanted) - (penalty.right * chi).sum()
    assert stationary(penalty, energy, chi) < 1e-4


def test_division_of_total_generalised_variation() -> None:
    kernel, wanted = dipole_kernel(SHAPE, VOXEL, OBLIQUE), noise(*SHAPE, seed=3)
    penalty = TotalGeneralisedVariation(kernel, torch.ones(SHAPE), VOXEL, 1e-3)
    penalty.right = noise(4, *SHAPE)
    unknowns = irfft(penalty.solve(rfft(wanted)), SHAPE)
    chi, ramps = unknowns[0].clone().requires_grad_(), unknowns[1:].clone().requires_grad_()
    slopes = gradient(ramps, VOXEL)
    second = (slopes + slopes.transpose(0, 1)) / 2
    energy = (gradient(chi, VOXEL) - ramps).square().sum() / 2 + SECOND_RHO * second.square().sum() / 2
    energy = energy + SUPPORT_RHO * chi.square().sum() / 2 + penalty.ratio * spectrum_energy(chi, kernel, wanted)
    energy = energy - (penalty.right * torch.cat([chi[None], ramps])).sum()
    assert stationary(penalty, energy, chi, ramps) < 1e-4


def test_division_of_the_weak_harmonic_penalty() -> None:
    kernel, wanted = dipole_kernel(SHAPE, VOXEL, OBLIQUE), noise(*SHAPE, seed=3)
    penalty = WeakHarmonic(kernel, torch.ones(SHAPE), VOXEL, 1e-3, 10.0)
    penalty.right, penalty.harmonic_target = noise(*SHAPE), noise(*SHAPE, seed=5)
    unknowns = irfft(penalty.solve(rfft(wanted)), SHAPE)
    chi, harmonic = unknowns[0].clone().requires_grad_(), unknowns[1].clone().requires_grad_()
    energy = gradient(chi, VOXEL).square().sum() / 2 + SUPPORT_RHO * chi.square().sum() / 2
    energy = energy + penalty.ratio * spectrum_energy(chi, kernel, wanted - harmonic) - (penalty.right * chi).sum()
    rough = irfft(rfft(harmonic) * penalty.laplacian, SHAPE) - penalty.harmonic_target
    energy = energy + 100.0 * penalty.ratio * rough.square().sum() / 2
    assert stationary(penalty, energy, chi, harmonic) < 2e-3


@pytest.mark.usefixtures("thickness")
def test_targets_are_carried_back_by_the_adjoint() -> None:
    """What a push leaves in `right` is A'(2 prox(s) - s) of all states s, A being linear in the unknowns."""
    penalty = TotalGeneralisedVariation(dipole_kernel(SHAPE, VOXEL), torch.ones(SHAPE), VOXEL, 1e-3)
    unknowns, other = noise(4, *SHAPE), noise(4, *SHAPE, seed=7)
    penalty.push(rfft(unknowns))

    def images(u: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        slopes = gradient(u[1:], VOXEL)
        return gradient(u[0], VOXEL) - u[1:], (slopes + slopes.transpose(0, 1)) / 2

    soft = torch.nn.functional.softshrink
    first, second = (
        2 * soft(splitting.RELAXATION * image, threshold) - splitting.RELAXATION * image
        for image, threshold in zip(images(unknowns), (THRESHOLD, 2 * THRESHOLD), strict=True)
    )
    along = images(other)
    expected = float((along[0] * first).sum() + (along[1] * second).sum())
    expected += SUPPORT_RHO * splitting.RELAXATION * float((unknowns[0] * other[0]).sum())
    assert float((penalty.right * other).sum()) == pytest.approx(expected, rel=1e-4)


def test_generalised_variation_keeps_ramps() -> None:
    """Of noisy slopes total variation makes steps; the data are the map itself here."""
    ramps = (torch.arange(32) - 16.0).abs().mul(0.01).expand(16, 16, 32).movedim(2, 0).contiguous()
    seen, whole = ramps + 0.02 * noise(*ramps.shape), torch.ones_like(ramps)
    errors = []
    for penalty in (TotalVariation, TotalGeneralisedVariation):
        terms = DataTerm(seen, whole), penalty(torch.ones(32, 16, 9), whole, (1.0, 1.0, 1.0), 0.02)
        found, _ = splitting.admm(*terms, tolerance=1e-4, max_iterations=200, progress=None, norms=None)
        errors.append(float((found - ramps).norm()))
    assert errors[1] < 0.7 * errors[0], errors


def test_noise_weights() -> None:
    mask = torch.ones(4, 4, 4, dtype=torch.bool)
    mask[0] = False
    magnitude = torch.full((4, 4, 4), 8.0)
    magnitude[1, 0], magnitude[2, 0] = 2.0, 100.0
    found = noise_weights(magnitude, mask)
    assert float(found[0].max()) == 0.0
    assert float(found[1, 0, 0]) == 0.25
    assert float(found[2].min()) == float(found[3].max()) == 1.0
    assert torch.equal(noise_weights(None, mask), mask.float())
    with pytest.raises(ValueError, match="zero in half"):
        noise_weights(torch.zeros(4, 4, 4), mask)
    with pytest.raises(ValueError, match="empty"):
        noise_weights(None, mask & ~mask)
