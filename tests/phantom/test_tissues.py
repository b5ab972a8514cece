from pathlib import Path

import pytest
import torch

from qsmflow.errors import InputError
from qsmflow.phantom.tissues import BUILT_IN, read_tissues

HEADER = "label\tname\tchi\tm0\tt2star\tbrain\n"


@pytest.mark.parametrize("name", BUILT_IN)
def test_tables_of_the_package(name: str) -> None:
    table = read_tissues(name)
    chi = table.column("chi")
    assert float(chi[14]) == pytest.approx(9.2) and float(chi[8]) == pytest.approx(-0.03)
    assert float(table.column("m0")[14]) == 0
    assert torch.isnan(chi[255])
    assert table.missing(torch.tensor([1, 8, 99])) == [99]
    assert float(table.r2star(3.0)[8]) == pytest.approx(1000 / 48)
    assert float(table.r2star(7.0)[8]) > float(table.r2star(3.0)[8])


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("label\tname\tchi\n1\ta\t0\n", "m0"),
        (HEADER + "1\ta\tzero\t1\t50\t1\n", "chi"),
        (HEADER + "1\ta\tnan\t1\t50\t1\n", "chi"),
        (HEADER + "1\ta\t0\t1\t0\t1\n", "t2star"),
        (HEADER + "300\ta\t0\t1\t50\t1\n", "300"),
        (HEADER + "1\ta\t0\t1\t50\t1\n1\tb\t0\t1\t50\t1\n", "twice"),
        (HEADER + "1\ta\t0\t1\n", "t2star"),
        (HEADER, "no tissue"),
    ],
)
def test_bad_tables_are_refused_by_file_and_field(tmp_path: Path, text: str, named: str) -> None:
    path = tmp_path / "table.tsv"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        read_tissues(path)
    assert str(path) in str(caught.value) and named in str(caught.value)


def test_missing_table(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not a readable tissue table"):
        read_tissues(tmp_path / "none.tsv")
