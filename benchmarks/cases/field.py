"""Unwrapping and the total field of four noisy echoes of the whole head: voxels of the brain that are far off."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch

from benchmarks.harness import Case
from benchmarks.heads import TestHead
from qsmflow.core.field import radians_per_ppm
from qsmflow.core.field_fit import total_field
from qsmflow.core.relaxation import r2star
from qsmflow.core.unwrap import unwrap_series

#: s, T, 1/s; the signal-to-noise ratio is that of the median of the brain at TE 0.
_TE, _B0, _DECAY, _SNR = (0.004, 0.012, 0.020, 0.028), 3.0, 25.0, 20.0
#: ppm; the noise of the field is below 0.003.
_FAR = 0.05


@dataclass(frozen=True)
class Echoes:
    """Phase, rad, and magnitude, (4, X, Y, Z), of a head."""

    head: TestHead
    phase: torch.Tensor
    magnitude: torch.Tensor
    unwrapped: torch.Tensor | None = None


def _echoes(head: TestHead) -> Echoes:
    proton = head.magnitude / head.magnitude[head.mask].median()
    offset = torch.linspace(-1, 1, proton.shape[1], device=proton.device)[:, None]
    generator = torch.Generator().manual_seed(3)
    signal = []
    for te in _TE:
        clean = torch.polar(
            proton * torch.exp(torch.tensor(-_DECAY * te)), head.total * radians_per_ppm(te, _B0) + 0.5 + 0.3 * offset
        )
        noise = torch.randn(2, *proton.shape, generator=generator).to(proton.device)
        signal.append(clean + torch.complex(*noise) / _SNR)
    images = torch.stack(signal)
    return Echoes(head, images.angle(), images.abs())


def _unwrap(echoes: Echoes, /, **settings: Any) -> torch.Tensor:
    return unwrap_series(
        echoes.phase, echoes.magnitude, _TE, echoes.head.voxel_size, echoes.head.mask, **settings
    ).phase


def _unwrapped(head: TestHead) -> Echoes:
    echoes = _echoes(head)
    return replace(echoes, unwrapped=_unwrap(echoes))


def _fit(echoes: Echoes, method: str) -> torch.Tensor:
    return total_field(echoes.unwrapped, echoes.magnitude, _TE, _B0, echoes.head.mask, method=method)[0]


def _far_off(head: TestHead, field: torch.Tensor) -> dict[str, float]:
    off = (field - head.total)[head.mask]
    return {"far off": 100 * float(((off - off.median()).abs() > _FAR).float().mean())}


def _wrong_turns(head: TestHead, unwrapped: torch.Tensor) -> dict[str, float]:
    return _far_off(head, _fit(replace(_echoes(head), unwrapped=unwrapped), "weighted"))


def _case(name: str, run: Callable[[Echoes], torch.Tensor]) -> Case:
    return Case("unwrap", name, run, _wrong_turns, _echoes)


CASES = [
    *(
        _case(f"{method}-{by}", partial(_unwrap, method=method, echoes=by))
        for method in ("romeo", "best_path", "segue")
        for by in ("template", "individual")
    ),
    _case("laplacian", partial(_unwrap, method="laplacian")),
    *(
        Case("field", method, partial(_fit, method=method), _far_off, _unwrapped)
        for method in ("weighted", "nonlinear")
    ),
    Case("field", "r2star", lambda echoes: r2star(echoes.magnitude, _TE), None, _echoes),
]
