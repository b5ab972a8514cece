"""Reconstruction of k-space: ``python -m benchmarks.bench_kspace [--large]``.

A real slice of 8 coils (`brain_8ch_kspace`, found where the tests find it) beside sigpy and pygrappa where they are
installed; with ``--large``, 16 coils of 160x160x160, each method in a process of its own.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import resource
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import torch

from qsmflow.core.kspace.combine import combine, root_sum_of_squares
from qsmflow.core.kspace.espirit import espirit
from qsmflow.core.kspace.fourier import to_image, to_kspace
from qsmflow.core.kspace.grappa import grappa
from qsmflow.core.kspace.sampling import acquired, calibration_region

DATA = Path(os.environ.get("QSMFLOW_TEST_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--large", action="store_true", help="16 coils of 160x160x160 too; needs 3 GB")
    large = parser.parse_args().large
    print("| | s | error, % |\n|---|---|---|", flush=True)
    folder = DATA / "brain_8ch_kspace"
    if folder.is_dir():
        full, undersampled = (torch.from_numpy(np.load(folder / f"{n}.npy"))[..., None] for n in ("full", "und2x2"))
        images = to_image(full)
        true = root_sum_of_squares(images)
        for method in (rss_by_grappa, rss_by_pygrappa, rss_by_sigpy_sense):
            row(f"magnitude of und2x2, {method.__name__[7:]}", method, undersampled, lambda found: error(found, true))
        for method in (maps_by_espirit, maps_by_sigpy):
            row(
                f"images outside the maps of full, {method.__name__[8:]}",
                method,
                full,
                lambda maps: error(maps * combine(images, maps), images),
            )
    else:
        print(f"| no {folder}: set QSMFLOW_TEST_DATA | | |")
    for name in ("grappa", "espirit") if large else ():
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
            seconds, before, peak = pool.submit(measured, name, torch.get_num_threads()).result()
        told = f"16 coils of 160x160x160, {name}: {before:.2f} GB with the data, {peak:.2f} at the peak"
        print(f"| {told} | {seconds:.0f} | |", flush=True)


def row(
    name: str,
    method: Callable[[torch.Tensor], torch.Tensor],
    kspace: torch.Tensor,
    score: Callable[[torch.Tensor], float],
) -> None:
    """Print the best time of three after a first, and the error."""
    try:
        result = method(kspace)
    except ImportError as absent:
        print(f"| {name} ({absent.name} is not installed) | | |")
        return
    times = []
    for _ in range(3):
        start = time.perf_counter()
        result = method(kspace)
        times.append(time.perf_counter() - start)
    print(f"| {name} | {min(times):.2f} | {score(result):.2f} |", flush=True)


def error(found: torch.Tensor, true: torch.Tensor) -> float:
    return 100.0 * float((found - true).norm() / true.norm())


def rss_by_grappa(kspace: torch.Tensor) -> torch.Tensor:
    return root_sum_of_squares(to_image(grappa(kspace)))


def rss_by_pygrappa(kspace: torch.Tensor) -> torch.Tensor:
    import pygrappa

    rows, columns, _ = calibration_region(acquired(kspace))
    data = kspace[..., 0].numpy()
    filled = pygrappa.mdgrappa(data, data[:, rows, columns].copy(), kernel_size=(7, 7), coil_axis=0, lamda=0.01)
    return root_sum_of_squares(to_image(torch.from_numpy(filled.astype(np.complex64))[..., None]))


def rss_by_sigpy_sense(kspace: torch.Tensor) -> torch.Tensor:
    from sigpy.mri.app import EspiritCalib, SenseRecon

    data = kspace[..., 0].numpy()
    maps = EspiritCalib(data, calib_width=20, crop=0, show_pbar=False).run()
    image = SenseRecon(data, maps, lamda=0.01, show_pbar=False).run()
    return root_sum_of_squares(torch.from_numpy(maps * image)[..., None])


def maps_by_espirit(kspace: torch.Tensor) -> torch.Tensor:
    return espirit(kspace, crop=0.0, soft=False)[0][0]


def maps_by_sigpy(kspace: torch.Tensor) -> torch.Tensor:
    from sigpy.mri.app import EspiritCalib

    return torch.from_numpy(EspiritCalib(kspace[..., 0].numpy(), crop=0, show_pbar=False).run())[..., None]


def large_kspace(coils: int = 16, n: int = 160) -> torch.Tensor:
    """A head seen by coils at random places, accelerated 2x2."""
    axis = torch.linspace(-1, 1, n)
    x, y, z = torch.meshgrid(axis, axis, axis, indexing="ij")
    head = ((x / 0.8) ** 2 + (y / 0.9) ** 2 + (z / 0.75) ** 2 < 1) * (1 + 0.3 * torch.sin(9 * x * y + 4 * z))
    sampled = torch.zeros(n, n, dtype=torch.bool)
    sampled[::2, ::2] = True
    sampled[n // 2 - 12 : n // 2 + 12, n // 2 - 12 : n // 2 + 12] = True
    generator = torch.Generator().manual_seed(0)
    kspace = torch.empty((coils, n, n, n), dtype=torch.complex64)
    for coil in range(coils):
        place = torch.randn(3, generator=generator)
        px, py, pz = (1.3 * place / place.norm()).tolist()
        reach = (x - px) ** 2 + (y - py) ** 2 + (z - pz) ** 2
        kspace[coil] = to_kspace(torch.polar(head / (reach + 0.3), coil + x * py - y * px + 0.8 * reach)) * sampled
    return kspace


def measured(name: str, threads: int) -> tuple[float, float, float]:
    """Seconds, and GB of the process at its peak before and after."""
    torch.set_num_threads(threads)
    kspace = large_kspace()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.perf_counter()
    {"grappa": grappa, "espirit": espirit}[name](kspace)
    seconds = time.perf_counter() - start
    return seconds, before * 1024 / 1e9, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


if __name__ == "__main__":
    main()
