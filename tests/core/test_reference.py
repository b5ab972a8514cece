"""The zero of a map."""

from __future__ import annotations

import pytest
import torch

from qsmflow.core.reference import subtract_reference


def test_the_mean_of_the_region_becomes_zero() -> None:
    chi = torch.randn(6, 7, 8, generator=torch.Generator().manual_seed(0)) + 0.3
    mask, region = torch.zeros(6, 7, 8, dtype=torch.bool), torch.zeros(6, 7, 8, dtype=torch.bool)
    mask[1:5], region[3:] = True, True
    found, value = subtract_reference(chi, mask, region)
    assert float(found[3:5].mean()) == pytest.approx(0.0, abs=1e-6)
    assert torch.allclose(found[mask] + value, chi[mask]) and not bool(found[~mask].any())


def test_a_region_outside_the_map_is_refused() -> None:
    mask = torch.zeros(4, 4, 4, dtype=torch.bool)
    mask[0] = True
    with pytest.raises(ValueError, match="reference region"):
        subtract_reference(torch.ones(4, 4, 4), mask, ~mask)
