"""From the magnitudes to R2*, and from R2* to the cerebrospinal fluid."""

from __future__ import annotations

from nipype.pipeline.engine import Workflow

from qsmflow.config import CSFMask as CSFSettings
from qsmflow.interfaces.mask import CSFMask
from qsmflow.interfaces.relaxation import R2Star
from qsmflow.reports.stated import in_brackets, stated

from .nodes import Budget, Destination, fields_node, keep, stage_node


def init_relaxation_wf(
    *,
    te: tuple[float, ...],
    csf_mask: CSFSettings | None,
    budget: Budget,
    destination: Destination,
    name: str = "relaxation",
) -> Workflow:
    """R2* of a series with several echoes, and the fluid that it shows.

    Parameters
    ----------
    te
        s, one an echo, at least two.
    csf_mask
        Settings of that stage; None leaves it out.

    Inputs
    ------
    magnitude, mask

    Outputs
    -------
    csf
        Unset where the stage is left out.
    """
    workflow = Workflow(name=name)
    workflow.__desc__ = (
        "R2* was fitted to the logarithm of the magnitude over the echoes, weighted by the squared fitted signal. "
    )
    inputnode = fields_node(["magnitude", "mask"], "inputnode")
    outputnode = fields_node(["csf"], "outputnode")
    decay = stage_node(R2Star(te=list(te)), "r2star", budget)
    workflow.connect([(inputnode, decay, [("magnitude", "in_file"), ("mask", "mask")])])
    keep(workflow, decay, "out_file", "r2star", destination, {"EchoTime": list(te)})
    if csf_mask is not None:
        workflow.__desc__ += (
            "The cerebrospinal fluid of the ventricles was taken to be where R2*, no further than "
            f"{csf_mask.radius:g} mm from the middle of the brain, is below {csf_mask.threshold:g} 1/s [@medi0]"
            f"{in_brackets(stated('csf_mask', vars(csf_mask), without=('radius', 'threshold')))}. "
        )
        fluid = stage_node(CSFMask(**vars(csf_mask)), "csf_mask", budget.single)
        workflow.connect([(inputnode, fluid, [("mask", "mask")]), (decay, fluid, [("out_file", "in_file")])])
        workflow.connect([(fluid, outputnode, [("out_file", "csf")])])
        told = {"Description": "Cerebrospinal fluid of the ventricles, computed from R2*."}
        keep(workflow, fluid, "out_file", "csf", destination, told)
    return workflow
