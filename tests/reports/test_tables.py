"""Tidy tables."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from qsmflow.errors import InputError
from qsmflow.reports.tables import number, read_table, write_table


def test_round_trip_with_what_is_missing(tmp_path: Path) -> None:
    columns = {"name": {"Description": "what"}, "value": {"Description": "how much", "Units": "ppm"}}
    path = write_table(
        tmp_path / "a_stats.tsv", columns, [["one\ttwo", 0.1234567891], ["three", float("nan")], ["", None]]
    )
    assert json.loads((tmp_path / "a_stats.json").read_text()) == columns
    rows = read_table(path, columns)
    assert [row["value"] for row in rows] == ["0.123457", "n/a", "n/a"] and rows[0]["name"] == "one\ttwo"
    assert number("0.5") == 0.5 and number("n/a") != number("n/a")


def test_other_tables_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text("name\nx\n")
    with pytest.raises(InputError, match="no column value; delete it"):
        read_table(tmp_path / "a.tsv", ("name", "value"))
    with pytest.raises(InputError, match="cannot be read"):
        read_table(tmp_path / "b.tsv", ())
