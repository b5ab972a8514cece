"""SI-QSM: parameters as published, its two inputs, its sizes."""

from __future__ import annotations

import pytest
import torch

from qsmflow.nets import SIQSM


def test_it_has_the_published_number_of_parameters() -> None:
    with torch.device("meta"):
        net = SIQSM()
    assert sum(p.numel() for p in net.parameters() if p.requires_grad) == 23_354_275


@pytest.mark.parametrize("inputs", [2, 4])
def test_every_input_reaches_the_output_on_any_multiple_of_16(inputs: int) -> None:
    torch.manual_seed(0)
    net = SIQSM(width=8, inputs=inputs).eval()
    x = torch.rand(2, inputs, 16, 32, 48, requires_grad=True)
    out = net(x)
    assert out.shape == (2, 1, 16, 32, 48)
    out.square().sum().backward()
    assert (x.grad.abs().amax((0, 2, 3, 4)) > 0).all()
    with pytest.raises(ValueError, match="multiple of 16"):
        net(torch.zeros(1, inputs, 16, 16, 20))


def test_the_last_channel_is_the_mask() -> None:
    net = SIQSM(width=8, inputs=3)
    assert (net.field[0].wide.in_channels, net.mask[0].wide.in_channels) == (2, 1)
    with pytest.raises(ValueError, match="inputs: 1 is no whole number from 2"):
        SIQSM(inputs=1)


def test_a_residual_network_begins_with_the_map_that_it_is_given() -> None:
    x = torch.rand(1, 3, 16, 16, 16)
    net = SIQSM(width=8, inputs=3, normalised=False, residual=True).eval()
    assert torch.equal(net(x), x[:, :1])
