"""SI-QSM: parameters as published, its two inputs, its sizes."""

from __future__ import annotations

import pytest
import torch

from qsmflow.nets import SIQSM


def test_it_has_the_published_number_of_parameters() -> None:
    with torch.device("meta"):
        net = SIQSM()
    assert sum(p.numel() for p in net.parameters() if p.requires_grad) == 23_354_275


def test_field_and_mask_both_reach_the_output_on_any_multiple_of_16() -> None:
    torch.manual_seed(0)
    net = SIQSM(width=8).eval()
    x = torch.rand(2, 2, 16, 32, 48, requires_grad=True)
    out = net(x)
    assert out.shape == (2, 1, 16, 32, 48)
    out.square().sum().backward()
    assert (x.grad.abs().amax((0, 2, 3, 4)) > 0).all()
    with pytest.raises(ValueError, match="multiple of 16"):
        net(torch.zeros(1, 2, 16, 16, 20))
