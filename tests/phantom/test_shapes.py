import math

import torch

from qsmflow.phantom.shapes import blend, ellipsoid, mirrored, path, tube, union


def _at(points: list[tuple[float, float, float]]):
    x, y, z = torch.tensor(points).T
    return x, y, z


def test_ellipsoid_is_exact_for_a_sphere_and_zero_on_any_surface() -> None:
    at = _at([(3.0, 4.0, 0.0), (0.0, 0.0, 12.0), (1.0, 0.0, 0.0)])
    torch.testing.assert_close(ellipsoid(at, (0, 0, 0), (2, 2, 2)), torch.tensor([3.0, 10.0, -1.0]))
    on = _at([(1.0 + 2.0 * math.cos(0.7), 3.0 * math.sin(0.7), 0.0)])
    assert abs(float(ellipsoid(on, (1, 0, 0), (2, 3, 4)))) < 1e-6


def test_tube_has_its_radius_along_and_round_ends() -> None:
    at = _at([(5.0, 3.0, 0.0), (-4.0, 0.0, 0.0), (10.0, 0.0, 1.0)])
    torch.testing.assert_close(tube(at, (0, 0, 0), (10, 0, 0), 1.0, 2.0), torch.tensor([1.5, 3.0, -1.0]))


def test_union_blend_and_mirror() -> None:
    a, b = torch.tensor([1.0, -2.0]), torch.tensor([1.0, 9.0])
    assert union(a, b).tolist() == [1.0, -2.0]
    assert blend(a, b, 2.0).tolist() == [0.5, -2.0]
    x, _, _ = mirrored(_at([(-7.0, 0.0, 0.0), (7.0, 0.0, 0.0)]))
    assert float(x[0]) == float(x[1])
    bent = path(_at([(4.0, 4.0, 0.0)]), ((0, 0, 0), (4, 0, 0), (4, 8, 0)), (1, 1, 1))
    assert float(bent) == -1.0
