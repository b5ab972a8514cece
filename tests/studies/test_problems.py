"""Problems are what they say: field and truth belong together, on any grid."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch

from qsmflow.core.dipole import forward_field
from qsmflow.phantom.analytic import coordinates, sphere_field
from qsmflow.phantom.head import ProceduralHead
from qsmflow.studies import challenge
from qsmflow.studies.problems import (
    Problem,
    brain_problem,
    shapes_problem,
    turned,
    whole_head_problem,
    with_lesions,
)


@pytest.fixture(scope="module")
def head() -> ProceduralHead:
    return ProceduralHead(3, spacing=4.0)


@pytest.fixture(scope="module")
def brain(head: ProceduralHead) -> Problem:
    return brain_problem(head, (3.0, 3.0, 3.0))


def off(found: torch.Tensor, expected: torch.Tensor, where: torch.Tensor) -> float:
    return float((found - expected)[where].norm() / expected[where].norm())


@pytest.mark.parametrize(("size", "tilt"), [((3.0, 3.0, 3.0), 0.0), ((2.0, 2.0, 5.0), 0.0), ((3.0, 3.0, 3.0), 30.0)])
def test_the_field_is_that_of_the_truth(
    head: ProceduralHead, brain: Problem, size: tuple[float, float, float], tilt: float
) -> None:
    made = brain_problem(head, size, tilt=(tilt, 0.0, 0.0))
    assert made.b0_dir == pytest.approx((0.0, np.sin(np.radians(tilt)), np.cos(np.radians(tilt))))
    assert made.voxel_size == pytest.approx(size)
    # what of the brain lies in voxels that are mostly not brain makes the difference
    assert off(made.clean, forward_field(made.chi, size, made.b0_dir), made.mask) < 0.12
    litres = [float(one.mask.sum()) * np.prod(one.voxel_size) for one in (made, brain)]
    assert litres[0] == pytest.approx(litres[1], rel=0.02)
    assert not made.clean[~made.mask].any() and not made.chi[~made.mask].any()


def test_noise_is_what_was_asked_for(brain: Problem) -> None:
    inside = brain.mask
    low, high = (brain.with_noise(sd).field - brain.clean for sd in (0.002, 0.006))
    assert float(low[inside].std()) == pytest.approx(0.002, rel=0.02)
    torch.testing.assert_close(3.0 * low, high, atol=1e-8, rtol=1e-3)
    torch.testing.assert_close(brain.field, brain.clean)


def test_lesions_have_their_field(brain: Problem) -> None:
    made, lesions = with_lesions(brain, [1.2], radius=9.0)
    found = torch.nonzero(lesions == 1).float()
    assert len(found) > 20
    torch.testing.assert_close(made.chi[lesions == 1], torch.full((len(found),), 1.2))
    points = coordinates(lesions.shape, brain.voxel_size)
    centre = points[lesions == 1].mean(0)
    exact = sphere_field(points, centre.tolist(), 9.0, 1.2, (0.0, 0.0, 1.0))
    away = brain.mask & ((points - centre).norm(dim=-1) > 15.0)
    # it takes the place of tissue, which is far weaker
    assert off(made.clean - brain.clean, exact, away) < 0.1


def test_lesions_are_apart_and_need_room(brain: Problem) -> None:
    made, lesions = with_lesions(brain, [1.0, -1.0, 0.5], radius=6.0)
    assert [round(float(made.chi[lesions == number].mean()), 3) for number in (1, 2, 3)] == [1.0, -1.0, 0.5]
    with pytest.raises(ValueError, match="no room for 99"):
        with_lesions(brain, [0.1] * 99, radius=6.0)


def test_shapes_are_the_same_at_every_resolution() -> None:
    coarse, fine = shapes_problem(24), shapes_problem(72)
    # every third voxel of the fine grid has the place of one of the coarse
    same = fine.clean[1::3, 1::3, 1::3]
    both = coarse.mask & fine.mask[1::3, 1::3, 1::3]
    torch.testing.assert_close(same[both], coarse.clean[both], atol=1e-6, rtol=1e-3)
    assert float(fine.clean.abs().max()) == pytest.approx(100.0 * fine.sd)
    assert float(fine.chi[fine.mask].mean()) == pytest.approx(float(coarse.chi[coarse.mask].mean()), abs=1e-3)


def test_a_head_of_a_label_map(tmp_path: Path) -> None:
    points = coordinates((20, 20, 20), (6.0, 6.0, 6.0))
    labels = torch.where(points.norm(dim=-1) < 45.0, 8, 14)
    labels[10, 10, 10], labels[12, 10, 10] = 16, 17
    nib.save(nib.Nifti1Image(labels.to(torch.uint8).numpy(), np.diag([6.0, 6.0, 6.0, 1.0])), tmp_path / "labels.nii")
    brain = (points.norm(dim=-1) < 35.0).to(torch.uint8).numpy()
    nib.save(nib.Nifti1Image(brain, np.diag([6.0, 6.0, 6.0, 1.0])), tmp_path / "brain.nii")
    litres = []
    for files in ([tmp_path / "labels.nii"], [tmp_path / "labels.nii", tmp_path / "brain.nii"]):
        there, gone = (
            challenge.STUDY.prepare({"calcification": one, "voxel": 6.0}, files) for one in ("with", "without")
        )
        assert float(there.chi.min()) < -1.0 < float(gone.chi.min())
        assert not bool((gone.labels == 16).any() or (gone.labels == 17).any())
        litres.append(float(there.mask.sum()))
    assert litres[1] < 0.6 * litres[0]


def test_the_head_turns_and_its_voxels_stay(brain: Problem) -> None:
    made = turned(brain, (25.0, 0.0, 0.0))
    assert made.b0_dir == pytest.approx((0.0, np.sin(np.radians(25.0)), np.cos(np.radians(25.0))))
    assert torch.equal(made.chi, brain.chi)
    expected = forward_field(brain.chi, brain.voxel_size, made.b0_dir)
    torch.testing.assert_close(made.clean[brain.mask], expected[brain.mask])


def test_the_whole_head_has_the_same_brain(head: ProceduralHead, brain: Problem) -> None:
    made, total = whole_head_problem(head, 3.0)
    assert float(made.mask.sum()) == pytest.approx(float(brain.mask.sum()), rel=0.02)
    assert float(total[made.mask].std()) > 3.0 * float(made.clean[made.mask].std())
    smaller = made.within(made.mask & (made.labels == 8))
    assert not smaller.chi[~smaller.mask].any() and torch.equal(smaller.chi[smaller.mask], made.chi[smaller.mask])
