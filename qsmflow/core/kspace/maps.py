"""What the makers of sensitivity maps share: dominant eigenvectors of many small matrices, and their phase."""

from __future__ import annotations

import torch


def dominant(matrices: torch.Tensor, start: torch.Tensor, iterations: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Leading eigenpairs of Hermitian, positive semi-definite matrices by subspace iteration.

    Parameters
    ----------
    matrices
        complex64, (N, C, C).
    start
        complex64, (N, C, M): near the eigenvectors; columns of full rank.
    iterations
        Products with the matrices; each reduces the error by the ratio of eigenvalue M + 1 to eigenvalue M.

    Returns
    -------
    values, vectors
        (N, M), descending, and (N, C, M), orthonormal.
    """
    vectors = start
    for _ in range(iterations):
        vectors = _orthonormal(matrices @ vectors)
    image = matrices @ vectors
    ritz = vectors.mH @ image
    if vectors.shape[-1] == 1:
        return ritz[..., 0].real, vectors
    values, turn = torch.linalg.eigh(ritz)
    return values.flip(-1), vectors @ turn.flip(-1)


def _orthonormal(vectors: torch.Tensor) -> torch.Tensor:
    if vectors.shape[-1] == 1:
        return vectors / vectors.norm(dim=-2, keepdim=True).clamp_min(torch.finfo(torch.float32).tiny)
    return torch.linalg.qr(vectors).Q


def reference_coil(covariance: torch.Tensor) -> torch.Tensor:
    """Weights of the virtual coil of most signal, (C,), from the covariance of the coils, (C, C).

    Its phase is the zero of the maps. A virtual coil sees the whole head, where a single one has regions without
    signal, around which the phase would wind.
    """
    return torch.linalg.eigh(covariance).eigenvectors[:, -1]


def refer_phase(maps: torch.Tensor, reference: torch.Tensor) -> torch.Tensor:
    """Turn the phase of `maps`, (N, C, M), so that the virtual coil of weights `reference` is real and positive."""
    virtual = reference.conj() @ maps
    return maps * torch.exp(-1j * virtual.angle()).unsqueeze(-2)
