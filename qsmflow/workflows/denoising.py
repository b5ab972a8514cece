"""Noise out of the local field, before it is inverted."""

from __future__ import annotations

from nipype.pipeline.engine import Workflow

from qsmflow.config import Denoiser as DenoiserSettings
from qsmflow.interfaces.network import Denoiser
from qsmflow.reports.stated import in_brackets, stated

from .inversion import limits_of, what_it_sees
from .nodes import Budget, Destination, fields_node, keep, stage_node


def init_denoising_wf(
    *,
    denoiser: DenoiserSettings,
    b0_dir: tuple[float, float, float],
    budget: Budget,
    destination: Destination,
    name: str = "denoising",
) -> Workflow:
    """Denoise the local field by a network.

    Parameters
    ----------
    denoiser
        Settings of the network.
    b0_dir
        Direction of B0 in voxel axes.

    Inputs
    ------
    local, mask
    noise
        Standard deviation of the field; where it is unset, and the network asks for it, it is estimated.

    Outputs
    -------
    local
    """
    workflow = Workflow(name=name)
    told = [what_it_sees(denoiser.weights), stated("denoiser", vars(denoiser), without=("weights",))]
    workflow.__desc__ = (
        f"Noise was taken out of the local field by a U-Net [@unet]{in_brackets('; '.join(filter(None, told)))}. "
    )
    inputnode = fields_node(["local", "mask", "noise"], "inputnode")
    outputnode = fields_node(["local"], "outputnode")
    node = stage_node(Denoiser(b0_dir=b0_dir, **vars(denoiser)), "denoiser", budget.single)
    workflow.connect(
        [
            (inputnode, node, [("local", "in_file"), ("mask", "mask"), ("noise", "noise")]),
            (node, outputnode, [("out_file", "local")]),
        ]
    )
    limits = limits_of(denoiser.weights)
    keep(workflow, node, "out_file", "denoised", destination, {"Limits": limits} if limits else {})
    return workflow
