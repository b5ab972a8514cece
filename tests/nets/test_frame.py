"""The frame of a network: exact where it can be, near the truth where it must interpolate."""

from __future__ import annotations

import itertools
import math

import pytest
import torch

from qsmflow.nets.frame import Frame

Z = (0.0, 0.0, 1.0)


def ball(shape: tuple[int, int, int], voxel: tuple[float, float, float], radius: float = 20.0) -> torch.Tensor:
    return points(shape, voxel).norm(dim=-1) < radius


def points(shape: tuple[int, int, int], voxel: tuple[float, float, float]) -> torch.Tensor:
    """mm about the middle of the grid."""
    axes = [(torch.arange(n, dtype=torch.float64) - (n - 1) / 2) * v for n, v in zip(shape, voxel, strict=True)]
    return torch.stack(torch.meshgrid(*axes, indexing="ij"), -1)


def waves(at: torch.Tensor, length: float) -> torch.Tensor:
    """Waves of that many mm along three directions at right angles."""
    k = 2 * math.pi / length
    return (torch.sin(k * at[..., 0]) + torch.cos(k * at[..., 1] + 1) + torch.sin(k * at[..., 2] + 2)).float()


@pytest.mark.parametrize("axes", list(itertools.permutations(range(3))))
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_permuted_axes_are_exact(axes: tuple[int, ...], sign: float) -> None:
    mask = torch.zeros(11, 13, 16, dtype=torch.bool)
    mask[2:9, 1:13, 4:11] = torch.rand(7, 12, 7) > 0.3
    volume = torch.rand(11, 13, 16)
    b0 = torch.zeros(3)
    b0[axes.index(2)] = sign
    turned, held = volume.permute(axes), mask.permute(axes)
    frame = Frame.about(held, (1.0, 1.0, 1.0), b0.tolist(), (1.0, 1.0, 1.0), 16)
    assert frame.exact and frame.mask.sum() == mask.sum()
    entered = frame.enter(turned)
    # z of the frame is what was the third axis
    profile = [(volume * mask).sum((0, 1)), entered.sum((0, 1))]
    torch.testing.assert_close(profile[1][profile[1] != 0], profile[0][profile[0] != 0])
    assert torch.equal(frame.leave(entered), turned * held)


def test_empty_voxels_about_the_mask_change_nothing() -> None:
    mask, volume = torch.rand(9, 10, 11) > 0.2, torch.rand(9, 10, 11)
    for b0, voxel in ((Z, (1.0, 1.0, 1.0)), ((0.3, 0.0, 0.95), (1.2, 0.7, 2.0))):
        frames = []
        for before, after in ((0, 0), (3, 5)):
            pad = (before, after) * 3
            held = torch.nn.functional.pad(mask.float(), pad).bool()
            frame = Frame.about(held, voxel, b0, (1.0, 1.0, 1.0), 8)
            frames.append(frame.enter(torch.nn.functional.pad(volume, pad)))
        torch.testing.assert_close(frames[0], frames[1], atol=1e-5, rtol=0)


def test_a_frame_of_its_own_grid_keeps_voxels_and_axes() -> None:
    mask, volume = torch.rand(9, 10, 11) > 0.2, torch.rand(9, 10, 11)
    frame = Frame.about(mask, (0.5, 0.6, 3.0), (0.5, 0.5, 0.7), None, 16)
    assert frame.exact and frame.mask.shape == (32, 32, 32)
    torch.testing.assert_close(frame.size, (0.5, 0.6, 3.0))
    assert torch.equal(frame.leave(frame.enter(volume)), volume * mask)


@pytest.mark.parametrize(
    ("voxel", "b0", "length"),
    [
        ((1.0, 1.0, 1.0), (math.sin(0.5), 0.0, math.cos(0.5)), 8.0),
        ((1.0, 1.0, 1.0), (0.3, -0.4, 0.8), 5.0),
        ((0.6, 0.6, 2.0), Z, 12.0),
        ((0.6, 0.6, 2.0), (0.0, 0.5, 0.87), 12.0),
        ((0.5, 0.5, 0.5), Z, 8.0),
        ((1.0, 0.9, 1.1), (1.0, 0.0, 0.0), 8.0),
    ],
)
def test_waves_come_through(voxel: tuple[float, float, float], b0: tuple[float, float, float], length: float) -> None:
    shape = tuple(round(44 / v) + 1 for v in voxel)
    at = points(shape, voxel)
    mask, volume = ball(shape, voxel), waves(at, length)
    frame = Frame.about(mask, voxel, b0, (1.0, 1.0, 1.0), 16)
    assert not frame.exact and all(n % 16 == 0 for n in frame.mask.shape)
    assert float(frame.mask.sum()) == pytest.approx(float(mask.sum()) * math.prod(voxel), rel=0.03)
    torch.testing.assert_close(frame.turn.det(), torch.ones((), dtype=torch.float64))
    z = frame.turn @ torch.tensor(b0, dtype=torch.float64)
    assert abs(float(z[2] / z.norm())) == pytest.approx(1.0)
    # where the voxels of the frame are, about the middle of the scan
    middle = frame.turn @ torch.tensor(
        [(n - 1) / 2 * v for n, v in zip(shape, voxel, strict=True)], dtype=torch.float64
    )
    index = torch.stack(torch.meshgrid(*[torch.arange(n).double() for n in frame.mask.shape], indexing="ij"), -1)
    truth = waves((index + frame.origin - middle) @ frame.turn, length)
    entered = frame.enter(volume)
    core, deep = ball(shape, voxel, 16.0), (index + frame.origin - middle).norm(dim=-1) < 16.0
    for made, wanted, within, held in (
        (entered, truth, deep, frame.mask),
        (frame.leave(truth), volume, core, mask),
        (frame.leave(entered), volume, core, mask),
    ):
        assert error(made, wanted, within) < 0.02
        assert error(made, wanted, held) < 0.07  # at the rim what lies beyond is made up


def error(found: torch.Tensor, truth: torch.Tensor, mask: torch.Tensor) -> float:
    """Share of the truth within the mask."""
    return float((found - truth)[mask].norm() / truth[mask].norm())


def test_all_of_the_mask_is_covered() -> None:
    mask = torch.rand(12, 12, 12) > 0.5  # nothing but rim
    mask[3:9, 3:9, 3:9] = True
    frame = Frame.about(mask, (0.7, 0.7, 0.7), (0.2, 0.3, 0.9), (1.0, 1.0, 1.0), 4)
    found = frame.leave(torch.ones(frame.mask.shape))
    assert torch.equal(found != 0, mask) and float(found[mask].min()) > 0.8


def test_a_tilt_of_less_than_a_degree_is_left() -> None:
    mask = torch.ones(8, 8, 8, dtype=torch.bool)
    for degrees, exact in ((0.9, True), (1.1, False)):
        b0 = (math.sin(math.radians(degrees)), 0.0, math.cos(math.radians(degrees)))
        assert Frame.about(mask, (1.0, 1.0, 1.01), b0, (1.0, 1.0, 1.0)).exact == exact
    with pytest.raises(ValueError, match="mask is empty"):
        Frame.about(~mask, (1.0, 1.0, 1.0), Z, None)


def test_a_mask_that_is_lost_between_larger_voxels_is_refused() -> None:
    mask = torch.zeros(12, 12, 12, dtype=torch.bool)
    mask[6, 6, 6] = True
    with pytest.raises(ValueError, match="mask: thinner than the network's voxels of 1 x 1 x 1 mm"):
        Frame.about(mask, (0.3, 0.3, 0.3), (0.3, 0.3, 0.9), (1.0, 1.0, 1.0), 2)
