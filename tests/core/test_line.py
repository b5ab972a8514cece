"""The weighted line through the echoes."""

from __future__ import annotations

import pytest
import torch

from qsmflow.core.line import fit_line

TIMES = (0.003, 0.010, 0.012)


@pytest.mark.parametrize("intercept", [False, True])
def test_agrees_with_a_general_least_squares_solver(intercept: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    values, weights = (torch.rand(3, 50, generator=generator) for _ in range(2))
    line = fit_line(values, weights, TIMES, intercept=intercept)
    columns = [torch.tensor(TIMES)] + ([torch.ones(3)] if intercept else [])
    design = torch.stack(columns, 1).double()
    for i in range(50):
        root = weights[:, i].double().sqrt()
        found = torch.linalg.lstsq(root[:, None] * design, (root * values[:, i].double())[:, None]).solution[:, 0]
        covariance = torch.linalg.inv(design.T @ (root[:, None] ** 2 * design))
        assert float(line.slope[i]) == pytest.approx(float(found[0]), rel=1e-3, abs=1e-2)
        assert float(line.at_zero[i]) == pytest.approx(float(found[1]) if intercept else 0.0, rel=1e-3, abs=1e-4)
        assert float(line.information[i]) == pytest.approx(1 / float(covariance[0, 0]), rel=1e-3)


def test_nothing_known_is_zero() -> None:
    weights = torch.tensor([[0.0, 1.0], [0.0, 0.0], [0.0, 0.0]])
    line = fit_line(torch.ones(3, 2), weights, TIMES, intercept=True)
    assert line.slope.tolist() == [0, 0] and line.information.tolist() == [0, 0]
    assert line.at_zero.tolist() == [0, 1]
