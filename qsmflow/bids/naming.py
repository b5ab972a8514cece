"""What every derivative is called, and what its sidecar must say: the one list of outputs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

#: Entities in the order in which BIDS writes them; those not listed keep their place between ``space`` and ``desc``.
ENTITY_ORDER = (
    ("sub", "ses", "sample", "task", "tracksys", "acq", "ce", "trc", "stain", "rec", "dir", "run", "mod", "echo")
    + ("flip", "inv", "mt", "part", "proc", "hemi", "space", "from", "to", "mode", "split", "recording", "chunk")
    + ("seg", "res", "den", "label", "desc")
)


@dataclass(frozen=True)
class Output:
    """One kind of derivative: its place, its name and the constant part of its sidecar."""

    datatype: str
    suffix: str
    desc: str | None
    description: str
    sidecar: Mapping[str, Any] = field(default_factory=dict)
    extension: str = ".nii.gz"


_CHI = {"Units": "ppm", "SkullStripped": True}
_PPM = {"Units": "ppm", "SkullStripped": True}
_MAGNITUDE = {"Units": "arbitrary", "SkullStripped": False}

OUTPUTS: dict[str, Output] = {
    "magnitude": Output("fmap", "magnitude", None, "Magnitude, root sum of squares over the echoes.", _MAGNITUDE),
    "registered": Output("fmap", "magnitude", "registered", "Magnitude, in the frame of the reference.", _MAGNITUDE),
    "wrapped": Output(
        "anat",
        "MEGRE",
        "wrapped",
        "Phase of the last echo, in radians and still wrapped.",
        {"Units": "rad", "SkullStripped": False},
    ),
    "total": Output("fmap", "fieldmap", "total", "Total field relative to B0.", _PPM),
    "noise": Output(
        "fmap", "fieldmap", "noise", "Standard deviation of the total field, from the noise of the images.", _PPM
    ),
    "r2star": Output(
        "anat", "R2starmap", None, "R2*, the decay rate of the magnitude.", {"Units": "1/s", "SkullStripped": True}
    ),
    "local": Output(
        "fmap", "fieldmap", "local", "Local field: total field less what sources outside the brain add.", _PPM
    ),
    "brain": Output("anat", "mask", "brain", "Brain, after phase-quality masking.", {"Type": "Brain"}),
    "localmask": Output(
        "anat", "mask", "local", "Where the local field is valid: the brain mask, eroded.", {"Type": "Brain"}
    ),
    "csf": Output("anat", "mask", "csf", "Cerebrospinal fluid, as supplied or found by its R2*.", {"Type": "ROI"}),
    "reference": Output("anat", "mask", "reference", "Reference region, as supplied.", {"Type": "ROI"}),
    "rois": Output("anat", "dseg", "rois", "Regions whose susceptibility is told."),
    "tkd": Output("anat", "Chimap", "tkd", "Susceptibility by truncated k-space division.", _CHI),
    "tsvd": Output("anat", "Chimap", "tsvd", "Susceptibility by truncated singular value decomposition.", _CHI),
    "l2": Output("anat", "Chimap", "l2", "Susceptibility by closed-form L2 inversion.", _CHI),
    "ilsqr": Output("anat", "Chimap", "ilsqr", "Susceptibility by least squares less streaking artefacts.", _CHI),
    "rts": Output("anat", "Chimap", "rts", "Susceptibility by rapid two-step inversion.", _CHI),
    "tv": Output("anat", "Chimap", "tv", "Susceptibility by total-variation inversion.", _CHI),
    "nltv": Output("anat", "Chimap", "nltv", "Susceptibility by nonlinear total-variation inversion.", _CHI),
    "tgv": Output("anat", "Chimap", "tgv", "Susceptibility by inversion with total generalised variation.", _CHI),
    "nltgv": Output(
        "anat", "Chimap", "nltgv", "Susceptibility by nonlinear inversion with total generalised variation.", _CHI
    ),
    "ndi": Output("anat", "Chimap", "ndi", "Susceptibility by nonlinear dipole inversion.", _CHI),
    "whtv": Output("anat", "Chimap", "whtv", "Susceptibility by weak-harmonic total-variation inversion.", _CHI),
    "medi": Output("anat", "Chimap", "medi", "Susceptibility by morphology-enabled dipole inversion.", _CHI),
    "denoised": Output("fmap", "fieldmap", "denoised", "Local field after denoising by a network.", _PPM),
    "qsmnet": Output("anat", "Chimap", "qsmnet", "Susceptibility by QSMnet.", _CHI),
    "qsmnet_plus": Output("anat", "Chimap", "qsmnetplus", "Susceptibility by QSMnet+.", _CHI),
    "siqsm": Output("anat", "Chimap", "siqsm", "Susceptibility by SI-QSM.", _CHI),
    "deepqsm": Output("anat", "Chimap", "deepqsm", "Susceptibility by DeepQSM.", _CHI),
    "spread": Output(
        "anat", "Chimap", "spread", "Standard deviation of the susceptibility between several networks.", _CHI
    ),
    "cosmos": Output("anat", "Chimap", "cosmos", "Susceptibility by COSMOS, masked and weighted least squares.", _CHI),
    "cosmoskspace": Output("anat", "Chimap", "cosmoskspace", "Susceptibility by COSMOS, closed form in k-space.", _CHI),
    "truth": Output(
        "anat", "Chimap", "truth", "True susceptibility of the simulation.", {**_CHI, "SkullStripped": False}
    ),
    "labels": Output("anat", "dseg", "truth", "Tissue labels of the simulation."),
    "xfm": Output("anat", "xfm", None, "Rigid transform, ITK text format.", {}, ".txt"),
}


def spread_of(method: str) -> str:
    """The ``desc`` of the standard deviation between several networks of a method, a key of `OUTPUTS`."""
    return f"{OUTPUTS[method].desc}{OUTPUTS['spread'].desc}"


def join_entities(entities: Mapping[str, str]) -> str:
    """``key-value`` pairs in BIDS order, joined by underscores."""
    rank = {key: i for i, key in enumerate(ENTITY_ORDER)}
    ordered = sorted(entities.items(), key=lambda item: rank.get(item[0], rank["space"] + 0.5))
    return "_".join(f"{key}-{value}" for key, value in ordered)


def folder(root: Path, entities: Mapping[str, str], datatype: str) -> Path:
    """``root/sub-X[/ses-Y]/datatype`` of the subject and session in `entities`."""
    path = Path(root) / f"sub-{entities['sub']}"
    if "ses" in entities:
        path /= f"ses-{entities['ses']}"
    return path / datatype


def derivative_path(root: Path, entities: Mapping[str, str], output: str, **more: str) -> Path:
    """Where the derivative `output` of a series or head stands.

    Parameters
    ----------
    root
        The derivative dataset.
    entities
        Of the series (or head) it belongs to.
    output
        A key of `OUTPUTS`.
    more
        Further entities (``space="ori1"``, ``desc="..."``); they override `entities` and the output's own ``desc``.
    """
    kind = OUTPUTS[output]
    named = dict(entities)
    if kind.desc is not None:
        named["desc"] = kind.desc
    named.update(more)
    return folder(root, named, kind.datatype) / f"{join_entities(named)}_{kind.suffix}{kind.extension}"


def sidecar_path(path: Path) -> Path:
    """The JSON file beside `path`."""
    name = path.name
    for extension in (".nii.gz", ".nii", ".txt", ".tsv"):
        if name.endswith(extension):
            return path.with_name(name.removesuffix(extension) + ".json")
    raise ValueError(f"{path}: no known extension, so no sidecar name")
