"""Scores of a map against a truth, each by the convention it is published under.

A metric called like its neighbour in another paper is often another number, so every function names its source, and
`METRICS` lists what each one is called, its unit and its convention. All maps are (..., X, Y, Z) and are set to zero
outside the mask before anything else; what lies there, NaN included, has no influence. Sums run in float64, because
``E[x^2] - E[x]^2`` cancels in float32; a score costs one pass, not a loop. Leading dimensions are a batch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch

from qsmflow.core.separable import gaussian, laplacian_of_gaussian, separable

_SPACE = (-3, -2, -1)


def rmse(chi: torch.Tensor, truth: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Root mean square of the difference over the mask, in the unit of the maps.

    Parameters
    ----------
    chi, truth
        Map and truth, (..., X, Y, Z), the same unit (ppm).
    mask
        bool, (X, Y, Z) or (..., X, Y, Z); where the maps are compared.

    Returns
    -------
    torch.Tensor
        float64, (...).

    Raises
    ------
    ValueError
        The shapes differ; the mask is not bool or empty; a voxel in the mask is not finite. The same holds for
        every metric of this module.
    """
    x, y, inside = _prepare(chi, truth, mask)
    return _norm(x - y) / inside.sum(_SPACE).double().sqrt()


def nrmse(chi: torch.Tensor, truth: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Normalised root mean square error ``100 |x - y| / |y|`` over the mask, %; an offset of the map counts.

    Parameters as in `rmse`; returns float64, (...); infinite where the truth is zero throughout.

    References
    ----------
    The "RMSE" of the 2016 reconstruction challenge: Langkammer et al., Magn Reson Med 2018, 79:1661.
    """
    x, y, _ = _prepare(chi, truth, mask)
    return 100 * _norm(x - y) / _norm(y)


def nrmse_demeaned(chi: torch.Tensor, truth: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """`nrmse` after the mean over the mask is taken from map and truth, %; blind to an offset, not to a scale.

    Parameters as in `rmse`; returns float64, (...); NaN or infinite where the truth is constant.

    References
    ----------
    QSM reconstruction challenge 2.0, Magn Reson Med 2021, 86:1241, doi 10.1002/mrm.28754 (NRMSE).
    """
    x, y = _demeaned(*_prepare(chi, truth, mask))
    return 100 * _norm(x - y) / _norm(y)


def nrmse_detrended(chi: torch.Tensor, truth: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Error that is left once offset and slope of the map against the truth are fitted and undone, %.

    It equals ``100 sqrt(1 / r^2 - 1)`` with r from `correlation`. It cannot see an underestimated contrast, and as
    r enters squared it cannot see a reversed sign either: read it beside `correlation`.

    Parameters as in `rmse`; returns float64, (...); infinite where map and truth are uncorrelated, NaN where one of
    them is constant.

    References
    ----------
    QSM reconstruction challenge 2.0, Magn Reson Med 2021, 86:1241, doi 10.1002/mrm.28754 (detrended NRMSE).
    """
    r = correlation(chi, truth, mask)
    return 100 * (1 / r.square() - 1).clamp_min(0).sqrt()


def correlation(chi: torch.Tensor, truth: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Pearson correlation over the mask, -1 to 1.

    Parameters as in `rmse`; returns float64, (...); NaN where map or truth is constant.
    """
    x, y = _demeaned(*_prepare(chi, truth, mask))
    return (x * y).sum(_SPACE) / (_norm(x) * _norm(y))


def hfen(chi: torch.Tensor, truth: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """High-frequency error norm, %: the NRMSE of both maps after a Laplacian of Gaussian.

    The kernel has 15^3 voxels, sigma 1.5 voxels and zero mean. Both maps are masked first, the filter takes the
    outside of the grid for zero, and the norms run over the whole grid, where the mask's edge has its response too.

    Parameters as in `rmse`; returns float64, (...); NaN or infinite where the truth is zero throughout.

    References
    ----------
    Ravishankar and Bresler, IEEE Trans Med Imaging 2011, 30:1028 (HFEN, in 2-D); Langkammer et al., Magn Reson Med
    2018, 79:1661 (in 3-D).
    """
    x, y, _ = _prepare(chi, truth, mask)
    return 100 * _norm(laplacian_of_gaussian(x - y, 15, 1.5)) / _norm(laplacian_of_gaussian(y, 15, 1.5))


def ssim(chi: torch.Tensor, truth: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Structural similarity by the convention of the 2016 reconstruction challenge; 1 is equal.

    Both maps are rescaled together: the smallest value of the two goes to 0, the largest to 255. Gaussian window of
    5^3 voxels, sigma 1.5; K = (0.01, 0.03), L = 255; the outside of mask and grid counts as zero; mean over the mask.
    (The challenge takes the mean over the non-zero voxels of the map, which is the same for maps without zeros in
    the mask.) One extreme voxel in either map compresses the scale and raises the score: see `xsim`.

    Parameters as in `rmse`; returns float64, (...). Holds about ten copies of the volume in float64.

    References
    ----------
    Wang et al., IEEE Trans Image Process 2004, 13:600; Langkammer et al., Magn Reson Med 2018, 79:1661.
    """
    x, y, inside = _prepare(chi, truth, mask)
    x, y = _rescaled(x, y, inside)
    return _mean_ssim(x, y, inside, size=5, constants=((0.01 * 255) ** 2, (0.03 * 255) ** 2))


def xsim(chi: torch.Tensor, truth: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Structural similarity for susceptibility maps: maps stay in ppm, so no outlier moves the scale; 1 is equal.

    L = 1 ppm, K = (0.01, 0.001). Gaussian window of 7^3 voxels, sigma 1.5; the outside of mask and grid counts as
    zero; mean over the mask. Maps in ppb or rad give another number.

    Parameters as in `rmse`, in ppm; returns float64, (...). Holds about ten copies of the volume in float64.

    References
    ----------
    Milovic et al., Magn Reson Med 2024, doi 10.1002/mrm.30271.
    """
    x, y, inside = _prepare(chi, truth, mask)
    return _mean_ssim(x, y, inside, size=7, constants=(0.01**2, 0.001**2))


def psnr_truth(chi: torch.Tensor, truth: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Peak signal-to-noise ratio over the mask, dB; the peak is the largest value of the truth in the mask.

    Parameters as in `rmse`; returns float64, (...); infinite where the maps are equal, NaN where the truth has no
    positive value.
    """
    x, y, inside = _prepare(chi, truth, mask)
    peak = y.masked_fill(~inside, -torch.inf).amax(_SPACE)
    return 20 * torch.log10(peak / rmse(x, y, inside))


def psnr_rescaled(chi: torch.Tensor, truth: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Peak signal-to-noise ratio over the mask, dB; the peak is 255, after the joint rescaling of `ssim`.

    The mean runs over the mask. Code that runs it over the whole grid gives ``10 log10(voxels / voxels in mask)``
    dB more.

    Parameters as in `rmse`; returns float64, (...); infinite where the maps are equal, NaN where both are zero.
    """
    x, y, inside = _prepare(chi, truth, mask)
    x, y = _rescaled(x, y, inside)
    return 20 * torch.log10(255 / rmse(x, y, inside))


class Metric(NamedTuple):
    """A metric of this module, as tables and reports name it."""

    name: str
    function: Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]
    unit: str
    convention: str


METRICS = (
    Metric("nrmse", nrmse, "%", "100 |x-y| / |y|, 2016 challenge"),
    Metric("nrmse_demeaned", nrmse_demeaned, "%", "means removed, challenge 2.0"),
    Metric("nrmse_detrended", nrmse_detrended, "%", "100 sqrt(1/r^2 - 1), challenge 2.0"),
    Metric("hfen", hfen, "%", "15^3 LoG, sigma 1.5 voxels, 2016 challenge"),
    Metric("ssim", ssim, "", "joint 0..255, 5^3 Gaussian sigma 1.5, K .01 .03, 2016 challenge"),
    Metric("xsim", xsim, "", "ppm, L 1, 7^3 Gaussian sigma 1.5, K .01 .001, Milovic"),
    Metric("psnr_truth", psnr_truth, "dB", "peak: largest truth in the mask"),
    Metric("psnr_rescaled", psnr_rescaled, "dB", "peak: 255 after joint rescaling to 0..255"),
    Metric("rmse", rmse, "ppm", "root mean square of x-y"),
    Metric("correlation", correlation, "", "Pearson"),
)


class RegionStatistics(NamedTuple):
    """Voxels, mean and standard deviation (n - 1) of one region."""

    voxels: int
    mean: float
    sd: float


def region_statistics(
    chi: torch.Tensor, labels: torch.Tensor, mask: torch.Tensor | None = None
) -> dict[int, RegionStatistics]:
    """Mean and sample standard deviation of `chi` in every region of a label map.

    Parameters
    ----------
    chi
        (X, Y, Z), ppm.
    labels
        Integers, (X, Y, Z); 0 is no region.
    mask
        bool, (X, Y, Z); voxels outside are left out. None keeps all.

    Returns
    -------
    dict
        Label, ascending, to its statistics in the unit of `chi`; the SD of a single voxel is NaN.

    Raises
    ------
    ValueError
        The shapes differ, or the labels are not integers.
    """
    if chi.shape != labels.shape or (mask is not None and mask.shape != chi.shape):
        raise ValueError(f"map {tuple(chi.shape)}, labels {tuple(labels.shape)} and mask differ in shape")
    if labels.is_floating_point() or labels.is_complex():
        raise ValueError(f"labels are {labels.dtype}, expected integers")
    inside = labels != 0 if mask is None else (labels != 0) & mask
    values = chi[inside].double()
    names, index, count = torch.unique(labels[inside], return_inverse=True, return_counts=True)
    mean = torch.zeros(len(names), dtype=torch.float64, device=chi.device).index_add_(0, index, values) / count
    squares = torch.zeros_like(mean).index_add_(0, index, (values - mean[index]).square())
    sd = (squares / (count - 1)).sqrt()
    rows = zip(names.tolist(), count.tolist(), mean.tolist(), sd.tolist(), strict=True)
    return {int(label): RegionStatistics(int(n), m, s) for label, n, m, s in rows}


def dice(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Overlap of two masks, ``2 |a and b| / (|a| + |b|)``, 0 to 1.

    Parameters
    ----------
    a, b
        bool, (..., X, Y, Z).

    Returns
    -------
    torch.Tensor
        float64, (...); NaN where both are empty.

    Raises
    ------
    ValueError
        The shapes differ, or one is not bool.

    References
    ----------
    Dice, Ecology 1945, 26:297.
    """
    if a.shape != b.shape:
        raise ValueError(f"masks differ in shape: {tuple(a.shape)} and {tuple(b.shape)}")
    if a.dtype != torch.bool or b.dtype != torch.bool:
        raise ValueError(f"masks are {a.dtype} and {b.dtype}, expected bool")
    return 2 * (a & b).sum(_SPACE).double() / (a.sum(_SPACE) + b.sum(_SPACE))


def _prepare(
    chi: torch.Tensor, truth: torch.Tensor, mask: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Checked, masked, float64 maps and the mask in their shape."""
    if chi.shape != truth.shape:
        raise ValueError(f"map {tuple(chi.shape)} and truth {tuple(truth.shape)} differ in shape")
    if mask.dtype != torch.bool:
        raise ValueError(f"mask is {mask.dtype}, expected bool")
    if chi.ndim < 3 or mask.shape[-3:] != chi.shape[-3:]:
        raise ValueError(f"map {tuple(chi.shape)} and mask {tuple(mask.shape)} differ in shape")
    inside = mask.expand(chi.shape)
    if not bool(inside.flatten(-3).any(-1).all()):
        raise ValueError("mask is empty")
    x = chi.double().masked_fill(~inside, 0)
    y = truth.double().masked_fill(~inside, 0)
    for name, values in (("map", x), ("truth", y)):
        if not bool(values.isfinite().all()):
            raise ValueError(f"{name} has voxels in the mask that are not finite")
    return x, y, inside


def _norm(values: torch.Tensor) -> torch.Tensor:
    return values.square().sum(_SPACE).sqrt()


def _demeaned(x: torch.Tensor, y: torch.Tensor, inside: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Masked maps less their mean over the mask; exactly zero where a map is constant, so that 0/0 shows as NaN."""
    count = inside.sum(_SPACE)[..., None, None, None]

    def demean(values: torch.Tensor) -> torch.Tensor:
        rest = (values - values.sum(_SPACE, keepdim=True) / count).masked_fill(~inside, 0)
        rounding = 1e-12 * values.abs().amax(_SPACE, keepdim=True)
        return rest.masked_fill(rest.abs().amax(_SPACE, keepdim=True) <= rounding, 0)

    return demean(x), demean(y)


def _rescaled(x: torch.Tensor, y: torch.Tensor, inside: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Both maps on one scale: smallest value (the zero around the mask included) to 0, largest to 255."""
    low = torch.minimum(x.amin(_SPACE, keepdim=True), y.amin(_SPACE, keepdim=True))
    x, y = ((values - low).masked_fill(~inside, 0) for values in (x, y))
    scale = 255 / torch.maximum(x.amax(_SPACE, keepdim=True), y.amax(_SPACE, keepdim=True))
    return x * scale, y * scale


def _mean_ssim(
    x: torch.Tensor, y: torch.Tensor, inside: torch.Tensor, size: int, constants: tuple[float, float]
) -> torch.Tensor:
    """Mean over the mask of the SSIM index (Wang 2004) with a Gaussian window of sigma 1.5 voxels."""
    taps = gaussian(size, 1.5)
    c1, c2 = constants

    def local_mean(values: torch.Tensor) -> torch.Tensor:
        return separable(values, taps, taps, taps)

    mx, my = local_mean(x), local_mean(y)
    variances = local_mean(x.square() + y.square()) - mx.square() - my.square()
    covariance = local_mean(x * y) - mx * my
    index = (2 * mx * my + c1) * (2 * covariance + c2) / ((mx.square() + my.square() + c1) * (variances + c2))
    return index.masked_fill(~inside, 0).sum(_SPACE) / inside.sum(_SPACE)
