"""How long each node took and what memory it had."""

from __future__ import annotations

from qsmflow.reports.blocks import Cards, Details, Note, Section, Table
from qsmflow.reports.facts import of_subject
from qsmflow.reports.record import NodeRecord, RunRecord


def timing_section(subject: str, run: RunRecord | None) -> Section:
    """Nodes of `subject` that the run executed, the longest first."""
    section = Section("timing", "Time and memory")
    nodes = [node for node in (run.nodes if run else ()) if of_subject(subject, node.name)]
    if not nodes:
        section.blocks.append(Note("The run executed no node of this subject: everything was found finished."))
        return section
    peaks = [node.peak_gb for node in nodes if node.peak_gb is not None]
    cards = [
        ("Nodes", str(len(nodes)), "executed"),
        ("Time", f"{sum(node.seconds for node in nodes) / 60:.1f}", "min, the nodes' sum"),
        ("Memory", f"{max(node.asked_gb for node in nodes):.1f}", "GB, most asked by a node"),
    ]
    if peaks:
        cards.append(("Peak", f"{max(peaks):.1f}", "GB, most used by a node"))
    else:
        section.blocks.append(
            Note("With --resource-monitor, and psutil installed, it is measured what the nodes used.")
        )
    rows = [_row(node)[: 4 if peaks else 3] for node in sorted(nodes, key=lambda node: -node.seconds)]
    head = ["Node", "Time (s)", "Memory asked (GB)", "Memory used (GB)"][: len(rows[0])]
    section.blocks += [Cards(cards), Details("Each node", [Table("Nodes, the longest first", head, rows)])]
    return section


def _row(node: NodeRecord) -> list[str]:
    used = f"{node.peak_gb:.2f}" if node.peak_gb is not None else "not measured"
    return [node.name.removeprefix("qsmflow."), f"{node.seconds:.1f}", f"{node.asked_gb:.2f}", used]
