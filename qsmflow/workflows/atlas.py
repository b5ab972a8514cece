"""Regions of an atlas in one series."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from nipype.pipeline.engine import Workflow

from qsmflow.bids.labels import label_names
from qsmflow.interfaces.atlas import RegisterAtlas

from .nodes import Budget, Destination, fields_node, keep, stage_node


def init_atlas_wf(
    *, files: Mapping[str, Path], budget: Budget, destination: Destination, name: str = "atlas"
) -> Workflow:
    """Register the template of an atlas to the magnitude of a series, and keep the regions.

    Parameters
    ----------
    files
        ``atlas``, the labels, whose names may stand beside it, and ``template``, the brain on the same grid.

    Inputs
    ------
    magnitude, mask
    """
    workflow = Workflow(name=name)
    workflow.__desc__ = (
        "The template of an atlas was registered to the magnitude of each series by an affine transform, through which "
        "the regions were sampled. "
    )
    inputnode = fields_node(["magnitude", "mask"], "inputnode")
    node = stage_node(RegisterAtlas(**{what: str(path) for what, path in files.items()}), "register_atlas", budget)
    workflow.connect([(inputnode, node, [("magnitude", "in_file"), ("mask", "in_mask")])])
    keep(workflow, node, "out_file", "rois", destination, sidecar=region_names(files["atlas"]))
    return workflow


def region_names(labels: Path) -> dict[str, dict[str, str]]:
    """What the sidecar of regions says of the names that stand beside the label map `labels`."""
    return {"Labels": {str(index): name for index, name in label_names(labels).items()}}
