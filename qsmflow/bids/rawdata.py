"""Raw data of a scanner, read from ISMRMRD files: Cartesian 3-D k-space of several coils and echoes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import h5py
import numpy as np
from numpy.typing import NDArray

from qsmflow.bids.ismrmrd import CALIBRATION_ONLY, NOISE, OTHERS, REVERSE, affine_of, flagged
from qsmflow.bids.problems import RefusalError

#: MHz/T, of the proton: field strength where the file names the frequency alone.
_GAMMA_BAR = 42.577478518
_SPACE = "{http://www.ismrm.org/ISMRMRD}"
#: Acquisitions read at a time.
_CHUNK = 1024
_REGRID = "regrid it to a Cartesian grid first"
_SINGLE = ("slice", "phase", "repetition", "set")


@dataclass(frozen=True, eq=False)
class RawHeader:
    """What is in a file.

    Attributes
    ----------
    path
        The file.
    shape, affine
        The image: voxels, and voxel to world RAS mm; without readout oversampling and what lies outside the
        reconstructed field of view.
    encoded
        Size of k-space: the readout's of `shape`, both others as acquired.
    kept
        Where the image lies in the transform of k-space.
    oversampled
        Samples of the full readout.
    centres
        Numbers of the central line along both phase-encoded axes.
    echo_times
        s.
    field_strength
        T; None where the file has it not.
    coils
        Their number.
    """

    path: Path
    shape: tuple[int, int, int]
    affine: NDArray[np.float64]
    encoded: tuple[int, int, int]
    kept: tuple[slice, slice, slice]
    oversampled: int
    centres: tuple[int, int]
    echo_times: tuple[float, ...]
    field_strength: float | None
    coils: int


def read_raw_header(path: Path) -> RawHeader:
    """Everything but the samples of an ISMRMRD file.

    Raises
    ------
    RefusalError
        The file is damaged or no ISMRMRD file; or it holds what is not read, which is named: another trajectory than
        Cartesian, ramp sampling, several slices or repetitions, a calibration scan of its own.
    """
    text, heads = _open(path)
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise RefusalError(path, "xml", f"the header cannot be read ({error})", "convert the raw data again") from error
    encoding = root.find(f"{_SPACE}encoding")
    if encoding is None:
        raise RefusalError(path, "encoding", "missing in the header", "convert the raw data again")
    _check_encoding(path, encoding)
    heads = heads[_is_image(heads)]
    _check_heads(path, heads)
    size, fov = (_xyz(path, encoding, "encodedSpace", what) for what in ("matrixSize", "fieldOfView_mm"))
    wanted = _xyz(path, encoding, "reconSpace", "fieldOfView_mm")
    matrix = [int(n) for n in size]
    kept_samples = [min(n, round(n * part / whole)) for n, part, whole in zip(matrix, wanted, fov, strict=True)]
    x, y, z = kept_samples
    encoded = (x, matrix[1], matrix[2])
    starts = [n // 2 - kept // 2 for n, kept in zip(encoded, kept_samples, strict=True)]
    kept = tuple(slice(start, start + n) for start, n in zip(starts, kept_samples, strict=True))
    voxel_size = [whole / n for whole, n in zip(fov, matrix, strict=True)]
    return RawHeader(
        path,
        (x, y, z),
        affine_of(heads[0], (x, y, z), voxel_size),
        encoded,
        (kept[0], kept[1], kept[2]),
        matrix[0],
        (_centre(encoding, 1, matrix[1]), _centre(encoding, 2, matrix[2])),
        _echo_times(path, root, heads),
        _field_strength(root),
        int(heads[0]["active_channels"]),
    )


def read_noise(path: Path) -> NDArray[np.complex64] | None:
    """Samples of the noise scan, (C, N); None where the file has none."""
    _, heads = _open(path)
    found = [samples for _, samples in _acquisitions(path, np.flatnonzero(flagged(heads, NOISE)))]
    return np.concatenate(found, axis=1) if found else None


def read_echo(header: RawHeader, echo: int) -> NDArray[np.complex64]:
    """K-space of one echo, (C, X, Y, Z), of size `RawHeader.encoded`, its centre at ``n // 2``.

    What was not acquired is zero, as beyond an asymmetric echo and partial Fourier. Lines acquired several times are
    averaged, reversed ones turned round, and the readout's oversampling is taken off in image space. Peak memory: the
    result and a few hundred MB.

    Raises
    ------
    RefusalError
        A line lies outside the grid.
    """
    _, heads = _open(header.path)
    wanted = np.flatnonzero(_is_image(heads) & (heads["idx"]["contrast"] == echo))
    x, y, z = header.encoded
    kspace = np.zeros((y, z, header.coils, x), np.complex64)
    times = np.zeros((y, z), np.int64)
    first = header.oversampled // 2 - x // 2
    for head, samples in _acquisitions(header.path, wanted):
        middle = int(head["center_sample"]) - int(head["discard_pre"])
        line, middle = (
            (samples[:, ::-1], samples.shape[1] - 1 - middle) if flagged(head, REVERSE) else (samples, middle)
        )
        row = int(head["idx"]["kspace_encode_step_1"]) - header.centres[0] + y // 2
        column = int(head["idx"]["kspace_encode_step_2"]) - header.centres[1] + z // 2
        start = header.oversampled // 2 - middle
        reach = start + line.shape[1]
        if not (0 <= row < y and 0 <= column < z and start >= 0 and reach <= header.oversampled):
            message = f"acquisition {int(head['scan_counter'])} lies outside the encoded matrix"
            raise RefusalError(header.path, "encodedSpace", message, "convert the raw data again")
        if x < header.oversampled:
            whole = np.zeros((header.coils, header.oversampled), np.complex64)
            whole[:, start:reach] = line
            kspace[row, column] += _transform(_inverse(whole)[:, first : first + x])
        else:
            kspace[row, column, :, start:reach] += line
        times[row, column] += 1
    for row, column in np.argwhere(times > 1):
        kspace[row, column] /= times[row, column]
    return kspace.transpose(2, 3, 0, 1)


def _inverse(line: NDArray[np.complex64]) -> NDArray[np.complex64]:
    return np.fft.fftshift(np.fft.ifft(np.fft.ifftshift(line, 1), norm="ortho"), 1)


def _transform(line: NDArray[np.complex64]) -> NDArray[np.complex64]:
    return np.fft.fftshift(np.fft.fft(np.fft.ifftshift(line, 1), norm="ortho"), 1)


def _open(path: Path) -> tuple[str, NDArray[Any]]:
    """The XML text and the headers of all acquisitions."""
    try:
        with h5py.File(path, "r") as file:
            group = _group(path, file)
            text = group["xml"][0]
            return text.decode() if isinstance(text, bytes) else str(text), group["data"].fields("head")[:]
    except (OSError, KeyError, ValueError, TypeError) as error:
        message = f"no readable ISMRMRD file ({error})"
        raise RefusalError(path, "HDF5", message, "convert the raw data again") from error


def _group(path: Path, file: h5py.File) -> h5py.Group:
    for group in file.values():
        if isinstance(group, h5py.Group) and {"xml", "data"} <= group.keys():
            return group
    raise RefusalError(path, "HDF5", "no group with xml and data", "give raw data in the ISMRMRD format")


def _acquisitions(path: Path, numbers: NDArray[np.intp]) -> Iterator[tuple[Any, NDArray[np.complex64]]]:
    """Header and samples, (C, N), of the acquisitions `numbers`; the samples to discard are off."""
    with h5py.File(path, "r") as file:
        data = _group(path, file)["data"]
        for begin in range(0, len(numbers), _CHUNK):
            wanted = numbers[begin : begin + _CHUNK]
            block = data[wanted[0] : wanted[-1] + 1]
            for item in block[wanted - wanted[0]]:
                head = item["head"]
                samples = np.asarray(item["data"], np.float32).view(np.complex64)
                samples = samples.reshape(int(head["active_channels"]), -1)
                yield head, samples[:, int(head["discard_pre"]) : samples.shape[1] - int(head["discard_post"])]


def _is_image(heads: NDArray[Any]) -> NDArray[np.bool_]:
    return ~flagged(heads, NOISE, *OTHERS)


def _check_encoding(path: Path, encoding: ElementTree.Element) -> None:
    trajectory = encoding.findtext(f"{_SPACE}trajectory", "")
    if trajectory != "cartesian":
        raise RefusalError(path, "trajectory", f"{trajectory or 'unknown'} readouts are not read", _REGRID)
    if encoding.find(f"{_SPACE}multiband") is not None:
        raise RefusalError(path, "multiband", "simultaneous slices are not read", "separate them first")
    mode = encoding.findtext(f"{_SPACE}parallelImaging/{_SPACE}calibrationMode", "embedded")
    if mode in ("separate", "external"):
        message = f"{mode} calibration scans are not read"
        raise RefusalError(path, "calibrationMode", message, "reconstruct the images first")


def _check_heads(path: Path, heads: NDArray[Any]) -> None:
    if not len(heads) or flagged(heads, CALIBRATION_ONLY).all():
        raise RefusalError(path, "data", "no acquisition of an image", "convert the raw data again")
    if (heads["trajectory_dimensions"] > 0).any():
        raise RefusalError(path, "trajectory", "samples at stated places (ramp sampling) are not read", _REGRID)
    for name in _SINGLE:
        if len(values := np.unique(heads["idx"][name])) > 1:
            message = f"{len(values)} of them in one file"
            raise RefusalError(path, name, message, f"give a 3-D acquisition of one {name}")
    for name in ("active_channels", "encoding_space_ref"):
        if len(np.unique(heads[name])) > 1:
            raise RefusalError(path, name, "not the same for all lines", "give the image's acquisitions alone")


def _xyz(path: Path, encoding: ElementTree.Element, space: str, what: str) -> tuple[float, float, float]:
    try:
        place = f"{_SPACE}{space}/{_SPACE}{what}/{_SPACE}"
        x, y, z = (float(encoding.findtext(place + axis, "")) for axis in "xyz")
    except ValueError as error:
        raise RefusalError(path, f"{space}.{what}", "missing", "convert the raw data again") from error
    if min(x, y, z) <= 0:
        raise RefusalError(path, f"{space}.{what}", f"{x:g}x{y:g}x{z:g}", "convert the raw data again")
    return x, y, z


def _centre(encoding: ElementTree.Element, axis: int, size: int) -> int:
    place = f"{_SPACE}encodingLimits/{_SPACE}kspace_encoding_step_{axis}/{_SPACE}center"
    return int(encoding.findtext(place, str(size // 2)))


def _echo_times(path: Path, root: ElementTree.Element, heads: NDArray[Any]) -> tuple[float, ...]:
    times = tuple(float(item.text or 0) / 1e3 for item in root.iterfind(f"{_SPACE}sequenceParameters/{_SPACE}TE"))
    contrasts = np.unique(heads["idx"]["contrast"])
    if len(times) != len(contrasts) or contrasts[-1] != len(contrasts) - 1:
        message = f"{len(times)} echo times for {len(contrasts)} echoes"
        raise RefusalError(path, "TE", message, "list one time an echo, in ms, in the header")
    if not times[0] > 0 or any(later <= earlier for earlier, later in pairwise(times)):
        raise RefusalError(path, "TE", "not ascending times above zero", "list them in ms in the header")
    return times


def _field_strength(root: ElementTree.Element) -> float | None:
    stated = root.findtext(f"{_SPACE}acquisitionSystemInformation/{_SPACE}systemFieldStrength_T")
    if stated is not None:
        return float(stated)
    frequency = root.findtext(f"{_SPACE}experimentalConditions/{_SPACE}H1resonanceFrequency_Hz")
    return None if frequency is None else round(float(frequency) / 1e6 / _GAMMA_BAR, 3)
