"""How well orientations see k-space."""

import math

import pytest
import torch

from qsmflow.core.inversion.cosmos import sensitivity


def test_sensitivity_is_the_kernel_of_one_direction_and_its_mean_square_of_two() -> None:
    magic = math.acos(1 / math.sqrt(3))
    k = torch.tensor([[0.0, 0, 1], [1, 0, 0], [math.sin(magic), 0, math.cos(magic)]], dtype=torch.float64)
    assert sensitivity(k, [(0, 0, 5)]).tolist() == pytest.approx([2 / 3, 1 / 3, 0], abs=1e-12)
    both = sensitivity(k[:2], [(0, 0, 1), (1, 0, 0)])
    assert both.tolist() == pytest.approx([math.sqrt((4 / 9 + 1 / 9) / 2)] * 2)
