"""The eight metrics of the second QSM reconstruction challenge."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch.nn import functional

from .metrics import nrmse_demeaned, nrmse_detrended

_DEEP, _TISSUE, _BLOOD, _CALCIFICATION = (1, 2, 3, 4, 5, 6), (7, 8, 9), 11, 16
#: Voxels by which the box about the calcification is wider on each side; the rim about that; what is looked at for
#: the threshold beyond the rim.
_BOX, _RIM, _NEAR = 3, 4, 4
#: Step and end of the thresholds that are tried, ppm.
_STEP, _LEAST = 0.01, -1.5


def challenge_metrics(
    chi: torch.Tensor, truth: torch.Tensor, mask: torch.Tensor, labels: torch.Tensor
) -> dict[str, float]:
    """Score a map by the metrics of the challenge; all are zero for the truth, and none knows an offset.

    ``NRMSE`` (demeaned) and ``dNRMSE`` (detrended) over the mask, and detrended over three parts of it:
    ``dNRMSE_tissue`` (white and grey matter, thalamus), ``dNRMSE_blood`` (vessels and the voxels that touch them),
    ``dNRMSE_DGM`` (the six deep nuclei); %. ``DeviationFromLinearSlope``: how far the slope of the six nuclei's means
    against the true ones is from 1. With a calcification also ``DeviationFromCalcMoment``, by how much its sum of
    susceptibility is wrong, ppm voxels, and ``CalcStreak``, see `calcification`. The parts are as labelled: some users
    of the challenge's code erode tissue and nuclei by a voxel before.

    Parameters
    ----------
    chi, truth
        (X, Y, Z), ppm.
    mask
        bool, (X, Y, Z).
    labels
        Integers of the challenge's phantom, (X, Y, Z): 1 caudate, 2 pallidum, 3 putamen, 4 red nucleus, 5 dentate,
        6 substantia nigra, 7 thalamus, 8 white and 9 grey matter, 11 blood, 16 calcification.

    Returns
    -------
    dict
        Name to value; NaN where the labels have none of what the metric is about, and without calcification that pair
        is missing.

    Raises
    ------
    ValueError
        As the metrics of `qsmflow.core.metrics`; or the labels have another shape.

    References
    ----------
    QSM Challenge 2.0 Organization Committee, Magn Reson Med 2021, 86:1241, doi 10.1002/mrm.28754.
    """
    if labels.shape != chi.shape:
        raise ValueError(f"labels {tuple(labels.shape)} and map {tuple(chi.shape)} differ in shape")
    blood = functional.max_pool3d((labels == _BLOOD)[None].float(), 3, stride=1, padding=1)[0] > 0
    parts = {"tissue": _among(labels, _TISSUE), "blood": blood, "DGM": _among(labels, _DEEP)}
    scores = {
        "NRMSE": _over(nrmse_demeaned, chi, truth, mask),
        "dNRMSE": _over(nrmse_detrended, chi, truth, mask),
        **{f"dNRMSE_{name}": _over(nrmse_detrended, chi, truth, mask & part) for name, part in parts.items()},
        "DeviationFromLinearSlope": _slope_deviation(chi, truth, mask, labels),
    }
    if bool((mask & (labels == _CALCIFICATION)).any()):
        moment, streaks = calcification(chi, truth, labels == _CALCIFICATION)
        true = float(truth[labels == _CALCIFICATION].double().sum())
        scores |= {"CalcStreak": streaks, "DeviationFromCalcMoment": abs(moment - true)}
    return scores


def calcification(chi: torch.Tensor, truth: torch.Tensor, where: torch.Tensor) -> tuple[float, float]:
    """How a map shows a calcification, and what that does to its surroundings.

    The calcification is what lies below a threshold in a box three voxels wider than it is. The threshold is the
    highest multiple of -0.01 ppm that nothing passes which lies beyond the box and at most eight voxels from it, and
    -1.5 ppm if there is none.

    Parameters
    ----------
    chi, truth
        (X, Y, Z), ppm.
    where
        bool, (X, Y, Z): the true calcification.

    Returns
    -------
    moment
        Sum of the susceptibility of what was found, ppm voxels; 0 if nothing was.
    streaks
        SD of what a line through map against truth leaves in a rim of four voxels about the box, over the mean
        susceptibility of what was found; infinite if nothing was.
    """
    box = _box(where, _BOX)
    rim = _box(where, _BOX + _RIM) & ~box
    near = _box(where, _BOX + _RIM + _NEAR) & ~box
    lowest = float(chi[near].min())
    tried = (-_STEP * step for step in range(round(-_LEAST / _STEP) + 1))
    threshold = next((one for one in tried if one <= lowest), _LEAST)
    found = chi[box & (chi < threshold)].double()
    x, y = truth[rim].double(), chi[rim].double()
    scatter = float((y - _slope(x, y) * x).std())
    return float(found.sum()), scatter / abs(float(found.mean())) if len(found) else float("inf")


def _slope_deviation(chi: torch.Tensor, truth: torch.Tensor, mask: torch.Tensor, labels: torch.Tensor) -> float:
    nuclei = [one for one in (mask & (labels == label) for label in _DEEP) if bool(one.any())]
    if len(nuclei) < 2:
        return float("nan")
    x, y = (torch.stack([m[one].double().mean() for one in nuclei]) for m in (truth, chi))
    return abs(1.0 - _slope(x, y))


def _slope(x: torch.Tensor, y: torch.Tensor) -> float:
    """Of the line through `y` against `x`; 0 where `x` is constant."""
    x, y = x - x.mean(), y - y.mean()
    return float((x * y).sum() / x.square().sum()) if bool(x.any()) else 0.0


def _over(
    metric: Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor],
    chi: torch.Tensor,
    truth: torch.Tensor,
    part: torch.Tensor,
) -> float:
    return float(metric(chi, truth, part)) if bool(part.any()) else float("nan")


def _among(labels: torch.Tensor, names: tuple[int, ...]) -> torch.Tensor:
    return torch.isin(labels, torch.tensor(names, device=labels.device, dtype=labels.dtype))


def _box(where: torch.Tensor, margin: int) -> torch.Tensor:
    """The smallest box about `where`, wider by `margin` voxels on each side as far as the grid reaches."""
    at = torch.nonzero(where)
    low, high = (at.amin(0) - margin).clamp_min(0).tolist(), (at.amax(0) + margin + 1).tolist()
    box = torch.zeros_like(where)
    box[tuple(slice(a, b) for a, b in zip(low, high, strict=True))] = True
    return box
