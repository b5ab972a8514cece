"""Noise out of the local field, before it is inverted."""

from __future__ import annotations

from nipype.pipeline.engine import Workflow

from qsmflow.config import Denoiser as DenoiserSettings
from qsmflow.interfaces.network import Denoiser

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
    workflow.__desc__ = "Noise was taken out of the local field by a U-Net [@unet]. "
    inputnode = fields_node(["local", "mask", "noise"], "inputnode")
    outputnode = fields_node(["local"], "outputnode")
    node = stage_node(Denoiser(b0_dir=b0_dir, **vars(denoiser)), "denoiser", budget.single)
    workflow.connect(
        [
            (inputnode, node, [("local", "in_file"), ("mask", "mask"), ("noise", "noise")]),
            (node, outputnode, [("out_file", "local")]),
        ]
    )
    keep(workflow, node, "out_file", "denoised", destination)
    return workflow
