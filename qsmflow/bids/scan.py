"""What the scanner's sidecars say of an acquisition beyond what the stages need: a paper has to report it."""

from __future__ import annotations

from typing import Any

from qsmflow.bids.series import Series
from qsmflow.bids.sidecars import Sidecars

#: Fields of BIDS, in its units: s, degrees, Hz per pixel.
SCAN_FIELDS = (
    "Manufacturer",
    "ManufacturersModelName",
    "ReceiveCoilName",
    "MRAcquisitionType",
    "RepetitionTime",
    "RepetitionTimeExcitation",
    "FlipAngle",
    "PixelBandwidth",
    "ParallelAcquisitionTechnique",
    "ParallelReductionFactorInPlane",
    "PartialFourier",
)


def scan_of(series: Series) -> dict[str, Any]:
    """Echo times, s, field strength, T, and the `SCAN_FIELDS` that the first image of `series` states.

    Raises
    ------
    RefusalError
        A sidecar is no JSON object.
    """
    told: dict[str, Any] = {}
    if series.echo_times:
        told["EchoTime"] = list(series.echo_times)
    if series.field_strength is not None:
        told["MagneticFieldStrength"] = series.field_strength
    first = (*series.magnitude, *series.phase, *series.real)[:1]
    stated = Sidecars().metadata(first[0]) if first else {}
    return told | {name: stated[name] for name in SCAN_FIELDS if name in stated}
