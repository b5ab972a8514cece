"""Cases by pydra: what the cache has is not computed again, and what fails is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from qsmflow.errors import MissingProgramError, QsmflowError
from qsmflow.nets import weights
from qsmflow.studies import execute
from qsmflow.studies.study import Case

TKD, L2 = (Case({"size": 16}, {"method": method}) for method in ("tkd", "l2"))
SMALLER = Case({"size": 12}, {"method": "tkd"})


def test_only_what_changed_is_computed_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network = Case({"size": 12}, {"method": "l2"}, ("ours",))
    monkeypatch.setattr(weights, "find", lambda name: tmp_path / name)
    monkeypatch.setattr(weights, "digest", lambda path: "first")
    computed: list[str] = []

    def run(*cases: Case) -> list[float]:
        computed.clear()
        done = execute.compute("scale", cases, tmp_path / "cache", tell=computed.append)
        assert [one.case for one in done] == list(cases)
        return [float(one.rows[0]["value"]) for one in done if one.maps]

    errors = run(TKD, SMALLER, network)
    assert sorted(computed) == ["prepare 12", "prepare 16", "score tkd", "score tkd"]
    # a killed run leaves a lock behind
    next((tmp_path / "cache").glob("workflow-*")).with_suffix(".lock").touch()
    assert run(TKD, SMALLER) == errors
    assert computed == []

    monkeypatch.setattr(weights, "names", lambda: ["ours"])
    run(TKD, L2, SMALLER, network)
    assert computed == ["score l2", "score l2"]

    monkeypatch.setattr(weights, "digest", lambda path: "second")
    with pytest.raises(QsmflowError, match=r"study scale: KeyError: 'wrong'; .*error.log has all of it"):
        run(TKD, L2, Case({"size": 16}, {"method": "wrong"}), SMALLER, network)
    assert computed == ["score l2"]


def test_an_error_of_ours_needs_no_class() -> None:
    told = 'Traceback:\n  File "a.py"\n    raise InputError("b")\n{}\n\n'
    for line, reason in (
        ("qsmflow.errors.InputError: a.nii: torn; check it", "a.nii: torn; check it"),
        ("ValueError: b0_dir must be a direction", "ValueError: b0_dir must be a direction"),
        ("", "a case failed"),
    ):
        assert execute._reason(told.format(line)) == reason


def test_what_has_no_weights_is_named_and_needs_nothing(tmp_path: Path) -> None:
    (done,) = execute.compute("scale", [Case({"size": 16}, {"method": "siqsm"}, ("none of ours",))], tmp_path / "cache")
    assert done.maps is None
    assert [row["note"] for row in done.rows] == ["no weights"]
    assert not (tmp_path / "cache").exists()


def test_slurm_is_asked_for_before_anything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingProgramError, match="sbatch: not found"):
        execute.compute("scale", [TKD], tmp_path / "cache", worker="slurm")


def test_a_network_that_does_not_know_such_fields_is_left_out(tmp_path: Path) -> None:
    case = Case({"half": 0, "voxel": 3.0}, {"method": "siqsm"}, ("siqsm",))
    (done,) = execute.compute("linearity", [case], tmp_path / "cache")
    assert [row["note"] for row in done.rows] == ["beyond its range"] and done.maps is None


def test_the_code_of_the_science_makes_the_fingerprint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "core/a.py",
        "studies/scale.py",
        "studies/noise.py",
        "studies/page.py",
        "studies/loss.py",
        "data/recipes/a.toml",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    monkeypatch.setattr(execute, "_PACKAGE", tmp_path)
    monkeypatch.setattr(execute, "_CODE", ("core",))
    first = execute.fingerprint("scale")
    (tmp_path / "studies/page.py").write_text("shown = 1")
    assert execute.fingerprint("scale") == first
    for name in ("core/a.py", "studies/scale.py"):
        (tmp_path / name).write_text("x = 1")
        assert execute.fingerprint("scale") != first
        first = execute.fingerprint("scale")
    trained = execute.fingerprint("loss")
    (tmp_path / "data/recipes/a.toml").write_text("x = 1")
    assert execute.fingerprint("scale") == first
    assert execute.fingerprint("loss") != trained
