"""Tidy rows become the TSV and the tables that they should."""

from __future__ import annotations

import math

from qsmflow.studies.study import Case, Done, Row
from qsmflow.studies.tables import markdown, number, pivot, rows_of, tsv


def row(method: str, sd: float, value: float, metric: str = "nrmse", note: str = "") -> Row:
    return {"method": method, "sd": sd, "region": "mask", "metric": metric, "value": value, "unit": "%", "note": note}


ROWS = [row("l2", 0.0, 10.0), row("l2", 3.0, 123.4), row("l2", 3.0, 125.4), row("tkd", 0.0, math.nan)]
LEFT_OUT: Row = {
    "method": "siqsm",
    "sd": 0.0,
    "region": "",
    "metric": "",
    "value": "",
    "unit": "",
    "note": "no weights",
}


def test_a_number_a_line() -> None:
    lines = [line.split("\t") for line in tsv([*ROWS, LEFT_OUT]).splitlines()]
    assert lines[0] == ["method", "sd", "region", "metric", "value", "unit", "note"]
    assert lines[2] == ["l2", "3", "mask", "nrmse", "123.4", "%", "n/a"]
    assert lines[4][4] == "n/a"
    assert lines[5] == ["siqsm", "0", "n/a", "n/a", "n/a", "n/a", "no weights"]


def test_a_cell_is_a_value_or_mean_and_deviation_or_why_there_is_none() -> None:
    table = pivot("Errors", [*ROWS, LEFT_OUT], ("method",), "sd", beside=("published", {"l2": "9"}))
    assert table.head == ["method", "0", "3", "published"]
    assert table.rows == [
        ["l2", "10", "124 ± 1.41", "9"],
        ["tkd", "n/a", "", ""],
        ["siqsm", "no weights", "no weights", ""],
    ]
    assert markdown(table).splitlines()[2:5] == [
        "| method | 0 | 3 | published |",
        "| --- | --- | --- | --- |",
        "| l2 | 10 | 124 ± 1.41 | 9 |",
    ]


def test_what_is_not_finite_has_no_deviation() -> None:
    rows = [
        row(method, 0.0, value)
        for method in ("l2", "tkd")
        for value in (math.inf, {"l2": math.inf, "tkd": 40.0}[method])
    ]
    rows += [row("medi", 0.0, value) for value in (math.nan, 40.0)]
    assert pivot("Errors", rows, ("method",)).rows == [["l2", "inf"], ["tkd", "inf"], ["medi", "n/a"]]


def test_metrics_have_their_unit_at_their_head() -> None:
    assert pivot("Errors", [ROWS[0], row("l2", 0.0, 0.5, "hfen")], ("method",)).head == [
        "method",
        "nrmse, %",
        "hfen, %",
    ]


def test_rows_are_chosen_by_what_they_are_of() -> None:
    done = [Done(Case({}, {}), ROWS, None), Done(Case({}, {}), [LEFT_OUT], None)]
    assert rows_of(done, method="l2", sd=3.0) == ROWS[1:3]
    # a case that was left out is among those of any metric
    assert rows_of(done, metric="nrmse", sd=0.0) == [ROWS[0], ROWS[3], LEFT_OUT]


def test_numbers_have_three_digits() -> None:
    assert [number(one) for one in (1234.5, 99.96, 0.12345, 1e-5, math.nan, math.inf)] == [
        "1234", "100", "0.123", "1e-05", "n/a", "inf",
    ]  # fmt: skip
