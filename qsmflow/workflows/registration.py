"""One orientation into the frame of the reference."""

from __future__ import annotations

from nipype.pipeline.engine import Workflow

from qsmflow.config import Registration
from qsmflow.interfaces.b0 import TurnB0
from qsmflow.interfaces.mask import choose
from qsmflow.interfaces.registration import ApplyRigid, RigidRegister

from .nodes import Budget, Destination, fields_node, keep, stage_node

_METHODS = {
    "flirt": "by FSL FLIRT [@flirt]",
    "embedded": "by Gauss-Newton minimisation of the difference of their locally normalised intensities",
}

_KEPT_AS = {"magnitude": "registered", "local": "local", "mask": "localmask"}


def init_registration_wf(
    *,
    registration: Registration,
    b0_dir: tuple[float, float, float] | None,
    labels: tuple[str, str],
    budget: Budget,
    destination: Destination,
    transform_destination: Destination,
    name: str = "registration",
) -> Workflow:
    """Register one orientation's magnitude to the reference, and bring its local field there.

    Parameters
    ----------
    registration
        Settings of the registration.
    b0_dir
        Direction of B0 in the voxel axes of the orientation where a sidecar gives it; None: from the affine.
    labels
        Names of the orientation and of the reference, for the transform's file.
    destination
        Of the orientation, with the reference as its space.
    transform_destination
        Of the head, whose transforms are named by ``from`` and ``to``.

    Inputs
    ------
    magnitude, brain, local, mask
        Of the orientation: magnitude, brain mask, local field, where it is valid.
    reference, reference_brain
        Magnitude and brain mask of the reference.

    Outputs
    -------
    magnitude, local, mask, b0_dir
        In the frame of the reference.
    transform
        ITK text, from world points of the reference to the orientation's.
    """
    workflow = Workflow(name=name)
    method = choose(registration.method, "flirt")
    workflow.__desc__ = (
        f"The magnitudes of the orientations were registered rigidly to the reference {_METHODS[method]}. "
    )
    inputnode = fields_node(["magnitude", "brain", "local", "mask", "reference", "reference_brain"], "inputnode")
    outputnode = fields_node(["magnitude", "local", "mask", "b0_dir", "transform"], "outputnode")
    register = stage_node(RigidRegister(method=method), "register", budget.single)
    turn = stage_node(TurnB0() if b0_dir is None else TurnB0(b0_dir=b0_dir), "turn_b0", budget.single)
    workflow.connect(
        [
            (
                inputnode,
                register,
                [
                    ("magnitude", "in_file"),
                    ("brain", "in_mask"),
                    ("reference", "reference"),
                    ("reference_brain", "reference_mask"),
                ],
            ),
            (register, turn, [("out_transform", "transform")]),
            (inputnode, turn, [("magnitude", "in_file"), ("reference", "reference")]),
            (register, outputnode, [("out_transform", "transform")]),
            (turn, outputnode, [("b0_dir", "b0_dir")]),
        ]
    )
    for field, output in _KEPT_AS.items():
        apply = stage_node(ApplyRigid(is_mask=field == "mask"), f"apply_{field}", budget.single)
        workflow.connect(
            [
                (inputnode, apply, [(field, "in_file"), ("reference", "reference")]),
                (register, apply, [("out_transform", "transform")]),
                (apply, outputnode, [("out_file", field)]),
            ]
        )
        keep(workflow, apply, "out_file", output, destination)
    moving, reference = labels
    entities = {"from": moving, "to": reference, "mode": "image"}
    saved = keep(workflow, register, "out_transform", "xfm", transform_destination, entities=entities)
    workflow.connect([(turn, saved, [("out_report", "more_report")])])
    return workflow
