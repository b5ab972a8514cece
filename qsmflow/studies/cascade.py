"""A denoiser before QSMnet: how good the field is, and then the map."""

from __future__ import annotations

from collections.abc import Callable

import torch

from qsmflow.core.metrics import hfen, nrmse, psnr_rescaled, ssim

from .methods import invert
from .problems import Problem
from .study import Outcome, Request, Score

#: ppb.
LEVELS = (0.0, 3.0, 5.0, 7.0, 9.0)
#: The network that makes maps, and how the chain without a denoiser is called.
NETWORK, ALONE = "qsmnet", "none"
METRICS = (("psnr", psnr_rescaled, "dB"), ("ssim", ssim, ""), ("nrmse", nrmse, "%"), ("hfen", hfen, "%"))


def levels(request: Request) -> tuple[float, ...]:
    """Noise that is added to fields, ppb."""
    return (0.0, 5.0, 9.0) if request.quick else LEVELS


def scored(made: Problem, level: float, denoise: Callable[[Problem], torch.Tensor] | None) -> Outcome:
    """The field and the map of it with noise of `level` ppb; `denoise` gives a better field, (X, Y, Z), ppm."""
    noisy = made.with_noise(1e-3 * level)
    denoised = None if denoise is None else denoise(noisy)
    field = noisy.field if denoised is None else denoised
    chi = invert(NETWORK, noisy, denoised)
    scores = [
        Score(name, float(metric(found, true, made.mask)), unit, where)
        for where, found, true in (("field", field, made.clean), ("map", chi, made.chi))
        for name, metric, unit in METRICS
    ]
    return Outcome(scores, {"map": chi, "truth": made.chi}, made.affine)
