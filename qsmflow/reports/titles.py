"""What the report calls each kind of derivative, and in which order it shows them."""

from __future__ import annotations

from collections.abc import Mapping

from qsmflow.bids.naming import OUTPUTS, spread_of
from qsmflow.config import NETWORKS
from qsmflow.reports.collect import Found

TITLES = {
    "magnitude": "Magnitude",
    "registered": "Registered magnitude",
    "wrapped": "Wrapped phase",
    "total": "Total field",
    "noise": "Noise of the total field",
    "r2star": "R2*",
    "local": "Local field",
    "brain": "Brain mask",
    "localmask": "Local-field mask",
    "csf": "CSF mask",
    "reference": "Reference mask",
    "rois": "Regions",
    "tkd": "TKD",
    "tsvd": "TSVD",
    "l2": "L2",
    "ilsqr": "iLSQR",
    "rts": "RTS",
    "tv": "TV",
    "nltv": "Nonlinear TV",
    "tgv": "TGV",
    "nltgv": "Nonlinear TGV",
    "ndi": "NDI",
    "whtv": "WH-TV",
    "medi": "MEDI",
    "denoised": "Denoised local field",
    "qsmnet": "QSMnet",
    "qsmnet_plus": "QSMnet+",
    "siqsm": "SI-QSM",
    "deepqsm": "DeepQSM",
    "cosmos": "COSMOS",
    "cosmoskspace": "COSMOS (k-space)",
    "truth": "Truth",
    "xfm": "Transform",
}
#: Standard deviations between networks, which are no maps of χ.
SPREADS = {spread_of(name): name for name in NETWORKS}
TITLES |= {spread: f"Spread of {TITLES[name]} between networks" for spread, name in SPREADS.items()}


def title_of(kind: str) -> str:
    """How the report calls a kind of derivative."""
    return TITLES.get(kind, kind)


def chi_kinds(files: Mapping[str, Found]) -> list[str]:
    """The χ maps among `files`, those of `OUTPUTS` first."""
    maps = (kind for kind, found in files.items() if found.suffix == "Chimap" and kind not in SPREADS)
    return sorted(maps, key=rank)


def rank(kind: str) -> tuple[int, str]:
    """Sort key: the kinds of `OUTPUTS` in their order, then the others by name."""
    order = list(OUTPUTS)
    return (order.index(kind) if kind in order else len(order), kind)
