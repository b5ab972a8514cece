"""Brain mask and phase-quality mask."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from nipype.pipeline.engine import Workflow

from qsmflow.config import BrainMask as MaskSettings
from qsmflow.config import QualityMask as QualitySettings
from qsmflow.interfaces.derivatives import Supplied
from qsmflow.interfaces.mask import BrainMask, choose
from qsmflow.interfaces.unwrap import QualityMask
from qsmflow.reports.stated import in_brackets, stated

from .nodes import Budget, Destination, fields_node, keep, stage_node

_WORDS = {"bet": "FSL BET", "embedded": "watershed and deformable surface"}
_METHODS = {"bet": "by FSL BET [@bet]", "embedded": "by a watershed and a deformable surface [@bet]"}


def init_masking_wf(
    *,
    brain_mask: MaskSettings,
    quality_mask: QualitySettings,
    te: tuple[float, ...],
    supplied: bool,
    budget: Budget,
    destination: Destination,
    name: str = "masking",
) -> Workflow:
    """Brain mask from the magnitude or as supplied, less the voxels whose phase is unreliable.

    Parameters
    ----------
    brain_mask, quality_mask
        Settings of the two stages; a quality threshold of 0 leaves the second out.
    te
        s; empty where there is no phase, and hence no quality.
    supplied
        True: the mask enters by ``inputnode.mask``; False: it is made from ``inputnode.combined``.

    Inputs
    ------
    combined, magnitude, phase, mask

    Outputs
    -------
    mask
    """
    workflow = Workflow(name=name)
    before: dict[str, Any]
    inputnode = fields_node(["combined", "magnitude", "phase", "mask"], "inputnode")
    outputnode = fields_node(["mask"], "outputnode")
    if supplied:
        workflow.__desc__ = "A brain mask was supplied. "
        before = {"Stage": "supplied", "Method": Supplied.method, "Parameters": {}}
        brain = stage_node(Supplied(is_mask=True), "supplied", budget.single)
        workflow.connect([(inputnode, brain, [("mask", "in_file")])])
    else:
        method = choose(brain_mask.method, "bet")
        workflow.__desc__ = (
            f"The brain was masked on the magnitude {_METHODS[method]}{in_brackets(_of_bet(brain_mask, method))}. "
        )
        brain = stage_node(BrainMask(**vars(replace(brain_mask, method=method))), "brain_mask", budget.single)
        workflow.connect([(inputnode, brain, [("combined", "in_file")])])
        before = {"Stage": "brain_mask", "Method": _WORDS[method], "Parameters": {"method": method}}
        if method == "bet":
            before["Parameters"]["bet_fraction"] = brain_mask.bet_fraction
    sidecar: dict[str, Any] = {"Description": "Brain, as supplied." if supplied else "Brain."}
    last = brain
    if te and quality_mask.threshold > 0:
        workflow.__desc__ += (
            f"Voxels with a ROMEO phase quality below {quality_mask.threshold:g} were taken out of the mask [@romeo]"
            f"{in_brackets(stated('quality_mask', vars(quality_mask), without=('threshold',)))}. "
        )
        sidecar["Description"] = f"{sidecar['Description'].rstrip('.')}, after phase-quality masking."
        sidecar["StagesBefore"] = [before]
        last = stage_node(QualityMask(te=list(te), **vars(quality_mask)), "quality_mask", budget)
        workflow.connect(
            [
                (brain, last, [("out_file", "mask")]),
                (inputnode, last, [("phase", "in_file"), ("magnitude", "magnitude")]),
            ]
        )
    workflow.connect([(last, outputnode, [("out_file", "mask")])])
    keep(workflow, last, "out_file", "brain", destination, sidecar)
    return workflow


def _of_bet(settings: MaskSettings, method: str) -> str:
    """What BET was told, which the embedded method does not know."""
    return stated("brain_mask", vars(settings), without=("method",)) if method == "bet" else ""
