"""The whole graph of a run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from networkx import lexicographical_topological_sort
from nipype.pipeline.engine import Workflow

import qsmflow
from qsmflow.bids.series import Head
from qsmflow.config import Config

from .head import init_head_wf


def init_qsmflow_wf(
    *,
    heads: Sequence[Head],
    settings: Config,
    out_dir: Path,
    work_dir: Path,
    source_uri: Callable[[Path], str],
    threads: int = 1,
    gpu: frozenset[str] = frozenset(),
) -> Workflow:
    """All heads of a run, each a workflow of its own named after its entities.

    Parameters
    ----------
    heads
        What `qsmflow.bids.discovery` found and `qsmflow.bids.checks` passed.
    settings
        Of all stages.
    out_dir, work_dir
        Where derivatives and intermediate files go.
    source_uri
        Names an input file in the ``Sources`` of a sidecar.
    threads
        Most threads that one node may use.
    gpu
        Stages that compute on a GPU.
    """
    workflow = Workflow(name="qsmflow", base_dir=str(work_dir))
    workflow.__desc__ = (
        f"Data in BIDS [@bids] were processed by qsmflow {qsmflow.__version__}, which runs its stages with Nipype "
        "[@nipype], computes with PyTorch [@torch], and reads and writes images with NiBabel [@nibabel]. "
    )
    for head in heads:
        name = head.name.replace("-", "_")
        workflow.add_nodes(
            [
                init_head_wf(
                    head=head,
                    settings=settings,
                    out_dir=out_dir,
                    source_uri=source_uri,
                    threads=threads,
                    gpu=gpu,
                    name=name,
                )
            ]
        )
    return workflow


def methods_sentences(workflow: Workflow) -> list[str]:
    """The `__desc__` of every workflow inside `workflow`, each sentence once, in the order in which stages run."""
    sentences: list[str] = []

    def visit(part: Workflow) -> None:
        said = getattr(part, "__desc__", "").strip()
        if said and said not in sentences:
            sentences.append(said)
        added = {node: number for number, node in enumerate(part._graph.nodes)}
        for node in lexicographical_topological_sort(part._graph, key=added.__getitem__):
            if isinstance(node, Workflow):
                visit(node)

    visit(workflow)
    return sentences
