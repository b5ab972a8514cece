"""The ISMRMRD format: acquisitions in an HDF5 file, what they are in an XML text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

#: Bits of the acquisition header's flags, as the format numbers them from one.
NOISE, CALIBRATION_ONLY, REVERSE = 19, 20, 22
#: Navigators, phase correction, feedback, dummies, surface coil correction, phase stabilisation: no image.
OTHERS = (23, 24, 26, 27, 28, 29, 30, 31)

_COUNTERS = np.dtype(
    [
        (name, "<u2")
        for name in (
            *("kspace_encode_step_1", "kspace_encode_step_2", "average", "slice", "contrast", "phase"),
            *("repetition", "set", "segment"),
        )
    ]
    + [("user", "<u2", (8,))]
)
_HEAD = np.dtype(
    [
        ("version", "<u2"),
        ("flags", "<u8"),
        ("measurement_uid", "<u4"),
        ("scan_counter", "<u4"),
        ("acquisition_time_stamp", "<u4"),
        ("physiology_time_stamp", "<u4", (3,)),
        ("number_of_samples", "<u2"),
        ("available_channels", "<u2"),
        ("active_channels", "<u2"),
        ("channel_mask", "<u8", (16,)),
        ("discard_pre", "<u2"),
        ("discard_post", "<u2"),
        ("center_sample", "<u2"),
        ("encoding_space_ref", "<u2"),
        ("trajectory_dimensions", "<u2"),
        ("sample_time_us", "<f4"),
        ("position", "<f4", (3,)),
        ("read_dir", "<f4", (3,)),
        ("phase_dir", "<f4", (3,)),
        ("slice_dir", "<f4", (3,)),
        ("patient_table_position", "<f4", (3,)),
        ("idx", _COUNTERS),
        ("user_int", "<i4", (8,)),
        ("user_float", "<f4", (8,)),
    ]
)
_FLOATS = h5py.vlen_dtype(np.dtype("<f4"))
_ACQUISITION = np.dtype([("head", _HEAD), ("traj", _FLOATS), ("data", _FLOATS)])

#: World axes of ISMRMRD (left, posterior, superior) to those of NIfTI (right, anterior, superior).
_TO_RAS = np.array([-1.0, -1.0, 1.0])


def flagged(heads: NDArray[Any], *bits: int) -> NDArray[np.bool_]:
    """Which acquisitions carry one of the flags `bits`."""
    wanted = np.uint64(sum(1 << (bit - 1) for bit in bits))
    return np.asarray((heads["flags"] & wanted) != 0)


def affine_of(head: Any, shape: Sequence[int], voxel_size: Sequence[float]) -> NDArray[np.float64]:
    """Voxel to world RAS mm: the voxel at ``n // 2``, the centre of the transform, lies at the header's position."""
    axes = np.stack([head["read_dir"], head["phase_dir"], head["slice_dir"]], axis=1).astype(np.float64)
    affine = np.eye(4)
    affine[:3, :3] = _TO_RAS[:, None] * axes * np.asarray(voxel_size)
    affine[:3, 3] = _TO_RAS * head["position"] - affine[:3, :3] @ [n // 2 for n in shape]
    return affine


@dataclass(frozen=True)
class Protocol:
    """What a written file says of the scan.

    Attributes
    ----------
    affine, shape
        Of the image.
    echo_times
        s.
    field_strength
        T.
    acceleration
        Along the two phase-encoded axes.
    """

    affine: NDArray[np.float64]
    shape: tuple[int, int, int]
    echo_times: tuple[float, ...]
    field_strength: float
    acceleration: tuple[int, int]


class Writer:
    """Writes a 3-D Cartesian scan; the readout is the first axis and has no oversampling.

    Parameters
    ----------
    path
        The file; what stands there is replaced.
    protocol
        Of the scan.
    """

    def __init__(self, path: Path, protocol: Protocol) -> None:
        self._protocol = protocol
        self._file = h5py.File(path, "w")
        group = self._file.create_group("dataset")
        text = group.create_dataset("xml", (1,), dtype=h5py.string_dtype())
        text[0] = _header_text(protocol)
        self._data = group.create_dataset("data", (0,), maxshape=(None,), dtype=_ACQUISITION, chunks=(256,))

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def noise(self, samples: NDArray[np.complex64]) -> None:
        """Add one acquisition of noise, (C, N)."""
        self._append([(samples, {"flags": 1 << (NOISE - 1)}, {})])

    def echo(self, contrast: int, kspace: NDArray[np.complex64], lines: Iterable[tuple[int, int]]) -> None:
        """Add the `lines`, (y, z), of one echo, (C, X, Y, Z), its centre at ``n // 2``."""
        rows = [
            (
                kspace[:, :, y, z],
                {"center_sample": self._protocol.shape[0] // 2},
                {"kspace_encode_step_1": y, "kspace_encode_step_2": z, "contrast": contrast},
            )
            for y, z in lines
        ]
        self._append(rows)

    def _append(self, rows: Sequence[tuple[NDArray[np.complex64], dict[str, int], dict[str, int]]]) -> None:
        block = np.empty(len(rows), _ACQUISITION)
        heads = np.zeros(len(rows), _HEAD)
        first = len(self._data)
        for i, (samples, facts, counters) in enumerate(rows):
            coils, count = samples.shape
            facts = {"version": 1, "number_of_samples": count, "available_channels": coils, **facts}
            for name, value in {**facts, "active_channels": coils, "scan_counter": first + i}.items():
                heads[i][name] = value
            for name, value in counters.items():
                heads[i]["idx"][name] = value
            block[i]["traj"] = np.zeros(0, np.float32)
            block[i]["data"] = np.ascontiguousarray(samples, np.complex64).view(np.float32).ravel()
        heads["sample_time_us"] = 5.0
        self._place(heads)
        block["head"] = heads
        self._data.resize(first + len(rows), axis=0)
        self._data[first:] = block

    def _place(self, heads: NDArray[Any]) -> None:
        affine, shape = self._protocol.affine, self._protocol.shape
        axes = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
        for name, axis in zip(("read_dir", "phase_dir", "slice_dir"), axes.T, strict=True):
            heads[name] = _TO_RAS * axis
        heads["position"] = _TO_RAS * (affine[:3, :3] @ [n // 2 for n in shape] + affine[:3, 3])


def _header_text(protocol: Protocol) -> str:
    size = np.linalg.norm(protocol.affine[:3, :3], axis=0)
    fov = [n * float(mm) for n, mm in zip(protocol.shape, size, strict=True)]
    space = f"<matrixSize>{_xyz(protocol.shape)}</matrixSize><fieldOfView_mm>{_xyz(fov)}</fieldOfView_mm>"
    limits = "".join(
        f"<{name}><minimum>0</minimum><maximum>{n - 1}</maximum><center>{middle}</center></{name}>"
        for name, n, middle in (
            ("kspace_encoding_step_1", protocol.shape[1], protocol.shape[1] // 2),
            ("kspace_encoding_step_2", protocol.shape[2], protocol.shape[2] // 2),
            ("contrast", len(protocol.echo_times), 0),
        )
    )
    factors = "".join(
        f"<kspace_encoding_step_{i}>{n}</kspace_encoding_step_{i}>" for i, n in enumerate(protocol.acceleration, 1)
    )
    times = "".join(f"<TE>{1e3 * te:.9g}</TE>" for te in protocol.echo_times)
    return (
        '<?xml version="1.0"?><ismrmrdHeader xmlns="http://www.ismrm.org/ISMRMRD">'
        "<acquisitionSystemInformation><systemVendor>qsmflow</systemVendor>"
        f"<systemFieldStrength_T>{protocol.field_strength:g}</systemFieldStrength_T></acquisitionSystemInformation>"
        "<experimentalConditions>"
        f"<H1resonanceFrequency_Hz>{round(42577478.518 * protocol.field_strength)}</H1resonanceFrequency_Hz>"
        "</experimentalConditions>"
        f"<encoding><encodedSpace>{space}</encodedSpace><reconSpace>{space}</reconSpace>"
        f"<encodingLimits>{limits}</encodingLimits><trajectory>cartesian</trajectory>"
        f"<parallelImaging><accelerationFactor>{factors}</accelerationFactor>"
        "<calibrationMode>embedded</calibrationMode></parallelImaging></encoding>"
        f"<sequenceParameters>{times}</sequenceParameters></ismrmrdHeader>"
    )


def _xyz(values: Sequence[float]) -> str:
    return "".join(f"<{axis}>{value:.9g}</{axis}>" for axis, value in zip("xyz", values, strict=True))
