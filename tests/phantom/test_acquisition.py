import math

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter, map_coordinates

from qsmflow.core.dipole import forward_field
from qsmflow.phantom.acquisition import GAMMA_BAR, add_noise, echo_signal, noise_sd, receiver, total_and_local_field
from qsmflow.phantom.labels import LabelHead
from qsmflow.phantom.pose import b0_direction, grid_around, rigid, rotation
from qsmflow.phantom.sampling import Sample, sample_head
from qsmflow.phantom.tissues import Tissue, TissueTable

AIR = Tissue(0, "air", 9.2, 0.0, 1.0, False)
TISSUES = TissueTable(
    (
        AIR,
        Tissue(1, "white", -0.03, 0.7, 50.0, True),
        Tissue(2, "grey", 0.15, 0.8, 40.0, True),
        Tissue(3, "bone", -2.1, 0.1, 5.0, False),
    )
)


class Ball:
    """One tissue in air."""

    outside = AIR.chi
    bounds = ((-25.0, -25.0, -25.0), (25.0, 25.0, 25.0))

    def __init__(self, chi: float, radius: float) -> None:
        self.tissues = TissueTable((AIR, Tissue(1, "ball", chi, 1.0, 50.0, True)))
        self.radius = radius

    def labels_at(self, points: torch.Tensor) -> torch.Tensor:
        return (points.norm(dim=-1) < self.radius).to(torch.uint8)

    def texture_at(self, points: torch.Tensor) -> torch.Tensor:
        return torch.zeros(points.shape[:-1])


@pytest.fixture(scope="module")
def blobs() -> LabelHead:
    """A brain of smooth blobs in a shell of bone."""
    rng = np.random.default_rng(5)
    noise = gaussian_filter(rng.standard_normal((72, 72, 72)), 5)
    radius = np.linalg.norm(np.indices(noise.shape) - 35.5, axis=0)
    labels = np.where(radius < 26, 1 + (noise > 0), np.where(radius < 30, 3, 0))
    return LabelHead(torch.from_numpy(labels.astype(np.uint8)), (1.0, 1.0, 1.0), TISSUES)


def _grid(size: float = 1.5, tilt: tuple[float, float, float] = (0, 0, 0)):
    return grid_around((-36,) * 3, (36,) * 3, (size,) * 3, tilt)


@pytest.mark.parametrize("tilt", [(0, 0, 0), (30, -20, 0)])
def test_total_field_of_a_ball_in_air(tilt: tuple[float, float, float]) -> None:
    affine, shape = _grid(1.5, tilt)
    radius, chi = 15.0, 1.2
    sample = sample_head(Ball(chi, radius), affine, shape, np.eye(4), supersample=4)
    total, local = total_and_local_field(sample, (1.5,) * 3, b0_direction(affine), AIR.chi)
    index = np.indices(shape).reshape(3, -1)
    x, y, z = affine[:3, :3] @ index + affine[:3, 3:]
    r = np.sqrt(x * x + y * y + z * z)
    # Lorentz-corrected: nothing inside, a dipole outside
    outside = (chi - AIR.chi) / 3 * (radius / r) ** 3 * (3 * (z / r) ** 2 - 1)
    found = total.numpy().ravel()
    far = r > radius + 4
    assert np.sqrt(np.mean((found - outside)[far] ** 2)) < 0.02 * np.sqrt(np.mean(outside[far] ** 2))
    assert np.sqrt(np.mean(found[r < radius - 4] ** 2)) < 0.02 * abs(chi - AIR.chi)
    # a uniform brain has no local field
    assert float(local.abs().max()) < 1e-5


def test_what_lies_outside_the_brain_is_harmonic_inside(blobs: LabelHead) -> None:
    affine, shape = _grid()
    sample = sample_head(blobs, affine, shape, np.eye(4))
    total, local = total_and_local_field(sample, (1.5,) * 3, (0.0, 0.0, 1.0), AIR.chi)

    def curvature(field: torch.Tensor) -> torch.Tensor:
        inner = field[1:-1, 1:-1, 1:-1]
        out = -6 * inner
        for axis in range(3):
            for step in (-1, 1):
                out = out + field.roll(step, axis)[1:-1, 1:-1, 1:-1]
        return out

    centre = torch.tensor([(n - 1) / 2 for n in shape])
    near = (torch.cartesian_prod(*(torch.arange(n) for n in shape)) - centre).norm(dim=-1).reshape(shape) * 1.5 < 19
    near = near[1:-1, 1:-1, 1:-1]
    # the ringing of the voxels' edges is taken away first
    smooth = [torch.from_numpy(gaussian_filter(field.numpy(), 1.0)) for field in (total - local, total)]
    rest, of_brain = (curvature(field)[near] for field in smooth)
    assert float(rest.std()) < 0.03 * float(of_brain.std())
    assert float(local[sample.brain > 0.99].std()) > 5e-3


def test_turning_the_head_is_turning_b0_the_other_way(blobs: LabelHead) -> None:
    affine, shape = _grid(1.0)
    pose = rigid((20, -12, 8), (1.3, 0.6, -0.8))
    turned = sample_head(blobs, affine, shape, pose)
    straight = sample_head(blobs, affine, shape, np.eye(4))
    _, in_scanner = total_and_local_field(turned, (1.0,) * 3, (0.0, 0.0, 1.0), AIR.chi)
    b0_in_head = tuple(rotation((20, -12, 8)).T @ [0, 0, 1])
    _, in_head = total_and_local_field(straight, (1.0,) * 3, b0_in_head, AIR.chi)
    # where each voxel of the straight head has gone
    to_turned = np.linalg.inv(affine) @ pose @ affine
    index = np.indices(shape).reshape(3, -1)
    in_scanner, in_head = (torch.from_numpy(gaussian_filter(f.numpy(), 1.0)) for f in (in_scanner, in_head))
    moved = map_coordinates(in_scanner.numpy(), to_turned[:3, :3] @ index + to_turned[:3, 3:], order=3).reshape(shape)
    inside = gaussian_filter((straight.brain > 0.99).numpy().astype(float), 2) > 0.99
    error = np.sqrt(np.mean((moved - in_head.numpy())[inside] ** 2))
    unturned = np.sqrt(np.mean((in_scanner - in_head).numpy()[inside] ** 2))
    assert error < 0.06 * float(in_head[torch.from_numpy(inside)].std())
    assert error < 0.1 * unturned


def _flat(value: float = 1.0) -> Sample:
    ones = torch.full((16, 16, 16), value)
    return Sample(ones * 0.1, ones, ones * 25.0, torch.ones_like(ones), ones * 0.1, ones.to(torch.uint8))


def test_signal_decays_and_turns_with_the_field() -> None:
    field = torch.linspace(-0.1, 0.1, 16).expand(16, 16, 16)
    early, late = (echo_signal(_flat(), field, te, 3.0, bias=2.0, offset=0.4) for te in (0.005, 0.008))
    assert float(early.abs().mean()) == pytest.approx(2.0 * math.exp(-0.125), rel=1e-5)
    turned = torch.angle(late * early.conj())
    torch.testing.assert_close(turned, 2 * math.pi * GAMMA_BAR * 3.0 * 0.003 * field, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(
        early.angle()[..., 0] - turned[..., 0] * 5 / 3, torch.full((16, 16), 0.4), atol=1e-4, rtol=0
    )


def test_noise_has_the_stated_snr_and_seed() -> None:
    clean = echo_signal(_flat(0.7), torch.zeros(16, 16, 16), 0.01, 3.0)
    sd = noise_sd(clean, _flat().brain, 40.0)
    assert sd == pytest.approx(float(clean.abs().mean()) / 40)
    noise = add_noise(clean, sd, torch.Generator().manual_seed(1)) - clean
    assert float(noise.real.std()) == pytest.approx(sd, rel=0.05) == float(noise.imag.std())
    again = add_noise(clean, sd, torch.Generator().manual_seed(1)) - clean
    assert torch.equal(noise, again)
    assert noise_sd(clean, _flat().brain, math.inf) == 0


def test_receiver_is_smooth_and_fixed_in_the_scanner() -> None:
    coarse, fine = (_grid(size) for size in (4.0, 2.0))
    drawn = [
        receiver(torch.tensor(affine, dtype=torch.float32), shape, torch.Generator().manual_seed(2))
        for affine, shape in (coarse, fine)
    ]
    for low, high in zip(*drawn, strict=True):
        mean = torch.nn.functional.avg_pool3d(high[None, None], 2)[0, 0]
        torch.testing.assert_close(mean, low, atol=0.01, rtol=0)
        assert max(float(part.abs().max()) for part in torch.gradient(low)) < 0.5
    assert float(drawn[0][0].min()) > 0.8 and float(drawn[0][0].max()) < 1.25


def test_local_field_is_the_field_of_the_brain_against_its_mean(blobs: LabelHead) -> None:
    affine, shape = _grid(3.0)
    sample = sample_head(blobs, affine, shape, np.eye(4))
    _, local = total_and_local_field(sample, (3.0,) * 3, (0.0, 0.0, 1.0), AIR.chi)
    mean = float(sample.brain_chi.sum() / sample.brain.sum())
    expected = forward_field(sample.brain_chi - mean * sample.brain, (3.0,) * 3)
    torch.testing.assert_close(local, expected, atol=1e-6, rtol=0)
