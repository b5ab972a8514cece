"""Brain mask and phase-quality mask."""

from __future__ import annotations

from dataclasses import replace

from nipype.pipeline.engine import Workflow

from qsmflow.config import BrainMask as MaskSettings
from qsmflow.config import QualityMask as QualitySettings
from qsmflow.interfaces.derivatives import Supplied
from qsmflow.interfaces.mask import BrainMask, choose
from qsmflow.interfaces.unwrap import QualityMask

from .nodes import Budget, Destination, fields_node, keep, stage_node

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
    inputnode = fields_node(["combined", "magnitude", "phase", "mask"], "inputnode")
    outputnode = fields_node(["mask"], "outputnode")
    if supplied:
        workflow.__desc__ = "A brain mask was supplied. "
        brain = stage_node(Supplied(is_mask=True), "supplied", budget.single)
        workflow.connect([(inputnode, brain, [("mask", "in_file")])])
    else:
        method = choose(brain_mask.method, "bet")
        workflow.__desc__ = f"The brain was masked on the magnitude {_METHODS[method]}. "
        brain = stage_node(BrainMask(**vars(replace(brain_mask, method=method))), "brain_mask", budget.single)
        workflow.connect([(inputnode, brain, [("combined", "in_file")])])
    last = brain
    if te and quality_mask.threshold > 0:
        workflow.__desc__ += (
            f"Voxels with a ROMEO phase quality below {quality_mask.threshold:g} were taken out of the mask [@romeo]. "
        )
        last = stage_node(QualityMask(te=list(te), **vars(quality_mask)), "quality_mask", budget)
        workflow.connect(
            [
                (brain, last, [("out_file", "mask")]),
                (inputnode, last, [("phase", "in_file"), ("magnitude", "magnitude")]),
            ]
        )
    workflow.connect([(last, outputnode, [("out_file", "mask")])])
    keep(workflow, last, "out_file", "brain", destination)
    return workflow
