"""How good the networks of the package are: ``python -m benchmarks.networks_table [--labels FILE] [--only TABLE]``.

All heads are simulated, none was trained on. Without labels the head is a procedural one; the README's numbers are of
the label map of the second reconstruction challenge.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch

from qsmflow.core.inversion import l2, tkd, whtv
from qsmflow.core.metrics import hfen, nrmse, nrmse_demeaned, rmse, xsim
from qsmflow.core.registration import resample
from qsmflow.nets import predict, weights
from qsmflow.phantom.head import ProceduralHead
from qsmflow.phantom.labels import read_labels
from qsmflow.phantom.sampling import Head
from qsmflow.phantom.tissues import read_tissues
from qsmflow.studies.problems import Problem, brain_problem, shapes_problem, with_lesions

#: ppm: noise of the fields, where a table does not say otherwise.
NOISE = 0.002
_ONE = (1.0, 1.0, 1.0)
_INVERSIONS = {"tkd": tkd, "l2": l2, "whtv": lambda *scan: whtv(*scan)[0]}
_NETWORKS = ("qsmnet", "qsmnet_plus", "siqsm", "deepqsm")
_LESIONS = tuple(0.2 * step for step in range(-7, 8) if step)


def chi_of(method: str, problem: Problem, field: torch.Tensor | None = None) -> torch.Tensor:
    """The map of an inversion, or of a network, of the field of a problem or of another field."""
    scan = (problem.field if field is None else field, problem.mask, problem.voxel_size, problem.b0_dir)
    return _INVERSIONS[method](*scan) if method in _INVERSIONS else predict(*scan, method).map


def methods_table(head: Head) -> None:
    """All methods on the head in voxels of 1 mm."""
    problem = brain_problem(head, _ONE).with_noise(NOISE)
    _print("method", "NRMSE", "demeaned", "HFEN", "XSIM")
    for method in [*_INVERSIONS, *_known(_NETWORKS)]:
        scores = [m(chi_of(method, problem), problem.chi, problem.mask) for m in (nrmse, nrmse_demeaned, hfen, xsim)]
        _print(method, *(f"{float(score):.{3 if score < 1 else 1}f}" for score in scores))


def grids_table(head: Head) -> None:
    """Other grids, beside the map of the straight grid of 1 mm brought there."""
    straight = brain_problem(head, _ONE).with_noise(NOISE)
    cases = {
        "0.6 x 0.6 x 2 mm": ((0.6, 0.6, 2.0), 0.0, NOISE),
        "oblique by 30 degrees": (_ONE, 30.0, NOISE),
        "0.5 mm": ((0.5, 0.5, 0.5), 0.0, NOISE),
        "7 T": (_ONE, 0.0, NOISE * 3.0 / 7.0),
    }
    maps = {method: chi_of(method, straight) for method in _known(_NETWORKS[:2])}
    _print("grid", "network", "NRMSE there", "of the straight map brought there")
    for name, (size, tilt, sd) in cases.items():
        problem = brain_problem(head, size, tilt=(tilt, 0.0, 0.0)).with_noise(sd)
        for method, chi in maps.items():
            there = float(nrmse(chi_of(method, problem), problem.chi, problem.mask))
            shape = problem.chi.shape
            brought = resample(chi, straight.affine, np.eye(4), problem.affine, tuple(shape))
            _print(name, method, f"{there:.1f}", f"{float(nrmse(brought, problem.chi, problem.mask)):.1f}")


def lesions_table(head: Head) -> None:
    """Spheres of -1.4 to 1.4 ppm, half of them at a time: what is found against what is there."""
    plain = brain_problem(head, _ONE).with_noise(NOISE)
    halves = [with_lesions(plain, _LESIONS[start::2]) for start in (0, 1)]
    _print("method", "slope", "worst, ppm")
    for method in ["l2", "whtv", *_known(_NETWORKS)]:
        found, true = [], []
        for problem, lesions in halves:
            chi = chi_of(method, problem)
            for number in range(1, int(lesions.max()) + 1):
                found.append(float(chi[lesions == number].mean()))
                true.append(float(problem.chi[lesions == number].mean()))
        slope = float(np.polyfit(true, found, 1)[0])
        _print(method, f"{slope:.3f}", f"{max(abs(a - b) for a, b in zip(found, true, strict=True)):.3f}")


def denoisers_table(head: Head) -> None:
    """Denoising before the inversion, at five levels of noise."""
    clean = brain_problem(head, _ONE)
    levels = (0.0, 0.003, 0.005, 0.007, 0.009)
    chains = [("", "qsmnet"), *((one, "qsmnet") for one in _known(("denoiser_2d", "denoiser_3d")))]
    _print("NRMSE of the map", *(f"{1e3 * sd:g} ppb" for sd in levels))
    for denoiser, inversion in chains:
        scores = []
        for sd in levels:
            problem = clean.with_noise(sd)
            field = problem.field
            if denoiser:
                field = predict(field, problem.mask, problem.voxel_size, problem.b0_dir, denoiser).map
            scores.append(float(nrmse(chi_of(inversion, problem, field), problem.chi, problem.mask)))
        _print(" + ".join(filter(None, (denoiser, inversion))), *(f"{score:.1f}" for score in scores))


def shapes_table(head: Head) -> None:
    """One phantom of spheres and cylinders at rising resolution, SNR 100."""
    sizes = (64, 96, 128, 256)
    _print("RMSE, ppb", *(f"{size}^3" for size in sizes))
    for method in _known(("deepqsm", "qsmnet_plus", "siqsm")):
        scores = []
        for size in sizes:
            problem = shapes_problem(size)
            scores.append(1e3 * float(rmse(chi_of(method, problem), problem.chi, problem.mask)))
        _print(method, *(f"{score:.2f}" for score in scores))


def _known(names: Sequence[str]) -> list[str]:
    """Those of which there are weights."""
    return [name for name in names if name in weights.names()]


def _print(*cells: str) -> None:
    print(f"| {' | '.join(cells)} |", flush=True)


_TABLES: dict[str, Callable[[Head], None]] = {
    "methods": methods_table,
    "grids": grids_table,
    "lesions": lesions_table,
    "denoisers": denoisers_table,
    "shapes": shapes_table,
}


def main() -> int:
    """Print the tables as Markdown."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.networks_table", description=__doc__.splitlines()[0])
    parser.add_argument("--labels", type=Path, metavar="FILE", help="label map to take the head from")
    parser.add_argument("--brain", type=Path, metavar="FILE", help="brain mask on the grid of the labels")
    parser.add_argument("--only", action="append", choices=list(_TABLES), help="these tables alone")
    parser.add_argument("--threads", type=int, help="threads of torch")
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    head: Head = ProceduralHead(1_000_000)
    if args.labels:
        head = read_labels(args.labels, read_tissues("head"), brain=args.brain)
    for name, table in _TABLES.items():
        if not args.only or name in args.only:
            print(f"\n{table.__doc__}\n", flush=True)
            table(head)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
