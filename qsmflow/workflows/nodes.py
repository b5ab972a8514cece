"""Nodes with their resources, and the nodes that keep derivatives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from nipype.interfaces.utility import IdentityInterface
from nipype.pipeline.engine import Node, Workflow

from qsmflow.bids.naming import OUTPUTS, derivative_path
from qsmflow.engines.resources import ask
from qsmflow.interfaces.derivatives import SaveDerivative


@dataclass(frozen=True)
class Budget:
    """What a node is sized by: `voxels` of the grid, `images` (echoes or orientations), and what it may use.

    These are `threads`, and a GPU for the stages named in `gpu`.
    """

    voxels: int
    images: int = 1
    threads: int = 1
    gpu: frozenset[str] = frozenset()

    @property
    def single(self) -> Budget:
        """The same for a node that takes one image: behind the fit of the field the echoes are one."""
        return replace(self, images=1)


@dataclass(frozen=True)
class Destination:
    """Where the derivatives of one series or head go, with the entities in their names, and what they come from.

    `space` names the reference frame when it is not the image's own.
    """

    root: Path
    entities: Mapping[str, str]
    sources: tuple[str, ...] = ()
    space: str | None = None


def stage_node(interface: Any, name: str, budget: Budget) -> Node:
    """A node that asks what the interface's own record says, and is told of its memory where it has a trait for it."""
    use_gpu = interface.stage in budget.gpu
    need = interface.resources.need(budget.voxels, budget.images, threads=budget.threads, use_gpu=use_gpu)
    if use_gpu:
        interface.inputs.use_gpu = True
    elif "memory" in interface.inputs.traits():
        interface.inputs.memory = need.memory_gb
    return ask(Node(interface, name=name), need)


def fields_node(fields: list[str], name: str) -> Node:
    """An ``inputnode`` or ``outputnode`` with `fields`."""
    return Node(IdentityInterface(fields=fields), name=name)


def keep(
    workflow: Workflow,
    made_by: Node,
    field: str,
    output: str,
    destination: Destination,
    sidecar: Mapping[str, Any] | None = None,
    *,
    entities: Mapping[str, str] | None = None,
    name: str | None = None,
) -> Node:
    """Write the `field` of `made_by` into the dataset as `output` (a key of `OUTPUTS`), with the report of its stage.

    `sidecar` adds to its constant part; `entities` add to the file name; `name` is the node's where one workflow keeps
    the same output twice. Returns the node that writes.
    """
    kind = OUTPUTS[output]
    named = dict(entities or {})
    if destination.space is not None:
        named.setdefault("space", destination.space)
    constant: dict[str, Any] = {"Description": kind.description, **kind.sidecar, **(sidecar or {})}
    if destination.sources:
        constant["Sources"] = list(destination.sources)
    if "space" in named:
        constant["SpatialReference"] = "orig"
    path = derivative_path(destination.root, destination.entities, output, **named)
    node = Node(SaveDerivative(out_path=str(path.absolute()), sidecar=constant), name=name or f"save_{output}")
    ask(node, SaveDerivative.resources.need(voxels=0))
    workflow.connect([(made_by, node, [(field, "in_file"), ("out_report", "in_report")])])
    return node
