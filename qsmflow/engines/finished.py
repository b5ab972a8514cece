"""What of a graph a run would find finished, told without running it."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path

from networkx import topological_sort
from nipype.pipeline.engine import Node, Workflow
from nipype.pipeline.engine.utils import generate_expanded_graph

from qsmflow.bids.naming import sidecar_path


def product_is_lost(node: Node) -> bool:
    """Whether the derivative that `node` keeps, or its sidecar, is not there; False for nodes that keep none."""
    target = getattr(node.inputs, "out_path", "")
    return bool(target) and not (Path(target).exists() and sidecar_path(Path(target)).exists())


def finished_nodes(workflow: Workflow) -> frozenset[str]:
    """Full names of the nodes whose result, of the inputs that they would have, is there.

    Parameters
    ----------
    workflow
        With its ``base_dir`` set, configured by `qsmflow.engines.execute.configure`. Nothing of it is run and nothing
        written; the files that enter a node with a result are read, because it is their content that counts.
    """
    graph = generate_expanded_graph(workflow._create_flat_graph())
    for node in graph.nodes:
        node.config = deepcopy(workflow.config)
        node.base_dir = workflow.base_dir
    workflow._configure_exec_nodes(graph)
    finished: set[Node] = set()
    for node in topological_sort(graph):
        if finished.issuperset(graph.predecessors(node)) and not product_is_lost(node) and _has_result(node):
            finished.add(node)
    return frozenset(node.fullname for node in finished)


def _has_result(node: Node) -> bool:
    folder = Path(node.output_dir())
    if not (folder / f"result_{node.name}.pklz").exists():
        return False
    _, stamp = node._get_hashval()
    return (folder / f"_0x{stamp}.json").exists()
