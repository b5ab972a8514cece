"""ISMRMRD files: what was written comes back, and what is not read is named."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from qsmflow.bids.ismrmrd import Protocol, Writer
from qsmflow.bids.problems import RefusalError
from qsmflow.bids.rawdata import read_echo, read_noise, read_raw_header

SHAPE = (12, 10, 9)
AFFINE = np.array([[0.0, -1.5, 0.0, 20.0], [1.2, 0.0, 0.0, -31.0], [0.0, 0.0, 2.0, 5.0], [0.0, 0.0, 0.0, 1.0]])
TE = (0.004, 0.0095)


def random(*shape: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    return (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)).astype(np.complex64)


@pytest.fixture
def written(tmp_path: Path) -> tuple[Path, np.ndarray]:
    """Two echoes of three coils, undersampled, with a noise scan."""
    path, kspace = tmp_path / "raw.h5", random(2, 3, *SHAPE)
    lines = [(y, z) for y in range(SHAPE[1]) for z in range(SHAPE[2]) if y % 2 == 0 or z == 4]
    plane = np.zeros(SHAPE[1:], bool)
    plane[tuple(np.array(lines).T)] = True
    with Writer(path, Protocol(AFFINE, SHAPE, TE, 3.0, (2, 1))) as writer:
        writer.noise(random(3, 40))
        for echo in range(2):
            writer.echo(echo, kspace[echo], lines)
    return path, kspace * plane


def change_heads(path: Path, change) -> None:
    """Let `change` work on the headers of all acquisitions."""
    with h5py.File(path, "r+") as file:
        data = file["dataset/data"][:]
        change(data["head"])
        file["dataset/data"][:] = data


def change_text(path: Path, old: str, new: str) -> None:
    with h5py.File(path, "r+") as file:
        text = file["dataset/xml"][0].decode()
        assert old in text
        file["dataset/xml"][0] = text.replace(old, new)


def test_what_was_written_comes_back(written: tuple[Path, np.ndarray]) -> None:
    path, kspace = written
    header = read_raw_header(path)
    assert header.shape == header.encoded == SHAPE and header.coils == 3
    assert header.echo_times == pytest.approx(TE) and header.field_strength == 3.0
    np.testing.assert_allclose(header.affine, AFFINE, atol=1e-4)
    for echo in range(2):
        np.testing.assert_array_equal(read_echo(header, echo), kspace[echo])
    np.testing.assert_array_equal(read_noise(path), random(3, 40))


def test_oversampling_comes_off_in_image_space(written: tuple[Path, np.ndarray]) -> None:
    path, kspace = written
    space = "<reconSpace><matrixSize><x>12</x><y>10</y><z>9</z></matrixSize><fieldOfView_mm><x>"
    change_text(path, f"{space}14.4<", f"{space}7.2<")
    header = read_raw_header(path)
    assert header.shape == (6, 10, 9) and header.oversampled == 12
    np.testing.assert_allclose(header.affine @ [3, 5, 4, 1], AFFINE @ [6, 5, 4, 1], atol=1e-4)

    def lines(data: np.ndarray) -> np.ndarray:
        return np.fft.fftshift(np.fft.ifft(np.fft.ifftshift(data, 1), axis=1, norm="ortho"), 1)

    np.testing.assert_allclose(lines(read_echo(header, 0)), lines(kspace[0])[:, 3:9], atol=1e-5)


def test_oversampled_phase_encoding_is_cut_from_the_image(written: tuple[Path, np.ndarray]) -> None:
    path, _ = written
    space = "<reconSpace><matrixSize><x>12</x><y>10</y><z>9</z></matrixSize><fieldOfView_mm><x>14.4</x><y>"
    change_text(path, f"{space}15<", f"{space}9<")
    header = read_raw_header(path)
    assert header.shape == (12, 6, 9) and header.encoded == SHAPE and header.kept[1] == slice(2, 8)
    np.testing.assert_allclose(header.affine @ [6, 3, 4, 1], AFFINE @ [6, 5, 4, 1], atol=1e-4)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (">cartesian<", ">spiral<", "trajectory: spiral readouts are not read"),
        (">embedded<", ">separate<", "separate calibration scans"),
        ("<TE>9.5</TE>", "", "TE: 1 echo times for 2 echoes"),
        ("<TE>9.5</TE>", "<TE>3</TE>", "TE: not ascending"),
        ("<fieldOfView_mm><x>", "<fieldOfView_mm><x>-", "fieldOfView_mm"),
        ("</ismrmrdHeader>", "", "xml: the header cannot be read"),
    ],
)
def test_headers_that_are_not_read_are_named(written: tuple[Path, np.ndarray], old: str, new: str, told: str) -> None:
    change_text(written[0], old, new)
    with pytest.raises(RefusalError, match=told):
        read_raw_header(written[0])


@pytest.mark.parametrize(
    ("name", "told"),
    [("trajectory_dimensions", "ramp sampling"), ("repetition", "2 of them"), ("encoding_space_ref", "not the same")],
)
def test_acquisitions_that_are_not_read_are_named(written: tuple[Path, np.ndarray], name: str, told: str) -> None:
    def heads(block: np.ndarray) -> None:
        (block["idx"] if name == "repetition" else block)[name][-1] = 1

    change_heads(written[0], heads)
    with pytest.raises(RefusalError, match=told):
        read_raw_header(written[0])


def test_lines_off_the_grid_and_other_files_are_named(written: tuple[Path, np.ndarray], tmp_path: Path) -> None:
    def heads(block: np.ndarray) -> None:
        block["idx"]["kspace_encode_step_1"][-1] = 40

    change_heads(written[0], heads)
    with pytest.raises(RefusalError, match="outside the encoded matrix"):
        read_echo(read_raw_header(written[0]), 1)
    (tmp_path / "text.h5").write_text("no data")
    with pytest.raises(RefusalError, match="no readable ISMRMRD file"):
        read_raw_header(tmp_path / "text.h5")
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file.create_group("dataset")
    with pytest.raises(RefusalError, match="no group with xml and data"):
        read_raw_header(tmp_path / "other.h5")
