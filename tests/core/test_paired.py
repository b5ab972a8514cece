"""Paired t-tests against values worked out by hand."""

from __future__ import annotations

import math

import pytest

from qsmflow.core.paired import paired_tests


def two_sided(t: float, freedom: int) -> float:
    """Closed forms of Student's distribution with two and three degrees of freedom."""
    if freedom == 2:
        return 1.0 - t / math.sqrt(2.0 + t * t)
    x = t / math.sqrt(3.0)
    return 1.0 - (2.0 / math.pi) * (x / (1.0 + x * x) + math.atan(x))


def test_a_pair_by_hand() -> None:
    # differences 1 1 2 2: mean 3/2, SD 1/sqrt(3), t = 3/2 / (1/sqrt(3) / 2) = 3 sqrt(3) with 3 degrees of freedom
    (test,) = paired_tests({"a": [1, 2, 3, 4], "b": [0, 1, 1, 2]})
    assert (test.first, test.second) == ("a", "b")
    assert test.difference == pytest.approx(1.5)
    assert test.t == pytest.approx(3.0 * math.sqrt(3.0))
    assert test.p == pytest.approx(two_sided(3.0 * math.sqrt(3.0), 3))
    assert test.corrected == pytest.approx(test.p)


def test_holm_multiplies_the_smallest_most() -> None:
    # b - a is 1 2 3 (t = 2 sqrt(3)), c - a is 4 4 5 (t = 13), c - b is 3 2 2 (t = 7)
    tests = paired_tests({"a": [0, 0, 0], "b": [1, 2, 3], "c": [4, 4, 5]})
    assert [(test.first, test.second) for test in tests] == [("a", "b"), ("a", "c"), ("b", "c")]
    plain = [two_sided(t, 2) for t in (2.0 * math.sqrt(3.0), 13.0, 7.0)]
    assert [test.p for test in tests] == pytest.approx(plain)
    assert [test.t for test in tests] == pytest.approx([-2.0 * math.sqrt(3.0), -13.0, -7.0])
    assert [test.corrected for test in tests] == pytest.approx([plain[0], 3.0 * plain[1], 2.0 * plain[2]])
    bonferroni = paired_tests({"a": [0, 0, 0], "b": [1, 2, 3], "c": [4, 4, 5]}, correction="bonferroni")
    assert [test.corrected for test in bonferroni] == pytest.approx([3.0 * p for p in plain])


def test_equal_differences_have_no_p_and_do_not_count() -> None:
    tests = paired_tests({"a": [0.1, 0.2, 0.4], "b": [0.2, 0.3, 0.5], "c": [1.0, 2.0, 3.0]})
    assert math.isnan(tests[0].t) and math.isnan(tests[0].p) and math.isnan(tests[0].corrected)
    # of the two that count, the smaller is doubled, and the other no less
    assert tests[1].corrected == pytest.approx(2.0 * min(tests[1].p, tests[2].p))
    assert tests[2].corrected == pytest.approx(max(2.0 * min(tests[1].p, tests[2].p), max(tests[1].p, tests[2].p)))


def test_a_pair_has_the_cases_of_both() -> None:
    values = {"a": [1, 2, math.nan, 3, 4], "b": [0, 1, 7, 1, 2], "c": [math.nan, math.inf, math.nan, 5, math.nan]}
    first, *rest = paired_tests(values)
    (alone,) = paired_tests({"a": [1, 2, 3, 4], "b": [0, 1, 1, 2]})
    assert first == alone
    assert first.cases == 4
    # of one case there is a difference, and no test
    assert [(test.cases, test.difference) for test in rest] == [(1, -2.0), (1, -4.0)]
    assert all(math.isnan(test.p) and math.isnan(test.corrected) for test in rest)
    assert paired_tests({"a": [1, math.nan], "b": [math.nan, 1]})[0].cases == 0


@pytest.mark.parametrize("values", [{"a": [1, 2], "b": [1, 2, 3]}, {"a": [1], "b": [2]}])
def test_what_is_not_paired_is_refused(values: dict[str, list[float]]) -> None:
    with pytest.raises(ValueError, match="a paired test needs"):
        paired_tests(values)
