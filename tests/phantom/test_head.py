import pytest
import torch

from qsmflow.phantom.head import ProceduralHead


@pytest.fixture(scope="module")
def head() -> ProceduralHead:
    return ProceduralHead(0, spacing=3.0)


def _points(step: float = 3.0) -> torch.Tensor:
    axes = (torch.arange(low, high, step) for low, high in ((-81, 82), (-105, 115), (-80, 90)))
    return torch.cartesian_prod(*axes)


def _litres(labels: torch.Tensor, *which: int) -> float:
    return sum(float((labels == label).sum()) for label in which) * 27e-6


def test_every_tissue_is_there_in_human_amounts(head: ProceduralHead) -> None:
    labels = head.labels_at(_points())
    known = {tissue.label for tissue in head.tissues.tissues}
    assert set(torch.unique(labels).tolist()) <= known
    fine = _points(1.5)
    deep = fine[(fine.abs() < torch.tensor([44.0, 44.0, 44.0])).all(-1)]
    assert known == set(torch.unique(torch.cat([labels, head.labels_at(deep)])).tolist())
    assert 0.4 < _litres(labels, 8) < 0.8
    assert 0.45 < _litres(labels, 9) < 0.9
    assert 0.1 < _litres(labels, 10, 18) < 0.5
    assert 0.006 < _litres(labels, 7) < 0.02
    assert 0.005 < _litres(labels, 3) < 0.015


def test_one_seed_one_head_and_two_seeds_two(head: ProceduralHead) -> None:
    points = _points(6.0)
    labels = head.labels_at(points)
    assert torch.equal(labels, ProceduralHead(0, spacing=3.0).labels_at(points))
    other = ProceduralHead(1, spacing=3.0).labels_at(points)
    assert 0.6 < float((labels == other).float().mean()) < 0.95


def test_left_and_right_are_alike_but_not_the_same(head: ProceduralHead) -> None:
    points = _points()
    labels, mirror = head.labels_at(points), head.labels_at(points * torch.tensor([-1.0, 1.0, 1.0]))
    brain = head.tissues.column("brain")[labels.int()] > 0
    assert 0.5 < float((labels == mirror)[brain].float().mean()) < 0.95
    assert 0.75 < float((labels == mirror).float().mean()) < 0.99


def test_brain_is_closed_off_from_air(head: ProceduralHead) -> None:
    points = _points()
    labels = head.labels_at(points)
    brain = points[head.tissues.column("brain")[labels.int()] > 0]
    for shift in torch.eye(3).mul(2.0):
        for sign in (-1.0, 1.0):
            assert not bool((head.labels_at(brain + sign * shift) == 14).any())


def test_neck_goes_on_and_the_rest_ends_in_air(head: ProceduralHead) -> None:
    below = head.labels_at(torch.tensor([[0.0, -20.0, -112.0], [0.0, -20.0, -160.0]]))
    assert int(below[0]) == int(below[1]) != 14
    beyond = torch.tensor([[200.0, 0.0, 0.0], [0.0, 300.0, 0.0], [0.0, -200.0, 0.0], [0.0, 0.0, 200.0]])
    assert head.labels_at(beyond).tolist() == [14] * 4


def test_texture_is_standard_noise_and_shapes_are_kept(head: ProceduralHead) -> None:
    points = _points(8.0).reshape(-1, 2, 3)[:4000]
    texture = head.texture_at(points)
    assert texture.shape == points.shape[:-1] == head.labels_at(points).shape
    assert abs(float(texture.mean())) < 0.1
    assert 0.5 < float(texture.std()) < 1.1
