"""The command line itself: its verbs, its exit codes, and that asking for help costs nothing."""

import argparse
import subprocess
import sys
import types

import pytest

import qsmflow
from qsmflow.cli import main as cli
from qsmflow.errors import InputError, MissingProgramError, QsmflowError, UsageError
from qsmflow.settings import ConfigError

#: What takes long to import; a verb imports it inside the function that needs it.
HEAVY = {
    "bids",
    "matplotlib",
    "nibabel",
    "nilearn",
    "nipype",
    "numpy",
    "pandas",
    "scipy",
    "skimage",
    "torch",
    "warpkit",
}


@pytest.fixture
def verb(monkeypatch):
    """A verb whose `run` does what the test says."""
    module = types.ModuleType("qsmflow.cli.act")

    def add_parser(subparsers: argparse._SubParsersAction) -> None:
        parser = subparsers.add_parser("act")
        parser.add_argument("--times", type=int)
        parser.set_defaults(func=lambda args: module.run(args))

    module.add_parser = add_parser
    module.run = lambda args: 0
    monkeypatch.setitem(sys.modules, "qsmflow.cli.act", module)
    monkeypatch.setattr(cli, "VERBS", ("act",))
    return module


@pytest.mark.parametrize("code", [0, 1])
def test_exit_code_of_the_verb_is_passed_on(verb, code):
    verb.run = lambda args: code
    assert cli.main(["act"]) == code


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (QsmflowError, 1),
        (UsageError, 2),
        (InputError, 2),
        (ConfigError, 2),
        (MissingProgramError, 127),
    ],
)
def test_errors_become_one_line_and_an_exit_code(verb, capsys, error, code):
    def run(args):
        raise error("sub-01_phase.nii.gz: range:\n  give   radians")

    verb.run = run
    assert cli.main(["act"]) == code
    assert capsys.readouterr().err == "qsmflow: error: sub-01_phase.nii.gz: range: give radians\n"


def test_a_fault_of_the_program_is_not_dressed_up(verb):
    def run(args):
        raise KeyError("bug")

    verb.run = run
    with pytest.raises(KeyError):
        cli.main(["act"])


def test_interruption(verb, capsys):
    def run(args):
        raise KeyboardInterrupt

    verb.run = run
    assert cli.main(["act"]) == 130
    assert capsys.readouterr().err == "qsmflow: interrupted; what is finished is kept\n"


@pytest.mark.parametrize("argv", [[], ["nothing"], ["act", "--colour"], ["act", "--times", "many"]])
def test_bad_usage_is_one_line(verb, capsys, argv):
    assert cli.main(argv) == 2
    error = capsys.readouterr().err
    assert error.startswith("qsmflow: error: ")
    assert error.count("\n") == 1
    assert "--help" in error


@pytest.mark.parametrize(
    ("argv", "mend"),
    [
        (["simulate", "--voxel-size", "4", "out"], "; put OUT before --voxel-size"),
        (["run", "--inversion", "tkd", "bids", "out", "participant"], "; put BIDS OUT LEVEL before --inversion"),
        (["run", "bids", "out", "nothing"], "invalid choice: 'nothing' (choose from"),
    ],
)
def test_an_option_that_takes_what_stands_behind_it_is_told(capsys, argv, mend):
    assert cli.main(argv) == 2
    error = capsys.readouterr().err
    assert mend in error and error.count("; put") == mend.count("; put")


def test_version(verb, capsys):
    with pytest.raises(SystemExit) as caught:
        cli.main(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out == f"qsmflow {qsmflow.__version__}\n"


def test_configuration_errors_stay_value_errors():
    assert issubclass(ConfigError, ValueError)


def test_help_of_every_verb_imports_nothing_heavy():
    code = f"""
import sys
import qsmflow.cli.main as cli
for argv in (["--help"], *([verb, "--help"] for verb in cli.VERBS)):
    try:
        cli.main(argv)
    except SystemExit as end:
        assert end.code == 0, argv
    heavy = {HEAVY!r} & set(sys.modules)
    assert not heavy, (argv, heavy)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for verb in cli.VERBS:
        assert f"usage: qsmflow {verb}" in done.stdout


def test_the_package_runs_as_a_module():
    done = subprocess.run([sys.executable, "-m", "qsmflow", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"qsmflow {qsmflow.__version__}\n"


@pytest.mark.parametrize(
    ("flag", "value", "told"),
    [
        ("--nprocs", "many", "'many' is no whole number above zero"),
        ("--nprocs", "0", "'0' is no whole number above zero"),
        ("--omp-nthreads", "-1", "'-1' is no whole number above zero"),
        ("--mem", "8G", "'8G' is no amount of memory in GB"),
        ("--mem", "inf", "'inf' is no amount of memory in GB"),
    ],
)
def test_what_the_machine_may_use_is_checked(
    flag: str, value: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["run", "in", "out", "participant", flag, value]) == 2
    error = capsys.readouterr().err
    assert f"argument {flag}: {told}" in error and error.count("\n") == 1
