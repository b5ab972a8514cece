"""Every loss against a value worked out by hand, and its gradient against finite differences."""

from __future__ import annotations

import math

import pytest
import torch

from qsmflow.core.dipole import forward_field
from qsmflow.training.losses import LOSSES, Target, weighted_sum


def target(truth: torch.Tensor, mask: torch.Tensor | None = None, **more: object) -> Target:
    return Target(truth, torch.ones_like(truth) if mask is None else mask, torch.zeros_like(truth), **more)


def point(shape: tuple[int, ...], *at: int, height: float = 1.0) -> torch.Tensor:
    volume = torch.zeros(1, 1, *shape)
    volume[(0, 0, *at)] = height
    return volume


def test_l1_and_l2_are_means_over_the_mask() -> None:
    truth = torch.zeros(1, 1, 2, 2, 2)
    predicted = torch.full_like(truth, 7.0)
    predicted[..., 0, 0] = 3.0
    mask = torch.zeros_like(truth)
    mask[..., 0] = 1.0  # four voxels: two off by 3, two by 7
    assert LOSSES["l1"](predicted, target(truth, mask)).item() == pytest.approx(5.0)
    assert LOSSES["l2"](predicted, target(truth, mask)).item() == pytest.approx((9 + 49) / 2)


def test_relative_is_a_share_of_the_truth_and_of_20_ppb_at_least() -> None:
    truth = 0.1 * torch.ones(1, 1, 4, 4, 4)
    assert LOSSES["relative"](1.5 * truth, target(truth)).item() == pytest.approx(0.25)
    assert LOSSES["relative"](0 * truth + 0.01, target(0 * truth)).item() == pytest.approx(0.25)


def test_gradient_of_the_paper_compares_steps_and_not_their_sign() -> None:
    truth = torch.zeros(1, 1, 4, 4, 4)
    truth[:, :, 2:] = 1.0  # one step of 1 in each of 16 lines of 3 differences
    predicted = torch.zeros_like(truth)
    predicted[:, :, 2:] = -3.0
    assert LOSSES["gradient"](predicted, target(truth)).item() == pytest.approx(2 * 16 / 48)
    assert LOSSES["gradient"](-truth, target(truth)).item() == 0.0


def test_one_sided_gradient_counts_the_ascent_to_each_neighbour() -> None:
    truth = torch.zeros(1, 1, 5, 5, 5)
    # its 26 neighbours ascend to the peak: 6 at distance 1, 12 at sqrt 2, 8 at sqrt 3; it ascends nowhere itself
    ascents = 6 + 12 / math.sqrt(2) + 8 / math.sqrt(3)
    peak = point((5, 5, 5), 2, 2, 2, height=2.0)
    assert LOSSES["gradient_one_sided"](peak, target(truth)).item() == pytest.approx(2 * ascents / 27)
    # a pit ascends to its 26 neighbours, from itself
    assert LOSSES["gradient_one_sided"](-peak, target(truth)).item() == pytest.approx(2 * ascents / 27)


def test_total_variation_leaves_out_steps_across_the_edge_of_the_mask() -> None:
    ramp = torch.arange(4.0).view(1, 1, 4, 1, 1).expand(1, 1, 4, 4, 4).contiguous()
    assert LOSSES["tv"](ramp, target(ramp)).item() == pytest.approx(1.0)
    cut = ramp.clone()
    cut[:, :, 3] = 100.0
    mask = torch.ones_like(ramp)
    mask[:, :, 3] = 0.0
    assert LOSSES["tv"](cut, target(ramp, mask)).item() == pytest.approx(1.0)


@pytest.mark.parametrize(("name", "periodic"), [("model", True), ("model_padded", False)])
def test_model_loss_is_the_field_of_the_difference(name: str, periodic: bool) -> None:
    torch.manual_seed(0)
    truth, predicted = torch.randn(2, 1, 1, 9, 8, 10)
    where = {"voxel_size": (1.0, 1.5, 2.0), "b0_dir": (0.0, 0.6, 0.8)}
    off = forward_field(predicted - truth, **where, periodic=periodic)
    assert LOSSES[name](predicted, target(truth, **where)).item() == pytest.approx(off.abs().mean().item(), rel=1e-4)


def test_measured_model_loss_is_nothing_for_the_source_of_the_field() -> None:
    truth = point((8, 8, 8), 3, 4, 5)
    given = Target(truth, torch.ones_like(truth), forward_field(truth, (1.0, 1.0, 1.0)))
    assert LOSSES["model_measured"](truth, given).item() < 1e-6
    assert LOSSES["model_measured"](0 * truth, given).item() == pytest.approx(given.field.abs().mean().item(), rel=1e-5)


def test_structural_similarity_of_single_voxels_is_that_of_their_window() -> None:
    a, b = 0.1, 0.3
    taps = torch.exp(-0.5 * ((torch.arange(7.0) - 3) / 1.5) ** 2)
    w = (taps[3] / taps.sum()).item() ** 3  # the window at its middle, where the only voxel of the mask is
    c1, c2 = 1e-4, 1e-6
    luminance = (2 * a * w * b * w + c1) / ((a * w) ** 2 + (b * w) ** 2 + c1)
    variances = (a * a + b * b) * (w - w * w)
    structure = (2 * a * b * (w - w * w) + c2) / (variances + c2)
    middle = (9, 9, 9), 4, 4, 4
    given = target(point(*middle, height=b), point(*middle))
    assert LOSSES["ssim"](point(*middle, height=a), given).item() == pytest.approx(1 - luminance * structure, rel=1e-4)
    assert LOSSES["ssim"](point(*middle, height=b), given).item() == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("name", sorted(LOSSES))
def test_gradients_are_those_of_finite_differences(name: str) -> None:
    torch.manual_seed(1)
    truth, predicted, field = torch.randn(3, 1, 1, 6, 8, 4, dtype=torch.double) * 0.1
    given = Target(truth, (torch.rand_like(truth) > 0.3).double(), field)
    predicted.requires_grad_()
    LOSSES[name](predicted, given).backward()
    step = torch.randn_like(predicted)
    size = 1e-6  # small, for the steps in slope of absolute values
    with torch.no_grad():
        there, back = (LOSSES[name](predicted + sign * size * step, given) for sign in (1, -1))
    slope = (predicted.grad * step).sum().item()
    assert ((there - back) / (2 * size)).item() == pytest.approx(slope, rel=1e-3, abs=1e-6)


def test_a_sum_by_name_weighs_its_parts_and_names_what_it_does_not_know() -> None:
    truth = torch.zeros(1, 1, 4, 4, 4)
    predicted = torch.full_like(truth, 2.0)
    total, parts = weighted_sum({"l1": 1.0, "l2": 0.5}, predicted, target(truth))
    assert total.item() == pytest.approx(2.0 + 0.5 * 4.0)
    assert {name: part.item() for name, part in parts.items()} == {"l1": 2.0, "l2": 4.0}
    with pytest.raises(ValueError, match="unknown loss l3"):
        weighted_sum({"l3": 1.0}, predicted, target(truth))


def test_slices_have_the_same_losses_but_for_the_field() -> None:
    truth, predicted = torch.rand(2, 3, 1, 12, 10)
    given = target(truth)
    for name in ("l1", "l2", "gradient", "gradient_one_sided", "tv", "ssim"):
        assert LOSSES[name](predicted, given).isfinite()
