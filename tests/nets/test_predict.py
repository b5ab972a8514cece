"""Maps by networks whose answer is known: what the machinery must keep, whatever the weights.

Equivariance is tested with a network whose every channel is one symmetric, linear filter: a trained network is
equivariant only as far as it learned to be, but frames, padding and slabs must not add to that.
"""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import pytest
import torch
from torch import nn

from qsmflow.nets import SIQSM, Card, Channel, Denoiser, QSMnet, Scan, UNet, infer, predict, weights
from qsmflow.nets.levels import Ladder

CARD = Card(
    name="known",
    network="UNet",
    parameters={"width": 4, "levels": 1, "kernel": 3, "activation": "leaky_relu"},
    inputs=(Channel("field", "ppm", 0.01, 0.05),),
    output=Channel("chi", "ppm", -0.02, 0.2),
    largest=0.5,
)
Z = (0.0, 0.0, 1.0)


def scaling(factor: float, inputs: tuple[float, ...] = (1.0,)) -> tuple[Ladder, Card]:
    """A network whose output is `factor` times the sum of its inputs: its skip carries both signs past the ReLU."""
    network = UNet(width=2 * len(inputs), levels=1, inputs=len(inputs), kernel=1)
    for parameter in network.parameters():
        nn.init.zeros_(parameter)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm3d):
            nn.init.constant_(module.weight, math.sqrt(1 + 1e-3))
    with torch.no_grad():
        for i in range(len(inputs)):
            network.down[0][0].weight[2 * i, i] = 1.0
            network.down[0][0].weight[2 * i + 1, i] = -1.0
        for layer in (network.down[0][3], network.up[0][0], network.up[0][3]):
            for i in range(2 * len(inputs)):
                layer.weight[i, i] = 1.0
        for i, share in enumerate(inputs):
            network.head.weight[0, 2 * i], network.head.weight[0, 2 * i + 1] = factor * share, -factor * share
    return network.eval(), dataclasses.replace(CARD, parameters={"width": 2 * len(inputs), "levels": 1, "kernel": 1})


def blurring() -> tuple[Ladder, Card]:
    """As `scaling` by one, and its last convolutions are means over seven voxels: linear, and the same turned."""
    narrow, card = scaling(1.0)
    point, mean = torch.zeros(2, 3, 3, 3)
    point[1, 1, 1] = 1.0
    mean[1, 1, :] = mean[1, :, 1] = mean[:, 1, 1] = 1 / 7
    state = narrow.state_dict()
    for name, value in state.items():
        if value.ndim == 5 and name.startswith(("down", "bottom", "up")):
            state[name] = value * (mean if name.startswith("up") else point)
    network = UNet(width=2, levels=1, kernel=3).eval()
    network.load_state_dict(state)
    channels = {"inputs": (Channel("field", "ppm"),), "output": Channel("chi", "ppm")}
    return network, dataclasses.replace(card, parameters={"width": 2, "levels": 1, "kernel": 3}, **channels)


def head(shape: tuple[int, int, int] = (20, 22, 24), voxel: tuple[float, float, float] = (1.0, 1.0, 1.0)) -> Scan:
    """A smooth field in an ellipsoid."""
    axes = [(torch.arange(n) - (n - 1) / 2) * v for n, v in zip(shape, voxel, strict=True)]
    x, y, z = torch.meshgrid(*axes, indexing="ij")
    field = 0.1 * torch.sin(x / 2) * torch.cos(y / 3) + 0.05 * torch.sin(z / 2.5)
    return Scan(field, (x / 8) ** 2 + (y / 9) ** 2 + (z / 10) ** 2 < 1, voxel, Z)


def test_the_answer_is_in_ppm_and_zero_outside_the_mask() -> None:
    scan = head()
    found, told = infer(*scaling(3.0), scan)
    # (field - 0.01) / 0.05, three times, times 0.2, less 0.02
    truth = (3.0 * (scan.field - 0.01) / 0.05 * 0.2 - 0.02) * scan.mask
    torch.testing.assert_close(found, truth, atol=1e-5, rtol=1e-5)
    assert told["Frame"] == "as it is" and told["SlabRows"] == []


def test_what_the_network_sees_is_zero_outside_the_mask() -> None:
    scan = head()
    outside = dataclasses.replace(scan, field=torch.where(scan.mask, scan.field, torch.nan))
    assert torch.equal(infer(*blurring(), outside)[0], infer(*blurring(), scan)[0])


def test_every_channel_reaches_the_network_in_its_place() -> None:
    network, card = scaling(1.0, (1.0, 10.0, 100.0))
    named = (Channel("field", "ppm"), Channel("mask", "1"), Channel("noise", "ppm", 0.0, 0.001))
    card = dataclasses.replace(card, inputs=named, output=Channel("chi", "ppm"))
    scan = dataclasses.replace(head(), noise=torch.full((20, 22, 24), 0.002))
    found, told = infer(network, card, scan)
    torch.testing.assert_close(found, (scan.field + 10.0 + 200.0) * scan.mask, atol=1e-4, rtol=0)
    assert told["FieldNoise"] == 0.002 and told["FieldNoiseFrom"] == "map"
    noisy = torch.randn(40, 40, 40, generator=torch.Generator().manual_seed(0)) * 0.003
    alone = Scan(noisy, torch.ones(40, 40, 40, dtype=torch.bool), (1.0, 1.0, 1.0), Z)
    assert infer(network, card, alone)[1]["FieldNoise"] == pytest.approx(0.003, rel=0.05)


@pytest.mark.parametrize("name", ["tkd", "l2"])
def test_a_classical_map_can_be_a_channel(name: str) -> None:
    network, card = scaling(1.0)
    card = dataclasses.replace(card, inputs=(Channel(name, "ppm"),), output=Channel("chi", "ppm"), frame="native")
    scan = dataclasses.replace(head(), b0_dir=(0.6, 0.0, 0.8), voxel_size=(1.0, 1.2, 2.0))
    from qsmflow.core import inversion

    wanted = getattr(inversion, name)(scan.field, scan.mask, scan.voxel_size, scan.b0_dir)
    torch.testing.assert_close(infer(network, card, scan)[0], wanted, atol=1e-5, rtol=0)


def test_turning_the_head_with_b0_turns_the_map() -> None:
    network, card = blurring()
    scan = head()
    wanted, _ = infer(network, card, scan)
    for axes in ((1, 2, 0), (2, 0, 1), (0, 2, 1)):
        b0 = (float(axes[0] == 2), float(axes[1] == 2), float(axes[2] == 2))
        turned = Scan(scan.field.permute(axes), scan.mask.permute(axes), scan.voxel_size, b0)
        torch.testing.assert_close(infer(network, card, turned)[0], wanted.permute(axes), atol=1e-6, rtol=0)
    flipped = Scan(scan.field.flip(0, 2), scan.mask.flip(0, 2), scan.voxel_size, (0.0, 0.0, -1.0))
    torch.testing.assert_close(infer(network, card, flipped)[0], wanted.flip(0, 2), atol=1e-6, rtol=0)


def test_padding_changes_nothing() -> None:
    for network, card in (blurring(), (QSMnet(width=2, kernel=3).eval(), CARD)):
        scan = head()
        pad = (3, 10, 0, 7, 5, 1)
        wider = Scan(
            nn.functional.pad(scan.field, pad), nn.functional.pad(scan.mask, pad), scan.voxel_size, scan.b0_dir
        )
        found, _ = infer(network, card, wider)
        assert torch.equal(found[5:25, 0:22, 3:27], infer(network, card, scan)[0])


@pytest.mark.parametrize("make", [lambda: QSMnet(width=4, kernel=3), lambda: SIQSM(width=8)], ids=["qsmnet", "siqsm"])
def test_little_memory_changes_nothing_but_rounding(make: object) -> None:
    torch.manual_seed(0)
    network = make().eval()
    channels = (Channel("field", "ppm"), Channel("mask", "1"))[: network.inputs]
    card = dataclasses.replace(CARD, inputs=channels, output=Channel("chi", "ppm"))
    field = 0.1 * torch.randn(120, 20, 20)
    scan = Scan(field, torch.ones(120, 20, 20, dtype=torch.bool), (1.0, 1.0, 1.0), Z)
    wanted, whole = infer(network, card, scan)
    found, slabs = infer(network, card, scan, memory=0.012 if network.inputs == 1 else 0.05)
    assert whole["SlabRows"] == [] and slabs["SlabRows"]
    assert float((found - wanted).norm() / wanted.norm()) < 1e-5
    with pytest.raises(ValueError, match=r"^memory: "):
        infer(network, card, scan, memory=0.001)


@pytest.mark.parametrize(
    ("voxel", "b0", "limit"),
    [((0.5, 0.5, 0.5), Z, 0.08), ((0.6, 0.6, 2.0), Z, 0.08), ((1.0, 1.0, 1.0), (0.0, 0.5, math.sqrt(0.75)), 0.08)],
)
def test_other_voxels_and_oblique_data_give_nearly_the_same(
    voxel: tuple[float, float, float], b0: tuple[float, float, float], limit: float
) -> None:
    """Within the interpolation of a smooth field, rim included."""
    network, card = scaling(2.0)
    plain = dataclasses.replace(card, inputs=(Channel("field", "ppm"),), output=Channel("chi", "ppm"))
    shape = tuple(round(24 / v) for v in voxel)
    scan = dataclasses.replace(head(shape, voxel), b0_dir=b0)
    found, told = infer(network, plain, scan)
    assert told["Frame"] == "resampled" and told["FrameVoxelSize"] == [1.0, 1.0, 1.0]
    wanted = 2.0 * scan.field * scan.mask
    assert float((found - wanted).norm() / wanted.norm()) < limit
    assert torch.equal(found != 0, scan.mask)


def test_a_field_that_is_left_alone_is_not_blurred_by_interpolation() -> None:
    network = Denoiser(width=2, levels=1).eval()
    nn.init.zeros_(network.head.weight)
    nn.init.zeros_(network.head.bias)
    card = dataclasses.replace(
        CARD,
        network="Denoiser",
        parameters={"width": 2, "levels": 1},
        inputs=(Channel("field", "ppm", 0.0, 0.1), Channel("noise", "ppm")),
        output=Channel("field", "ppm", 0.0, 0.1),
    )
    scan = dataclasses.replace(head(), field=torch.randn(20, 22, 24) * 0.05, b0_dir=(0.3, 0.3, 0.9))
    found, _ = infer(network, card, scan)
    torch.testing.assert_close(found, scan.field * scan.mask, atol=1e-6, rtol=0)


def test_half_precision_is_near(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network, scan = QSMnet(width=4, kernel=3).eval(), head()
    wanted, _ = infer(network, CARD, scan)
    found, _ = infer(network, CARD, scan, precision="bfloat16")
    assert 0 < float((found - wanted).norm() / wanted.norm()) < 0.02
    with pytest.raises(ValueError, match="'double' is not one of auto, float32"):
        infer(network, CARD, scan, precision="double")


def test_several_weights_give_mean_and_spread(tmp_path: Path) -> None:
    scan, files = head(), []
    for factor in (1.0, 2.0, 6.0):
        network, card = scaling(factor)
        plain = dataclasses.replace(card, inputs=(Channel("field", "ppm"),), output=Channel("chi", "ppm"))
        files.append(tmp_path / f"{factor}.safetensors")
        weights.save(network, plain, files[-1], half=False)
    given = (scan.field, scan.mask, scan.voxel_size, scan.b0_dir)
    one = predict(*given, files[0])
    assert one.sd is None and one.told["Device"] == "cpu" and one.told["Precision"] == "float32"
    made = predict(*given, files)
    field = scan.field * scan.mask
    torch.testing.assert_close(made.map, 3.0 * field, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(made.sd, math.sqrt(7.0) * field.abs(), atol=1e-6, rtol=1e-4)
    assert [told["SHA256"] for told in made.told["Weights"]] == [weights.digest(file) for file in files]
    with pytest.raises(ValueError, match="weights: none"):
        predict(*given, [])
    weights.save(network, dataclasses.replace(plain, output=Channel("field", "ppm")), tmp_path / "of-field.safetensors")
    with pytest.raises(ValueError, match=r"of-field.safetensors gives field, those before it chi"):
        predict(*given, [*files, tmp_path / "of-field.safetensors"])


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda scan: {"field": 30 * scan.field}, r"% of the mask is beyond the 0.5 ppm that known was trained for"),
        (lambda scan: {"field": scan.field / 0}, "NaN or Inf"),
        (lambda scan: {"field": 3e-6 * scan.field}, "not in tesla"),
        (lambda scan: {"mask": scan.mask[1:]}, r"mask: shape \(19, 22, 24\)"),
        (lambda scan: {"noise": scan.field[1:]}, r"noise: shape \(19, 22, 24\)"),
        (lambda scan: {"noise": -scan.field.abs()}, "noise: negative"),
        (lambda scan: {"mask": scan.mask & False}, "mask is empty"),
    ],
)
def test_what_the_card_does_not_allow_is_refused(change: object, told: str) -> None:
    scan = head()
    with pytest.raises(ValueError, match=told):
        infer(*scaling(1.0), dataclasses.replace(scan, **change(scan)))


def test_a_few_voxels_beyond_the_range_are_told_not_refused() -> None:
    scan = head()
    scan.field[10, 11, 12] = 3.0
    told = infer(*scaling(1.0), scan)[1]
    assert 0 < told["BeyondTraining"] < 1e-3


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is one")
def test_a_device_that_is_not_there_is_refused() -> None:
    with pytest.raises(ValueError, match="no CUDA device"):
        infer(*scaling(1.0), head(), device="cuda:0")


def test_a_network_of_nothing_finite_is_at_fault_itself() -> None:
    network, card = scaling(1.0)
    nn.init.constant_(network.head.bias, math.nan)
    with pytest.raises(ValueError, match="its weights or the field are at fault"):
        infer(network, card, head())
    with pytest.raises(ValueError, match="take precision float32"):
        infer(network, card, head(), precision="bfloat16")


def test_arrays_and_numbers_are_taken_for_what_they_mean(tmp_path: Path) -> None:
    network, card = scaling(1.0, (1.0, 10.0))
    card = dataclasses.replace(
        card, inputs=(Channel("field", "ppm"), Channel("noise", "ppm")), parameters={**card.parameters, "inputs": 2}
    )
    files = [tmp_path / "a.safetensors", tmp_path / "b.safetensors"]
    for file in files:
        weights.save(network, card, file, half=False)
    scan = head()
    noise = torch.full(scan.field.shape, 0.002)
    wanted = predict(scan.field, scan.mask, scan.voxel_size, Z, files, noise=noise)
    field = scan.field.numpy()[::-1].astype(">f4")[::-1]  # as a file may have it
    made = predict(
        field,
        scan.mask.numpy().astype("uint8"),
        torch.ones(3),
        [0, 0, 1],
        ", ".join(map(str, files)),
        noise=0.002,
        device=torch.device("cpu"),
    )
    assert torch.equal(made.map, wanted.map) and len(made.told["Weights"]) == 2
    assert made.told["Device"] == "cpu" and made.told["Precision"] == "float32"


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"field": "a.nii"}, "field: str is no tensor or array"),
        ({"mask": None}, "mask: NoneType is no tensor"),
        ({"field": torch.zeros(1, 20, 22, 24)}, r"field: shape \(1, 20, 22, 24\); give one volume"),
        ({"field": torch.zeros(20, 22, 24, dtype=torch.complex64)}, "field: Tensor is no tensor or array of real"),
        ({"voxel_size": 1.0}, "voxel_size: 1.0; give three lengths"),
        ({"voxel_size": (1, 1)}, "voxel_size: .* give three lengths"),
        ({"voxel_size": (1, 1, 0)}, "voxel_size: .* give three lengths above 0"),
        ({"voxel_size": (1, 1, math.nan)}, "voxel_size: .* is not finite"),
        ({"b0_dir": (0, 0, 0)}, "b0_dir: .* has no direction"),
        ({"b0_dir": "z"}, "b0_dir: 'z'; give the direction"),
        ({"device": "gpu"}, "device: 'gpu' is not one of cpu, cuda"),
        ({"device": "mps"}, "device: 'mps' is not one of cpu, cuda"),
        ({"memory": -1}, "memory: -1 GB; give"),
        ({"memory": math.nan}, "memory: nan GB; give"),
    ],
)
def test_what_is_no_scan_is_refused_by_name(tmp_path: Path, wrong: dict[str, object], told: str) -> None:
    network, card = scaling(1.0)
    weights.save(network, card, tmp_path / "a.safetensors", half=False)
    scan = head()
    given = {"field": scan.field, "mask": scan.mask, "voxel_size": scan.voxel_size, "b0_dir": Z}
    with pytest.raises(ValueError, match=told):
        predict(**{**given, "weights": tmp_path / "a.safetensors", **wrong})
