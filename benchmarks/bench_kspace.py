"""Reconstruction of real 8-coil k-space beside sigpy and pygrappa where they are installed, and of 16 coils in 3-D.

The data are `brain_8ch_kspace`, found where the tests find them: QSMFLOW_TEST_DATA names another folder.
"""

from __future__ import annotations

import importlib
import multiprocessing
import os
import resource
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch

from qsmflow.core.kspace.combine import combine, root_sum_of_squares
from qsmflow.core.kspace.espirit import espirit
from qsmflow.core.kspace.fourier import to_image, to_kspace
from qsmflow.core.kspace.grappa import grappa
from qsmflow.core.kspace.sampling import acquired, calibration_region

DATA = Path(os.environ.get("QSMFLOW_TEST_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))


@pytest.fixture(scope="module")
def brain() -> dict[str, torch.Tensor]:
    """`full` and `und2x2`, (C, X, Y, 1)."""
    folder = DATA / "brain_8ch_kspace"
    if not folder.is_dir():
        pytest.skip("no real data: set QSMFLOW_TEST_DATA")
    return {name: torch.from_numpy(np.load(folder / f"{name}.npy"))[..., None] for name in ("full", "und2x2")}


def error(found: torch.Tensor, true: torch.Tensor) -> float:
    return 100.0 * float((found - true).norm() / true.norm())


def peer(name: str):
    try:
        return importlib.import_module(name)
    except ImportError:
        pytest.skip(f"{name} is not installed")


# --- the root sum of squares of the coils, from the undersampled data ---


def rss_by_grappa(brain: dict[str, torch.Tensor]) -> torch.Tensor:
    return root_sum_of_squares(to_image(grappa(brain["und2x2"])))


def rss_by_pygrappa(brain: dict[str, torch.Tensor]) -> torch.Tensor:
    pygrappa, kspace = peer("pygrappa"), brain["und2x2"]
    rows, columns, _ = calibration_region(acquired(kspace))
    data = kspace[..., 0].numpy()
    filled = pygrappa.mdgrappa(data, data[:, rows, columns].copy(), kernel_size=(7, 7), coil_axis=0, lamda=0.01)
    return root_sum_of_squares(to_image(torch.from_numpy(filled.astype(np.complex64))[..., None]))


def rss_by_sigpy_sense(brain: dict[str, torch.Tensor]) -> torch.Tensor:
    mri, data = peer("sigpy.mri"), brain["und2x2"][..., 0].numpy()
    maps = mri.app.EspiritCalib(data, calib_width=20, crop=0, show_pbar=False).run()
    image = mri.app.SenseRecon(data, maps, lamda=0.01, show_pbar=False).run()
    return root_sum_of_squares(torch.from_numpy(maps * image)[..., None])


@pytest.mark.parametrize("method", [rss_by_grappa, rss_by_pygrappa, rss_by_sigpy_sense], ids=lambda f: f.__name__[7:])
def test_undersampled_against_full(benchmark, brain, capsys, method: Callable[..., torch.Tensor]) -> None:
    found = benchmark.pedantic(method, args=(brain,), rounds=3, warmup_rounds=1)
    off = error(found, root_sum_of_squares(to_image(brain["full"])))
    tell(
        capsys, f"und2x2, {method.__name__[7:]}: {benchmark.stats.stats.min:.2f} s, NRMSE of the magnitude {off:.2f} %"
    )


# --- what of the coils' images the sensitivities leave out ---


def maps_by_espirit(kspace: torch.Tensor) -> torch.Tensor:
    return espirit(kspace, crop=0.0, soft=False)[0][0]


def maps_by_sigpy(kspace: torch.Tensor) -> torch.Tensor:
    app = peer("sigpy.mri").app.EspiritCalib(kspace[..., 0].numpy(), crop=0, show_pbar=False)
    return torch.from_numpy(app.run())[..., None]


@pytest.mark.parametrize("method", [maps_by_espirit, maps_by_sigpy], ids=lambda f: f.__name__[8:])
def test_projection_on_the_maps(benchmark, brain, capsys, method: Callable[..., torch.Tensor]) -> None:
    maps = benchmark.pedantic(method, args=(brain["full"],), rounds=3, warmup_rounds=1)
    images = to_image(brain["full"])
    off = error(maps * combine(images, maps), images)
    tell(capsys, f"full, {method.__name__[8:]}: {benchmark.stats.stats.min:.2f} s, projection residual {off:.3f} %")


# --- 16 coils, 160x160x160, accelerated 2x2 ---


def large_kspace(coils: int = 16, n: int = 160) -> torch.Tensor:
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
    """Seconds, and GB of the process before at its peak and after."""
    torch.set_num_threads(threads)
    kspace = large_kspace()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.perf_counter()
    {"grappa": grappa, "espirit": espirit}[name](kspace)
    seconds = time.perf_counter() - start
    return seconds, before * 1024 / 1e9, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


@pytest.mark.parametrize("name", ["grappa", "espirit"])
def test_sixteen_coils_in_bounded_memory(capsys, name: str) -> None:
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        seconds, before, peak = pool.submit(measured, name, torch.get_num_threads()).result()
    tell(capsys, f"16 coils of 160x160x160, {name}: {seconds:.1f} s, peak {peak:.2f} GB ({before:.2f} with the data)")


def tell(capsys, line: str) -> None:
    with capsys.disabled():
        print(f"\n{line}", flush=True)
