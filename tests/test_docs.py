"""What the documentation shows works: its command lines are understood, its examples run, and `qsmflow` is quick."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import qsmflow
from qsmflow.cli.main import build_parser, main
from qsmflow.cli.options import shield_negatives
from qsmflow.cli.settings import settings_from
from qsmflow.cli.stage import stage_parser
from qsmflow.core.dipole import forward_field
from qsmflow.core.inversion.cosmos import POOR, condition
from qsmflow.interfaces.stages import stages
from qsmflow.interfaces.volume import Volume, load, save
from qsmflow.nets.weights import digest, find
from qsmflow.phantom.plan import parse_angles
from qsmflow.phantom.pose import rotation

ROOT = Path(__file__).resolve().parents[1]
PAGES = {page.name: page for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))}
STUDIES = sorted((ROOT / "docs" / "studies").glob("*/*.md"))


def blocks(page: str, language: str) -> list[str]:
    """The fenced blocks of a page in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", PAGES[page].read_text(), re.DOTALL | re.MULTILINE)


def command_lines(page: str) -> list[list[str]]:
    """The words behind `qsmflow` in the shell blocks of a page, up to where the shell takes over."""
    lines = "".join(blocks(page, "sh")).replace("\\\n", " ").splitlines()
    found = [shlex.split(line, comments=True)[1:] for line in lines if line.startswith("qsmflow ")]
    return [words[: words.index(">")] if ">" in words else words for words in found]


COMMANDS = [(page, words) for page in PAGES for words in command_lines(page)]


@pytest.mark.parametrize(("page", "words"), COMMANDS, ids=[f"{page}-{' '.join(words)}" for page, words in COMMANDS])
def test_command_lines_are_understood(page: str, words: list[str]) -> None:
    if words[-1] in ("--version", "--help"):
        return
    args = build_parser().parse_args(shield_negatives(words))
    if words[0] == "stage" and args.name is not None and args.name in stages():
        stage_parser(stages()[args.name]).parse_args(args.rest)
    if getattr(args, "config_file", None) is None and hasattr(args, "preset"):
        settings_from(args)


def test_the_orientations_of_the_demo_are_enough_for_cosmos() -> None:
    """Those of the tutorial, which are those of `make demo`."""
    words = next(words for words in command_lines("tutorial.md") if words[0] == "simulate")
    assert f"SIMULATE_FLAGS ?= {' '.join(words[2:])}\n" in (ROOT / "Makefile").read_text()
    angles = parse_angles(tuple(build_parser().parse_args(shield_negatives(words)).__dict__[".angles"]))
    found = condition([rotation(one)[2].tolist() for one in angles])
    assert found.smallest > 2 * POOR
    assert f"is {found.smallest:.2f}, and below {POOR:g}" in PAGES["tutorial.md"].read_text()


@pytest.mark.parametrize("page", PAGES)
def test_blocks_are_such_as_are_tested(page: str) -> None:
    """A shell can read the shell blocks, what they make and run is there, and no block is of a language untested."""
    for language in re.findall(r"^ *```+(\S+)", PAGES[page].read_text(), re.MULTILINE):
        assert language in ("sh", "python", "json", "text") or language.startswith("{"), language
    for block in blocks(page, "sh"):
        subprocess.run(["bash", "-n"], input=block, text=True, check=True)
        for target in re.findall(r"^make (\S+)", block, re.MULTILINE):
            assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE), target
        for script in re.findall(r"^python (\S+)", block, re.MULTILINE):
            assert (ROOT / script).exists(), script
    for block in blocks(page, "json"):
        json.loads(block)


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with the files that the examples name."""
    index = torch.stack(torch.meshgrid(*[torch.arange(24.0) - 12] * 3, indexing="ij"))
    chi = 0.1 * torch.exp(-((index - 3) ** 2).sum(0) / 16)
    local = forward_field(chi, (1, 1, 1))
    affine = torch.eye(4).numpy()
    for name, data in (("total", local + 0.01 * index[0]), ("local", local), ("mask", index.norm(dim=0) < 10)):
        save(Volume(data, affine), tmp_path / f"{name}.nii.gz")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "python")])
def test_python_examples_run(page: str, files: Path) -> None:
    for block in blocks(page, "python"):
        exec(compile(block, page, "exec"), {})
    for made in files.glob("chi*.nii.gz"):
        assert 0.02 < float(load(made).data.max()) < 0.2, made


def test_stages_of_the_examples_run(files: Path) -> None:
    lines = [words for words in command_lines("howto.md") if words[0] == "stage"]
    assert len(lines) == 4
    for words in lines:
        assert main(words) == 0
    assert len(list(files.glob("stages/*.nii*"))) >= 3


@pytest.mark.long
def test_the_tutorial_runs(tmp_path: Path) -> None:
    """All its shell blocks, in one shell; installing is what made the environment of this test."""
    (tmp_path / "Makefile").write_text("setup: ;\n")
    activate = tmp_path / ".venv" / "bin" / "activate"
    activate.parent.mkdir(parents=True)
    activate.write_text(f"PATH={shlex.quote(str(Path(sys.executable).parent))}:$PATH\n")
    script = "set -eu\n" + "".join(blocks("tutorial.md", "sh"))
    done = subprocess.run(["bash"], input=script, cwd=tmp_path, text=True, capture_output=True)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    for named in re.findall(r"`(demo/\S+)`", PAGES["tutorial.md"].read_text()):
        assert (tmp_path / named).exists(), named
    assert "nrmse_demeaned" in done.stdout


def test_importing_the_package_is_quick_and_its_names_are_there() -> None:
    code = "import sys, qsmflow; assert not {'numpy', 'torch', 'nibabel', 'nipype'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
    for name in qsmflow.__all__:
        assert callable(getattr(qsmflow, name)) and name in dir(qsmflow)
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = qsmflow.nonsense


def test_settings_pages_name_every_preset() -> None:
    from qsmflow.settings import presets

    rows = re.findall(r"^\| `([\w-]+)` \|", PAGES["howto.md"].read_text(), re.MULTILINE)
    assert sorted(rows) == presets()


@pytest.mark.parametrize("page", STUDIES, ids=lambda page: page.stem)
def test_pages_of_studies_stand_where_their_command_writes_them(page: Path) -> None:
    (command,) = re.findall(r"^```text\n(.*?)\n```", page.read_text(), re.DOTALL | re.MULTILINE)
    args = build_parser().parse_args(shlex.split(command)[1:])
    assert args.out / args.name / f"{args.name}.md" == page.relative_to(ROOT)
    for target in re.findall(r"\]\(([^)]+)\)", page.read_text()):
        assert 0 < (page.parent / target).stat().st_size < 100_000, target


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", PAGES[page].read_text()):
        made = "generated/" in target  # by the build itself
        assert made or (PAGES[page].parent / target).exists(), target


@pytest.mark.parametrize("page", STUDIES, ids=lambda page: page.stem)
def test_pages_of_studies_tell_of_the_weights_that_are_there(page: Path) -> None:
    for name, told in re.findall(r"^- weights (\w+) sha256 (\w+)$", page.read_text(), re.MULTILINE):
        assert digest(find(name)) == told, name
