"""A study's folder holds its table, its page, and a Markdown page with the figures that it shows."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from PIL import Image

from qsmflow.studies import conduct as module
from qsmflow.studies.conduct import conduct
from qsmflow.studies.study import Done, Request

COMMAND = "qsmflow study timing --quick --out out"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What a quick study of timing leaves behind, with made up numbers and without the network `siqsm`."""

    def computed(name: str, cases: list, *rest: object, **more: object) -> list[Done]:
        done = []
        for case in cases:
            told = {"region": "mask", "unit": "s", "note": ""}
            rows = [{**case.row, **told, "metric": one, "value": 1.5} for one in ("seconds", "pairs", "memory")]
            if case.weights:
                rows = [{**rows[0], "note": "no weights"}]
            done.append(Done(case, rows, None))
        return done

    monkeypatch.setattr(module, "compute", computed)
    monkeypatch.setattr(module.weights, "names", lambda: ["qsmnet", "qsmnet_plus", "deepqsm"])
    page = conduct("timing", Request(quick=True), tmp_path, command=COMMAND)
    assert page == tmp_path / "timing" / "index.html"
    return page.parent


def test_the_markdown_page_says_what_it_is_of(folder: Path) -> None:
    text = (folder / "timing.md").read_text()
    assert f"```text\n{COMMAND}\n```" in text
    assert "This is the quick study" in text
    assert "No weights in the package, left out: siqsm." in text
    assert "| tkd | 1.5 | 1.5 |" in text
    assert re.search(r"^- \d+ x \S", text, re.MULTILINE) and "- torch " in text
    for target in re.findall(r"\]\(([^)]+)\)", text):
        assert (folder / target).exists(), target


def test_its_figures_are_those_of_the_page(folder: Path) -> None:
    figures = sorted(folder.glob("*.webp"))
    assert [figure.stem for figure in figures] == ["timing_memory", "timing_pairs", "timing_seconds"]
    assert Image.open(figures[0]).size == (800, 450)
    assert (folder / "index.html").read_text().count("data:image/webp;base64,") == 3


def test_a_full_study_does_not_call_itself_quick(folder: Path) -> None:
    conduct("timing", Request(), folder.parent, command=COMMAND)
    assert "This is the quick study" not in (folder / "timing.md").read_text()
