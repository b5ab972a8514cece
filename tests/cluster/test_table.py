"""The table of faults in the documentation has the rows that the fault tests make, and no others."""

from __future__ import annotations

import ast
from pathlib import Path

from tests.cluster.faults import table


def test_every_row_is_made_by_a_test() -> None:
    made = set()
    for path in Path(__file__).parent.glob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "told":
                made.add(ast.literal_eval(node.args[0]))
    assert table().keys() == made
