"""The table of faults in the documentation, which the fault tests fill."""

from __future__ import annotations

import os
from pathlib import Path

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "cluster.md"
_HEAD = "| fault | what you read | what the next run does |\n|---|---|---|\n"
#: With this in the environment the rows are written, else they are compared.
FLAG = "QSMFLOW_WRITE_FAULTS"


def table() -> dict[str, str]:
    """Rows of the table by their fault."""
    text = DOCUMENT.read_text().partition(_HEAD)[2].partition("\n\n")[0]
    return {line.split(" | ")[0].removeprefix("| "): line for line in text.splitlines() if line}


def told(fault: str, read: str, rerun: str) -> None:
    """Note a row, or see that the document has it."""
    row = f"| {fault} | {read.replace('|', chr(92) + '|')} | {rerun} |"
    rows = table()
    if os.environ.get(FLAG):
        before, _, after = DOCUMENT.read_text().partition(_HEAD)
        rest = after.partition("\n\n")[2]
        DOCUMENT.write_text(f"{before}{_HEAD}" + "\n".join((rows | {fault: row}).values()) + f"\n\n{rest}")
    else:
        assert rows.get(fault) == row, f"docs/cluster.md tells otherwise; make it new with {FLAG}=1 make cluster"
