"""From the magnitudes to R2*."""

from __future__ import annotations

from nipype.pipeline.engine import Workflow

from qsmflow.interfaces.relaxation import R2Star

from .nodes import Budget, Destination, fields_node, keep, stage_node


def init_relaxation_wf(
    *, te: tuple[float, ...], budget: Budget, destination: Destination, name: str = "relaxation"
) -> Workflow:
    """R2* of a series with several echoes.

    Parameters
    ----------
    te
        s, one an echo, at least two.

    Inputs
    ------
    magnitude, mask
    """
    workflow = Workflow(name=name)
    workflow.__desc__ = (
        "R2* was fitted to the logarithm of the magnitude over the echoes, weighted by the squared fitted signal. "
    )
    inputnode = fields_node(["magnitude", "mask"], "inputnode")
    decay = stage_node(R2Star(te=list(te)), "r2star", budget)
    workflow.connect([(inputnode, decay, [("magnitude", "in_file"), ("mask", "mask")])])
    keep(workflow, decay, "out_file", "r2star", destination, {"EchoTime": list(te)})
    return workflow
