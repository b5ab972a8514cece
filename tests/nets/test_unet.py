"""The U-Nets: parameters as published, sizes, reach, and what the residual leaves alone."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from qsmflow.nets import SIQSM, DeepQSM, Denoiser, PackedUNet, QSMnet, UNet
from qsmflow.nets.levels import Ladder
from qsmflow.nets.packed import pack, unpack


def count(net: nn.Module) -> int:
    return sum(p.numel() for p in net.parameters() if p.requires_grad)


@pytest.mark.parametrize(("kernel", "parameters"), [(5, 99_453_985), (3, 22_581_217)])
def test_qsmnet_has_the_published_number_of_parameters(kernel: int, parameters: int) -> None:
    with torch.device("meta"):
        net = QSMnet(kernel=kernel)
    assert count(net) == parameters
    assert sum(isinstance(m, nn.Conv3d) for m in net.modules()) == 19
    assert sum(isinstance(m, nn.BatchNorm3d) for m in net.modules()) == 18


def test_deepqsm_is_the_same_at_half_the_width() -> None:
    with torch.device("meta"):
        assert count(DeepQSM()) == count(QSMnet(width=16, kernel=3))


@pytest.mark.parametrize(
    "net",
    [
        Denoiser(dims=2, width=2, levels=2),
        Denoiser(dims=3, width=2, levels=2),
    ],
)
def test_a_denoiser_changes_nothing_where_there_is_no_noise(net: Ladder) -> None:
    nn.init.normal_(net.head.weight)
    x = torch.randn(2, 2, *(8, 12, 16)[: net.dims])
    x[:, 1, :4] = 0.0
    found = net(x)
    assert torch.equal(found[:, :, :4], x[:, :1, :4])
    assert (found[:, :, 4:] != x[:, :1, 4:]).any()


def test_a_denoiser_that_is_not_told_the_noise_changes_the_field() -> None:
    x = torch.randn(1, 1, 8, 8, 8)
    assert not torch.equal(Denoiser(width=2, levels=1, noise_map=False)(x), x)


def test_a_size_that_cannot_be_halved_is_refused_by_name() -> None:
    net = UNet(width=2, levels=2)
    with pytest.raises(ValueError, match=r"multiple of 4, got \(8, 10, 8\)"):
        net(torch.zeros(1, 1, 8, 10, 8))
    with pytest.raises(ValueError, match="3 axes"):
        net(torch.zeros(1, 1, 8, 8))


@pytest.mark.parametrize(
    ("kind", "wrong"),
    [
        (UNet, {"dims": 4}),
        (UNet, {"kernel": 4}),
        (UNet, {"kernel": -3}),
        (UNet, {"activation": "tanh"}),
        (UNet, {"outputs": 2, "residual": True}),
        (UNet, {"inputs": 0}),
        (UNet, {"width": 4.5}),
        (QSMnet, {"width": -1}),
        (QSMnet, {"width": 10**6}),
        (Denoiser, {"levels": 0}),
        (Denoiser, {"levels": 40}),
        (PackedUNet, {"inputs": "4"}),
        (PackedUNet, {"levels": -1}),
        (SIQSM, {"width": 2}),
    ],
)
def test_a_parameter_out_of_range_is_refused_by_name(kind: type[nn.Module], wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=f"^{next(iter(wrong))}: "):
        kind(**wrong)


def test_blocks_become_channels_and_blocks_again() -> None:
    x = torch.randn(2, 3, 4, 6, 8)
    packed = pack(x)
    assert packed.shape == (2, 24, 2, 3, 4)
    assert packed[1, 8:16, 1, 2, 3].tolist() == x[1, 1, 2:4, 4:6, 6:8].flatten().tolist()
    torch.testing.assert_close(unpack(packed), x, rtol=0, atol=0)


def test_an_untrained_packed_network_gives_its_first_input() -> None:
    x = torch.randn(1, 3, 8, 16, 24)
    torch.testing.assert_close(PackedUNet(inputs=3, width=4, levels=2)(x), x[:, :1])


@pytest.mark.parametrize(("kind", "levels", "kernel"), [(UNet, 1, 3), (UNet, 2, 3), (UNet, 2, 5), (PackedUNet, 1, 3)])
def test_reach_is_the_farthest_voxel_that_matters(kind: type[UNet], levels: int, kernel: int) -> None:
    torch.manual_seed(0)
    net = kind(width=2, levels=levels, kernel=kernel).double().eval()
    nn.init.normal_(net.head.weight)
    net.pool = nn.AvgPool3d(2)  # with maxima and rectified units chance hides what is connected
    for module in net.modules():
        for name, child in module.named_children():
            if isinstance(child, nn.ReLU | nn.LeakyReLU):
                setattr(module, name, nn.Identity())
    step = net.multiple
    size = step * ((2 * net.reach + 1) // step + 2)
    farthest = 0
    for offset in range(step):
        at = size // 2 // step * step + offset
        x = torch.rand(1, 1, size, step, step, dtype=torch.double, requires_grad=True)
        net(x)[0, 0, at, 0, 0].backward()
        used = torch.nonzero(x.grad.abs().sum((0, 1, 3, 4)))
        farthest = max(farthest, at - int(used.min()), int(used.max()) - at)
    assert farthest == net.reach
