"""What a run would do, told before it does it: shared by the verbs that run and that submit."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from qsmflow.errors import InputError

from .progress import say

if TYPE_CHECKING:
    from nipype.pipeline.engine import Node, Workflow
    from rich.tree import Tree

    from qsmflow.config import Config
    from qsmflow.workflows.participant import Plan, Request


def plan_of(request: Request, *, remember: bool = True) -> Plan:
    """What `request` comes to, as `make_plan` says it; its problems are told.

    Raises
    ------
    InputError
        Nothing can be processed. The last problem is then the error of the whole, and is told as such.
    """
    from qsmflow.workflows import participant

    plan = participant.make_plan(request, remember=remember)
    for problem in plan.problems if plan.heads else plan.problems[:-1]:
        say(f"sub-{problem.subject}: {'left out: ' if problem.stops else ''}{problem}", error=problem.stops)
    if not plan.heads:
        raise InputError(str(plan.problems[-1]) if plan.problems else f"{request.bids_dir}: no series to process")
    return plan


def show_plan(settings: Config, origins: Mapping[str, str], workflow: Workflow, finished: frozenset[str]) -> None:
    """Print the settings, each with where it comes from, and the nodes with what they ask, as a tree.

    `origins` has the settings that are no defaults; `finished` are full names of nodes that need not be computed.
    """
    from rich.console import Console
    from rich.text import Text

    from qsmflow.config import NETWORKS
    from qsmflow.engines.execute import real_nodes
    from qsmflow.settings import to_toml
    from qsmflow.workflows.inversion import limits_of

    console = Console(soft_wrap=True)
    for line in to_toml(settings, lambda name: origins.get(name, "default")).splitlines():
        console.print(Text(line, style="dim" if line.endswith("# default") else ""))
    nodes = real_nodes(workflow)
    console.print()
    networks = [name for name in settings.inversion if name in NETWORKS]
    for stage in [*networks, *(["denoiser"] if settings.denoise == "network" else [])]:
        for name, limits in limits_of(getattr(settings, stage).weights).items():
            say(f"{stage}: the limits of the weights {name}: {limits}")
    console.print(_tree(nodes, finished))
    to_do = [node for node in nodes if node.fullname not in finished]
    most = f", of at most {max(node.need.memory_gb for node in to_do):.1f} GB" if to_do else ""
    say(f"{len(to_do)} nodes to compute{most}; {len(finished)} finished")


def _tree(nodes: Sequence[Node], finished: frozenset[str]) -> Tree:
    """Rich itself draws plain guides where the encoding has no others, and here a dumb terminal has them too."""
    from rich.text import Text
    from rich.tree import Tree

    root = Tree("qsmflow")
    if os.environ.get("TERM") == "dumb":
        root.TREE_GUIDES = 3 * [root.ASCII_GUIDES]
    branches = {"": root}
    for node in sorted(nodes, key=lambda node: node.fullname):
        *folders, name = node.fullname.split(".")[1:]
        place = ""
        for folder in folders:
            above, place = place, f"{place}.{folder}"
            if place not in branches:
                branches[place] = branches[above].add(Text(folder, style="bold"))
        need = node.need
        asked = f"{need.cpus} cpu, {need.memory_gb:.1f} GB, {need.minutes:.0f} min{', 1 gpu' if need.gpus else ''}"
        done = node.fullname in finished
        branches[place].add(Text(f"{name}  {'finished' if done else asked}", style="green" if done else ""))
    return root
