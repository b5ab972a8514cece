"""Two passes about an inversion, where something strong lies beside something weak."""

from __future__ import annotations

import pytest
import torch

from qsmflow.core.dipole import forward_field
from qsmflow.core.inversion import l2, tkd, two_pass
from qsmflow.phantom.analytic import coordinates
from tests.core.inversion.test_inversion import OBLIQUE, blobs, error

VOXEL = (1.0, 1.0, 2.0)


@pytest.mark.parametrize("invert", [tkd, l2])
@pytest.mark.parametrize("b0_dir", [(0.0, 0.0, 1.0), OBLIQUE])
def test_streaks_of_a_strong_source_go(invert: object, b0_dir: tuple[float, float, float]) -> None:
    weak, mask = blobs(VOXEL)
    bleeding = (coordinates(weak.shape, VOXEL) - torch.tensor([2.0, 8.0, -2.0])).norm(dim=-1) < 3
    field = forward_field(weak + 1.5 * bleeding, VOXEL, b0_dir) * mask

    def once(values: torch.Tensor) -> torch.Tensor:
        return invert(values, mask, VOXEL, b0_dir)  # type: ignore[operator, no-any-return]

    found, strong = two_pass(once, field, mask, VOXEL, b0_dir, threshold=0.3)
    around = mask & ~bleeding
    assert error(found, weak, around) < 0.7 * error(once(field), weak, around)
    assert abs(float(found[bleeding].mean()) - 1.5) < 0.2
    assert 0.5 * int(bleeding.sum()) < strong < 3 * int(bleeding.sum())
    assert not bool(found[~mask].any())


def test_without_strong_sources_it_is_one_pass() -> None:
    weak, mask = blobs(VOXEL)
    field = forward_field(weak, VOXEL) * mask
    found, strong = two_pass(lambda values: tkd(values, mask, VOXEL), field, mask, VOXEL, threshold=2.0)
    assert strong == 0 and torch.equal(found, tkd(field, mask, VOXEL))


def test_refusals() -> None:
    field, mask = torch.zeros(8, 8, 8), torch.ones(8, 8, 8, dtype=torch.bool)
    with pytest.raises(ValueError, match="threshold"):
        two_pass(lambda values: values, field, mask, (1, 1, 1), threshold=0.0)
