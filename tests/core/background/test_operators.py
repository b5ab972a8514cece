"""The operators that conjugate gradients are given must be symmetric and positive; a wrong adjoint would show."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

import pytest
import torch

from qsmflow.core.background import ismv, lbv, pdf, resharp, vsharp
from qsmflow.phantom.analytic import coordinates

VOXEL = (1.0, 1.2, 2.0)
OBLIQUE = (0.3, -0.4, 0.8)
#: Where each method calls the solver.
SOLVERS: dict[Callable[..., Any], str] = {
    vsharp: "qsmflow.core.background.vsharp",
    resharp: "qsmflow.core.background.resharp",
    ismv: "qsmflow.core.background.ismv",
    pdf: "qsmflow.core.background.pdf",
    lbv: "qsmflow.core.multigrid",
}


@pytest.mark.parametrize("method", SOLVERS)
def test_symmetric_and_positive(method: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    heard: dict[str, Any] = {}

    def listen(normal: Any, right: torch.Tensor, *, precondition: Any = None, **_: Any) -> Any:
        heard.update(normal=normal, right=right, precondition=precondition)
        return torch.zeros_like(right), []

    monkeypatch.setattr(import_module(SOLVERS[method]), "conjugate_gradients", listen)
    generator = torch.Generator().manual_seed(0)
    points = coordinates((30, 26, 15), VOXEL)
    mask = points.norm(dim=-1) + 2.0 * torch.rand(points.shape[:-1], generator=generator) < 13.0
    more = {"weights": torch.rand(mask.shape, generator=generator)} if method is pdf else {}
    where = (VOXEL, OBLIQUE) if method in (vsharp, pdf) else (VOXEL,)
    method(torch.randn(mask.shape, generator=generator), mask, *where, **more)

    support = heard["right"] != 0
    x, y = (torch.randn(support.shape, generator=generator) * support for _ in range(2))
    for operator in filter(None, (heard["normal"], heard["precondition"])):
        left, right = float((operator(x) * y).sum()), float((x * operator(y)).sum())
        assert left == pytest.approx(right, abs=1e-4 * float(operator(x).norm() * y.norm()))
        assert float((x * operator(x)).sum()) > 0
