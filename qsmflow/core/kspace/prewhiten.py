"""Noise of the coils made equal and independent."""

from __future__ import annotations

import torch


def noise_covariance(noise: torch.Tensor) -> torch.Tensor:
    """Covariance of the coils from samples without signal.

    Parameters
    ----------
    noise
        complex64, (C, N).

    Returns
    -------
    torch.Tensor
        complex64, (C, C): the mean of ``n n^H``, the receiver's constant taken off.

    Raises
    ------
    ValueError
        Fewer samples than coils, or a coil without noise.
    """
    coils, samples = noise.shape
    if samples <= coils:
        raise ValueError(f"{samples} noise samples are too few for {coils} coils")
    centred = noise - noise.mean(1, keepdim=True)
    covariance = centred @ centred.mH / (samples - 1)
    silent = torch.nonzero(covariance.diagonal().real <= 0).flatten().tolist()
    if silent:
        raise ValueError(f"coil {silent[0] + 1} has no noise: it was not connected, or the noise scan is empty")
    return covariance


def prewhiten(data: torch.Tensor, covariance: torch.Tensor) -> torch.Tensor:
    """Mix the coils so that their noise has unit variance and no correlation: ``L^-1 d``, covariance ``L L^H``.

    Parameters
    ----------
    data
        complex64, (C, ...): k-space or images.
    covariance
        complex64, (C, C), of `noise_covariance`.

    Returns
    -------
    torch.Tensor
        complex64, the shape of `data`.

    Raises
    ------
    ValueError
        The covariance is not positive definite.

    References
    ----------
    Pruessmann et al., Magn Reson Med 2001.
    """
    factor, failed = torch.linalg.cholesky_ex(covariance)
    if int(failed):
        raise ValueError("the noise covariance is not positive definite: two coils may hold the same signal")
    return torch.linalg.solve_triangular(factor, data.flatten(1), upper=False).reshape(data.shape)
