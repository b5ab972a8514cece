"""Depth in a mask: by the fast way as by the distance transform."""

from __future__ import annotations

import pytest
import torch

from qsmflow.core.mask.morphology import depth


@pytest.mark.parametrize("size", [(1.0, 1.0, 1.0), (0.6, 0.6, 2.0), (3.0, 1.0, 1.3)])
@pytest.mark.parametrize("most", [1.0, 4.0, 50.0])
def test_depth_up_to_a_limit_is_that_of_the_distance_transform(size: tuple[float, float, float], most: float) -> None:
    mask = torch.rand(25, 31, 28, generator=torch.Generator().manual_seed(1)) > 0.002
    mask[:, :9] = True
    mask[0, 0, 0] = False
    wanted, found = depth(mask, size), depth(mask, size, most)
    known = wanted <= most
    torch.testing.assert_close(found[known], wanted[known], rtol=1e-5, atol=1e-5)
    assert bool((found[~known] > most).all())
    assert bool((found[~mask] == 0).all())
