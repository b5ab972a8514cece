"""Nodes with their resources, and the nodes that keep derivatives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nipype.interfaces.utility import IdentityInterface
from nipype.pipeline.engine import Node, Workflow

from qsmflow.bids.naming import OUTPUTS, derivative_path
from qsmflow.interfaces.derivatives import SaveDerivative


@dataclass(frozen=True)
class Budget:
    """What a node is sized by: `voxels` of the grid, `images` (echoes or orientations), and `threads` it may use."""

    voxels: int
    images: int = 1
    threads: int = 1


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
    """A node whose memory and threads come from the interface's own record, of which it is told where it can ask."""
    need = interface.resources
    node = Node(interface, name=name, mem_gb=round(need.memory_gb(budget.voxels, budget.images), 2))
    if "memory" in interface.inputs.traits():
        interface.inputs.memory = node.mem_gb
    node.n_procs = max(1, min(need.cpus, budget.threads))
    return node


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
    node = Node(
        SaveDerivative(out_path=str(path.absolute()), sidecar=constant), name=name or f"save_{output}", mem_gb=0.5
    )
    workflow.connect([(made_by, node, [(field, "in_file"), ("out_report", "in_report")])])
    return node
