"""The metrics of the second reconstruction challenge, against numbers by hand."""

from __future__ import annotations

import math

import pytest
import torch

from qsmflow.core.challenge import calcification, challenge_metrics
from qsmflow.core.metrics import nrmse_detrended

SHAPE = (44, 40, 42)


@pytest.fixture(scope="module")
def phantom() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Truth, mask and labels: six nuclei, tissue in between, a vessel, a calcification of 4^3 voxels."""
    labels = torch.full(SHAPE, 8)
    labels[:, 20:] = 9
    for number in range(1, 7):
        labels[4 * number : 4 * number + 3, 4:8, 4:8] = number
    labels[5, 30, :] = 11
    labels[28:32, 24:28, 24:28] = 16
    chi = torch.tensor([0, 0.04, 0.13, 0.04, 0.1, 0.15, 0.11, 0.02, -0.03, 0.02, 0, 0.19, 0, 0, 0, 0, -1.2])[labels]
    mask = torch.zeros(SHAPE, dtype=torch.bool)
    mask[1:-1, 1:-1, 1:-1] = True
    texture = 0.003 * torch.randn(SHAPE, generator=torch.Generator().manual_seed(0))
    return (chi + texture * (labels != 16)) * mask, mask, labels


def test_the_truth_has_no_error(phantom: tuple[torch.Tensor, torch.Tensor, torch.Tensor]) -> None:
    truth, mask, labels = phantom
    scores = challenge_metrics(truth, truth, mask, labels)
    assert list(scores) == [
        *("NRMSE", "dNRMSE", "dNRMSE_tissue", "dNRMSE_blood", "dNRMSE_DGM"),
        *("DeviationFromLinearSlope", "CalcStreak", "DeviationFromCalcMoment"),
    ]
    assert all(score == pytest.approx(0.0, abs=1e-4) for score in scores.values())


def test_a_weaker_map_with_an_offset(phantom: tuple[torch.Tensor, torch.Tensor, torch.Tensor]) -> None:
    truth, mask, labels = phantom
    scores = challenge_metrics((0.8 * truth + 0.1) * mask, truth, mask, labels)
    assert scores["NRMSE"] == pytest.approx(20.0)
    assert scores["dNRMSE"] == pytest.approx(0.0, abs=1e-3)
    assert scores["DeviationFromLinearSlope"] == pytest.approx(0.2)
    assert scores["DeviationFromCalcMoment"] == pytest.approx(0.2 * 64 * 1.2 + 0.1 * 64, rel=1e-3)


def test_parts_are_what_they_are_called(phantom: tuple[torch.Tensor, torch.Tensor, torch.Tensor]) -> None:
    truth, mask, labels = phantom
    near_vessel = torch.zeros(SHAPE, dtype=torch.bool)
    near_vessel[4:7, 29:32, :] = True
    noise = 0.01 * torch.randn(SHAPE, generator=torch.Generator().manual_seed(1))
    scores = challenge_metrics(truth + noise * near_vessel, truth, mask, labels)
    assert scores["dNRMSE_blood"] == pytest.approx(
        float(nrmse_detrended(truth + noise, truth, near_vessel & mask)), rel=1e-6
    )
    assert scores["dNRMSE_DGM"] == pytest.approx(0.0, abs=1e-4) and scores["dNRMSE_tissue"] > 1.0


def test_streaks_are_counted_in_the_rim(phantom: tuple[torch.Tensor, torch.Tensor, torch.Tensor]) -> None:
    truth, _, labels = phantom
    where = labels == 16
    noise = 0.02 * torch.randn(SHAPE, generator=torch.Generator().manual_seed(2))
    moment, streaks = calcification(truth + noise * ~where, truth, where)
    assert moment == pytest.approx(-64 * 1.2, rel=0.01)
    assert streaks == pytest.approx(0.02 / 1.2, rel=0.03)
    flat, endless = calcification(torch.zeros(SHAPE), truth, where)
    assert flat == 0.0 and math.isinf(endless)


def test_labels_that_lack_something_give_no_number() -> None:
    truth = torch.randn(8, 8, 8)
    mask, labels = torch.ones(8, 8, 8, dtype=torch.bool), torch.full((8, 8, 8), 8)
    scores = challenge_metrics(truth, truth, mask, labels)
    assert math.isnan(scores["dNRMSE_blood"]) and math.isnan(scores["DeviationFromLinearSlope"])
    assert "CalcStreak" not in scores
    with pytest.raises(ValueError, match="labels"):
        challenge_metrics(truth, truth, mask, labels[1:])
