"""``qsmflow validate``: its lines and exit codes."""

import argparse
import json

import pytest

import qsmflow
from qsmflow.cli import validate
from qsmflow.cli.selection import selection_from
from qsmflow.errors import InputError, UsageError
from qsmflow.settings import version_line
from tests.builders import add_derivative, make_bids


def parse(*argv):
    parser = argparse.ArgumentParser()
    validate.add_parser(parser.add_subparsers())
    return parser.parse_args(["validate", *map(str, argv)])


def run(*argv):
    args = parse(*argv)
    return args.func(args)


def test_what_would_be_run(tmp_path, capsys):
    root = make_bids(tmp_path, orientations=("ori1", "ori2"))
    before = sorted(root.rglob("*"))
    assert run(root) == 0
    out = capsys.readouterr().out
    assert "sub-01: 2 orientations, reference sub-01_acq-ori1" in out
    assert "3 echoes, TE 5/10/15 ms, B0 3 T, grid 8x9x10, voxels 1x1x1 mm, obliquity 0.0 degrees" in out
    assert "stages: scale_phase, brain_mask, quality_mask, unwrap, field, r2star, vsharp, qsmnet, l2" in out
    assert "registration, cosmos" in out
    assert "1 of 1 subjects can be used (headers and voxels checked)" in out
    assert "\x1b" not in out
    assert sorted(root.rglob("*")) == before


def test_settings_decide_the_stages(tmp_path, capsys):
    root = make_bids(tmp_path / "bids")
    (tmp_path / "mine.toml").write_text('inversion = ["l2"]\n')
    assert run(root, "--config-file", tmp_path / "mine.toml", "--quality-mask-threshold", "0") == 0
    assert "stages: scale_phase, brain_mask, unwrap, field, r2star, vsharp, l2" in capsys.readouterr().out
    assert run(root, "--background", "lbv_vsharp") == 0
    out = capsys.readouterr().out
    assert "unwrap, field, r2star, lbv, vsharp, qsmnet, l2" in out
    assert not any(told in out for told in ("weight of", "two passes", "reference:"))
    assert run(root, "--choose-weight", "lcurve", "--two-pass", "0.3", "--reference", "brain") == 0
    out = capsys.readouterr().out
    assert "weight of l2: chosen by lcurve" in out
    assert "two passes: sources stronger than 0.3 ppm first" in out
    assert "reference: the mean is zero in brain" in out
    with pytest.raises(UsageError, match=r"none\.toml: no such file"):
        run(root, "--config-file", tmp_path / "none.toml")


@pytest.mark.parametrize(("line", "warns"), [("# qsmflow 0.0.1\n", True), (None, False), ("", False)])
def test_settings_of_another_version_are_told(tmp_path, capsys, line, warns):
    root = make_bids(tmp_path / "bids")
    line = f"{version_line(qsmflow.__version__)}\n" if line is None else line
    (tmp_path / "mine.toml").write_text(f'{line}inversion = ["l2"]\n')
    assert run(root, "--config-file", tmp_path / "mine.toml") == 0
    assert ("mine.toml: was written by qsmflow 0.0.1; this is" in capsys.readouterr().err) == warns


def test_supplied_intermediates_shorten_the_way(tmp_path, capsys):
    root = make_bids(tmp_path / "raw", parts=("mag",))
    given = tmp_path / "given"
    local, mask = (add_derivative(given, {"sub": "01"}, kind) for kind in ("local", "brain"))
    assert run(root, "-d", f"local={given}", f"mask={given}") == 0
    out = capsys.readouterr().out
    assert f"supplied local: {local}" in out
    assert f"supplied mask: {mask}" in out
    assert "stages: combine_magnitude, qsmnet, l2" in out


def test_one_bad_subject(tmp_path, capsys):
    root = make_bids(tmp_path, subjects=("01", "02"))
    for path in (root / "sub-02" / "anat").glob("*part-phase*"):
        path.unlink()
    assert run(root) == 1
    out = capsys.readouterr().out
    assert "sub-02\n  CANNOT BE USED: " in out
    assert "part-phase: no phase beside this magnitude; add part-phase files" in out
    assert "1 of 2 subjects can be used" in out
    assert run(root, "--participant-label", "sub-01") == 0


def test_voxels_are_read_unless_told_not_to(tmp_path, capsys):
    root = make_bids(tmp_path)
    path = root / "sub-01" / "anat" / "sub-01_echo-1_part-mag_MEGRE.nii.gz"
    path.write_bytes(path.read_bytes()[:-6])
    assert run(root, "--headers-only") == 0
    assert run(root) == 1
    assert "damaged" in capsys.readouterr().out


def test_what_stops_everything(tmp_path):
    root = make_bids(tmp_path / "raw")
    for argv in (["nowhere"], [root, "--participant-label", "9"], [root, "--session-label", "x"], [tmp_path]):
        with pytest.raises(InputError):
            run(*argv)


@pytest.mark.parametrize(
    "argv",
    [
        ["-d", "mask"],
        ["-d", "=x"],
        ["-d", "chi=x"],
        ["-d", "mask=a", "mask=b"],
        ["--orientation-entity", "orientation"],
        ["--orientation-entity", "echo"],
    ],
)
def test_bad_usage(tmp_path, argv):
    with pytest.raises(UsageError, match=r"--(derivatives|orientation-entity): .*; take|; keep"):
        selection_from(parse(tmp_path, *argv))


def test_selection(tmp_path):
    file = tmp_path / "filter.json"
    file.write_text(json.dumps({"megre": {"run": 1}}))
    found = selection_from(
        parse(tmp_path, "--participant-label", "sub-01", "02", "--session-label", "ses-a", "--bids-filter-file", file)
    )
    assert (found.participants, found.sessions) == (("01", "02"), ("a",))
    assert found.filters == {"megre": {"run": 1}}


def test_a_terminal_gets_a_tree(tmp_path, capsys, monkeypatch):
    root = make_bids(tmp_path)
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert run(root, "--headers-only") == 0
    assert "└" in capsys.readouterr().out
