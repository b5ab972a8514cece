"""The weights that come with the package."""

from __future__ import annotations

import pytest

from qsmflow.core.inversion import tkd
from qsmflow.core.metrics import nrmse
from qsmflow.nets import predict, weights
from qsmflow.phantom.head import ProceduralHead
from qsmflow.studies.problems import Problem, brain_problem

NAMES = ["deepqsm", "denoiser_2d", "denoiser_3d", "qsmnet", "qsmnet_plus", "siqsm"]


@pytest.fixture(scope="module")
def brain() -> Problem:
    return brain_problem(ProceduralHead(7, spacing=3.0), (2.5, 2.5, 2.5)).with_noise(0.003)


def test_all_are_there_and_small() -> None:
    assert weights.names() == NAMES
    assert sum(path.stat().st_size for path in weights.FOLDER.iterdir()) < 80e6


@pytest.mark.parametrize("name", NAMES)
def test_the_card_says_how_they_came_about(name: str) -> None:
    card = weights.verify(weights.find(name))
    assert card.name == name and card.licence == "Apache-2.0" and card.limits and card.scores
    assert card.training.keys() >= {"data", "steps", "hardware", "hours", "commit", "command", "seeds"}
    assert "dirty" not in card.training["commit"]


def test_inversions_of_brains_beat_division(brain: Problem) -> None:
    scan = (brain.field, brain.mask, brain.voxel_size, brain.b0_dir)
    chi = predict(*scan, "qsmnet", noise=brain.sd).map
    assert nrmse(chi, brain.chi, brain.mask) < 0.8 * nrmse(tkd(*scan), brain.chi, brain.mask)


@pytest.mark.parametrize("name", ["denoiser_2d", "denoiser_3d"])
def test_denoisers_take_noise_out_and_leave_the_rest(brain: Problem, name: str) -> None:
    for sd, share in ((0.006, 0.7), (0.0, 0.1)):
        noisy = brain.with_noise(sd)
        field = predict(noisy.field, brain.mask, brain.voxel_size, brain.b0_dir, name, noise=sd).map
        left = float((field - brain.clean)[brain.mask].std())
        assert left < share * (sd or float(brain.clean[brain.mask].std()))
