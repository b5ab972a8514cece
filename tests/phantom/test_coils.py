from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from qsmflow.bids.rawdata import read_echo, read_noise, read_raw_header
from qsmflow.config import Simulate
from qsmflow.core.kspace.fourier import to_image
from qsmflow.errors import UsageError
from qsmflow.phantom.coils import sampled_lines, sensitivities, write_kspace
from qsmflow.phantom.plan import check

SETTINGS = Simulate(te=(0.004, 0.009), coils=6, acceleration="2x3", calibration=8)
AFFINE = np.diag([5.0, 6.0, 7.0, 1.0])
SHAPE = (20, 26, 22)


def test_maps_differ_along_every_axis_and_have_unit_norm() -> None:
    maps = sensitivities(torch.tensor(AFFINE, dtype=torch.float32), SHAPE, 8)
    torch.testing.assert_close(maps.abs().square().sum(0), torch.ones(SHAPE))
    for axis in range(3):
        ends = maps.select(axis + 1, 2), maps.select(axis + 1, SHAPE[axis] - 3)
        overlap = (ends[0].conj() * ends[1]).sum(0).abs()
        assert overlap.median() < 0.8


def test_lines_hold_the_centre_and_every_so_many() -> None:
    lines = sampled_lines((26, 22), (2, 3), 8)
    assert len(lines) == len(set(lines))
    assert {(13, 11), (9, 7), (16, 14), (1, 2), (25, 20)} <= set(lines) and (0, 0) not in lines
    assert len(sampled_lines((26, 22), (1, 1), 0)) == 26 * 22


@pytest.mark.parametrize("sd", [0.0, 0.01])
def test_file_holds_the_signal_of_the_coils(tmp_path: Path, sd: float) -> None:
    signals = [torch.polar(torch.rand(SHAPE), torch.rand(SHAPE)) for _ in SETTINGS.te]
    draws = [torch.Generator().manual_seed(i) for i in range(3)]
    settings = dataclasses.replace(SETTINGS, acceleration="1x1")
    write_kspace(tmp_path / "raw.h5", AFFINE, signals, sd, draws, settings)
    header = read_raw_header(tmp_path / "raw.h5")
    assert header.coils == 6 and header.echo_times == pytest.approx(SETTINGS.te)
    maps = sensitivities(torch.tensor(AFFINE, dtype=torch.float32), SHAPE, 6)
    for echo, signal in enumerate(signals):
        rest = to_image(torch.from_numpy(read_echo(header, echo))) - maps * signal
        assert float(torch.view_as_real(rest).std()) == pytest.approx(sd, rel=0.02, abs=1e-6)
    noise = read_noise(tmp_path / "raw.h5")
    assert (noise is None) == (sd == 0)
    if noise is not None:
        covariance = noise @ noise.conj().T / noise.shape[1]
        np.testing.assert_allclose(covariance.diagonal().real, 2 * sd**2, rtol=0.1)
        assert abs(covariance[0, 1]) > 0.2 * covariance[0, 0].real


@pytest.mark.parametrize(
    ("changes", "told"),
    [({"coils": 0}, "needs --coils"), ({"acceleration": "two"}, "2x2"), ({"acceleration": "0x2"}, "1 to 8")],
)
def test_impossible_scans_are_refused(changes: dict[str, object], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        check(dataclasses.replace(SETTINGS, **changes))
