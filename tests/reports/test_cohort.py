"""What stands out from a cohort."""

from __future__ import annotations

import numpy as np

from qsmflow.reports.cohort import modified_z, stands_out


def test_the_z_of_normal_values_is_theirs() -> None:
    values = np.random.default_rng(0).normal(5.0, 2.0, 20001)
    np.testing.assert_allclose(modified_z(values), (values - 5.0) / 2.0, atol=0.1)


def test_one_far_value_does_not_hide_itself() -> None:
    z = modified_z([*range(20), 1000.0])
    assert z[-1] > 100 and np.abs(z[:-1]).max() < 2


def test_few_values_are_no_cohort_and_missing_ones_count_nowhere() -> None:
    assert np.isnan(modified_z([1.0, 2.0, 3.0, 100.0])).all()
    z = modified_z([np.nan, *range(20)])
    assert np.isnan(z[0]) and np.isfinite(z[1:]).all()


def test_where_most_values_are_the_same_another_one_still_stands_out() -> None:
    z = modified_z([1.0] * 30 + [2.0])
    assert z[0] == 0 and z[-1] > 3.5
    assert (modified_z([1.0] * 10) == 0).all()


def test_only_the_bad_side_stands_out() -> None:
    assert stands_out(4.0, "high") and not stands_out(-4.0, "high") and stands_out(-4.0, "low")
    assert stands_out(4.0, "both") and stands_out(-4.0, "both")
    assert not stands_out(3.0, "both") and not stands_out(float("nan"), "both")
