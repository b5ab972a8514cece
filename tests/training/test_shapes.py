"""Analytic and voxelised shapes: the field belongs to the susceptibility, and a number says which."""

from __future__ import annotations

import torch

from qsmflow.core.dipole import forward_field
from qsmflow.core.smooth import gaussian
from qsmflow.training.draws import Draws, seeded
from qsmflow.training.patches import cut, grid_corners, random_corner
from qsmflow.training.shapes import cubes_and_spheres, spheres_and_cylinders


def test_field_is_that_of_the_shapes() -> None:
    """Small spheres are coarse on a grid: what is left after smoothing agrees with the dipole's field."""
    masked = 0
    for number in range(6):
        scene = spheres_and_cylinders(seeded("shapes", number), 40, cylinders=0)
        if bool(scene.mask.all()):
            continue
        masked += 1
        expected = forward_field(scene.chi, (1.0, 1.0, 1.0)) * scene.mask
        apart = gaussian(scene.clean - expected, (1.0, 1.0, 1.0), 2.0).norm()
        assert float(apart / gaussian(expected, (1.0, 1.0, 1.0), 2.0).norm()) < 0.15
    assert masked


def test_cubes_and_spheres_make_their_field_exactly() -> None:
    scene = cubes_and_spheres(seeded(1), 32, shapes=5)
    torch.testing.assert_close(scene.field, forward_field(scene.chi, (1.0, 1.0, 1.0)))
    assert float(scene.chi.abs().max()) > 0
    assert not bool(scene.chi[0].any()) and not bool(scene.chi[..., -1].any())


def test_same_number_same_scene() -> None:
    one, same, other = (spheres_and_cylinders(seeded("a", number), 24) for number in (3, 3, 4))
    torch.testing.assert_close(one.field, same.field, rtol=0, atol=0)
    assert float((one.field - other.field).abs().max()) > 0


def test_noise_is_what_the_map_says() -> None:
    for number in range(8):
        scene = spheres_and_cylinders(seeded("noise", number), 32)
        found = (scene.field - scene.clean)[scene.mask].std()
        assert 0.95 < float(found / scene.noise[scene.mask].mean()) < 1.05
        assert not bool(scene.field[~scene.mask].any())


def test_patches_of_the_paper() -> None:
    assert len(grid_corners((174, 196, 218), 64, 0.66)) == 336
    corners = grid_corners((50, 80, 64), 32, 0.5)
    seen = torch.zeros(50, 80, 64)
    for x, y, z in corners:
        seen[x : x + 32, y : y + 32, z : z + 32] += 1
    assert bool((seen > 0).all()) and len(set(corners)) == len(corners)


def test_cut_pads_what_the_volume_lacks() -> None:
    volume = torch.arange(2 * 3 * 4 * 5.0).view(2, 3, 4, 5)
    patch = cut(volume, (1, 0, 2), 4)
    assert patch.shape == (2, 4, 4, 4)
    torch.testing.assert_close(patch[:, :2, :, :3], volume[:, 1:, :, 2:])
    assert not bool(patch[:, 2:].any()) and not bool(patch[..., 3:].any())


def test_random_patches_are_in_the_volume_and_hold_the_mask() -> None:
    mask = torch.zeros(60, 60, 20, dtype=torch.bool)
    mask[40:, 40:, 5:] = True
    draw = Draws(seeded("corner"))
    corners = [random_corner(mask, 24, draw) for _ in range(20)]
    assert len(set(corners)) > 5
    for corner in corners:
        assert max(corner) <= 36 and corner[2] == 0
        assert float(cut(mask[None], corner, 24).float().mean()) > 0.05
