"""Inversions of the field of the brain alone with 2 ppb of noise: error of chi in the mask."""

from __future__ import annotations

from collections.abc import Callable

import torch

from benchmarks.harness import Case
from benchmarks.heads import NOISE, TestHead
from qsmflow.core.dipole import forward_field
from qsmflow.core.inversion import cosmos, cosmos_kspace, ilsqr, l2, medi, ndi, rts, tgv, tkd, tsvd, tv, whtv
from qsmflow.core.metrics import nrmse, nrmse_demeaned

#: Echo time, s, of the phase that the nonlinear methods take the field as.
_ECHO = 0.008
_METRICS = {"NRMSE": nrmse, "demeaned": nrmse_demeaned}
#: Straight, and four heads turned by 25 degrees.
_TILTS = ((0.0, 0.0, 1.0), (0.42, 0.0, 0.91), (-0.42, 0.0, 0.91), (0.0, 0.42, 0.91), (0.0, -0.42, 0.91))


def _error(head: TestHead, chi: torch.Tensor) -> dict[str, float]:
    return {name: float(metric(chi, head.chi, head.mask)) for name, metric in _METRICS.items()}


def _single(method: str, invert: Callable[[TestHead], torch.Tensor]) -> Case:
    return Case("inversion", method, invert, _error)


def _iterative(method: str, invert: Callable[..., tuple[torch.Tensor, list[float]]], **settings: float) -> Case:
    return _single(method, lambda head: invert(head.noisy, head.mask, head.voxel_size, **settings)[0])


def _turned(head: TestHead) -> tuple[TestHead, torch.Tensor]:
    """Fields of five orientations, one after the other to keep the memory low."""
    fields = [forward_field(head.chi, head.voxel_size, tilt) for tilt in _TILTS]
    noise = torch.randn((len(_TILTS), *head.mask.shape), generator=torch.Generator().manual_seed(2))
    return head, (torch.stack(fields) + NOISE * noise.to(head.chi.device)) * head.mask


def _closed(given: tuple[TestHead, torch.Tensor]) -> torch.Tensor:
    head, fields = given
    return cosmos_kspace(fields, head.mask, head.voxel_size, _TILTS)


def _least_squares(given: tuple[TestHead, torch.Tensor]) -> torch.Tensor:
    head, fields = given
    weights = head.mask.to(fields.dtype).expand_as(fields)
    return cosmos(fields, weights, head.voxel_size, _TILTS)[0]


CASES = [
    _single("tkd", lambda head: tkd(head.noisy, head.mask, head.voxel_size)),
    _single("tkd-rescaled", lambda head: tkd(head.noisy, head.mask, head.voxel_size, rescale=True)),
    _single("tsvd", lambda head: tsvd(head.noisy, head.mask, head.voxel_size)),
    _single("l2", lambda head: l2(head.noisy, head.mask, head.voxel_size)),
    _iterative("ilsqr", ilsqr),
    _iterative("rts", rts),
    _iterative("tv", tv),
    _iterative("nltv", tv, te=_ECHO),
    _iterative("tgv", tgv),
    _iterative("nltgv", tgv, te=_ECHO),
    _iterative("ndi", ndi, te=_ECHO),
    _iterative("whtv", whtv),
    _single("medi", lambda head: medi(head.noisy, head.magnitude, head.mask, head.voxel_size, te=_ECHO)[0]),
    Case("inversion", "cosmos_kspace", _closed, _error, _turned),
    Case("inversion", "cosmos", _least_squares, _error, _turned),
]
