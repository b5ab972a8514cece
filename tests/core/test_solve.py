"""Conjugate gradients against a direct solution."""

from __future__ import annotations

import pytest
import torch

from qsmflow.core.solve import conjugate_gradients


@pytest.mark.parametrize("dtype", [torch.float32, torch.complex64])
def test_solves(dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(0)
    a = torch.randn(30, 12, dtype=dtype, generator=generator)
    normal = a.mH @ a
    right = torch.randn(12, dtype=dtype, generator=generator)
    told: list[int] = []
    x, residuals = conjugate_gradients(
        lambda v: normal @ v, right, iterations=40, tolerance=1e-5, progress=lambda n, _: told.append(n)
    )
    assert torch.allclose(x, torch.linalg.solve(normal, right), atol=1e-3)
    assert residuals[-1] <= 1e-5 and told == list(range(1, len(residuals) + 1))
    exact = torch.linalg.inv(normal)
    _, one = conjugate_gradients(
        lambda v: normal @ v, right, iterations=40, tolerance=1e-3, precondition=lambda r: exact @ r
    )
    assert len(one) == 1, "the inverse as preconditioner needs one step"
    again, none = conjugate_gradients(lambda v: normal @ v, right, iterations=40, tolerance=1e-3, start=x)
    assert not none and torch.equal(again, x), "a solved problem is left alone"


def test_zero_and_no_iterations() -> None:
    x, residuals = conjugate_gradients(lambda v: v, torch.zeros(3), iterations=5)
    assert not bool(x.any()) and residuals == []
    x, _ = conjugate_gradients(lambda v: v, torch.ones(3), iterations=0)
    assert not bool(x.any())
