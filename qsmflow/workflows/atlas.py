"""Regions of an atlas, or the embedded ones, in one series."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from nipype.pipeline.engine import Workflow

from qsmflow.bids.labels import label_names
from qsmflow.interfaces.atlas import RegisterAtlas
from qsmflow.interfaces.cores import TABLE, PlaceCores, read_cores

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
    register = RegisterAtlas(**{what: str(path) for what, path in files.items()})
    node = stage_node(register, "register_atlas", budget.single)
    workflow.connect([(inputnode, node, [("magnitude", "in_file"), ("mask", "in_mask")])])
    keep(workflow, node, "out_file", "rois", destination, sidecar=region_names(files["atlas"]))
    return workflow


def init_cores_wf(*, budget: Budget, destination: Destination, name: str = "cores") -> Workflow:
    """Label approximate cores of the deep nuclei in a susceptibility map, and keep them.

    Inputs
    ------
    chi, magnitude, mask
    """
    workflow = Workflow(name=name)
    workflow.__desc__ = (
        "Approximate cores of the deep nuclei, ellipsoids that come with qsmflow and are smaller than the nuclei, were "
        "sought in the first susceptibility map of each series, from an affine registration of the outline of a brain "
        "to the magnitude on, and placed where they stand out; where they do not, none are told. "
    )
    inputnode = fields_node(["chi", "magnitude", "mask"], "inputnode")
    node = stage_node(PlaceCores(), "place_cores", budget.single)
    workflow.connect([(inputnode, node, [("chi", "in_file"), ("magnitude", "magnitude"), ("mask", "mask")])])
    names = {str(core.index): name for core, name in read_cores(TABLE).items()}
    keep(workflow, node, "out_file", "rois", destination, sidecar={"Labels": names})
    return workflow


def region_names(labels: Path) -> dict[str, dict[str, str]]:
    """What the sidecar of regions says of the names that stand beside the label map `labels`."""
    return {"Labels": {str(index): name for index, name in label_names(labels).items()}}
