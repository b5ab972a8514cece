"""A work folder belongs to one output folder, whatever that is called."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from qsmflow.cli.main import main
from qsmflow.engines.work import bind
from qsmflow.errors import UsageError
from tests.builders import make_bids


def test_another_output_folder_is_refused(tmp_path: Path) -> None:
    work = tmp_path / "work"
    bind(work, tmp_path / "a")
    bind(work, tmp_path / "a")
    with pytest.raises(UsageError, match=f"has the intermediate files of {tmp_path / 'a'}; take another --work-dir"):
        bind(work, tmp_path / "b")
    assert [path.name for path in work.iterdir()] == ["belongs-to"]


def test_the_same_one_by_another_name_is_not(tmp_path: Path) -> None:
    bind(tmp_path / "work", tmp_path / "a")
    (tmp_path / "link").symlink_to(tmp_path / "a")
    bind(tmp_path / "work", tmp_path / "link")


def test_one_that_was_moved_with_it_goes_on(tmp_path: Path) -> None:
    bind(tmp_path / "a" / "work", tmp_path / "a")
    shutil.move(tmp_path / "a", tmp_path / "b")
    bind(tmp_path / "b" / "work", tmp_path / "b")
    with pytest.raises(UsageError, match="has the intermediate files of"):
        bind(tmp_path / "b" / "work", tmp_path / "a")


def test_a_run_is_refused_before_any_compute(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_bids(tmp_path / "bids")
    bind(tmp_path / "work", tmp_path / "other")
    words = ["run", str(tmp_path / "bids"), str(tmp_path / "out"), "participant", "--inversion", "tkd", "-w"]
    assert main([*words, str(tmp_path / "work"), "--skip-bids-validation"]) == 2
    assert f"has the intermediate files of {tmp_path / 'other'}" in capsys.readouterr().err
    assert not (tmp_path / "work" / "qsmflow").exists()
