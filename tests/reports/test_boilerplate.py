from __future__ import annotations

import re
import unicodedata
from pathlib import Path

import pytest

from qsmflow.reports.boilerplate import (
    bibliography,
    cited_keys,
    methods_html,
    methods_latex,
    methods_text,
    parse_bib,
    write_citation,
)

ROOT = Path(__file__).resolve().parents[2]
#: Works that docstrings name and no methods text cites.
NAMED = {"consensus", "dipole", "rc2"}


def test_the_bibliography_has_what_is_cited_and_no_more() -> None:
    sources = [path.read_text() for path in (ROOT / "qsmflow" / "workflows").glob("*.py")]
    cited = {key for source in sources for key in re.findall(r"(?<=[\[ ])@([\w-]+)(?=[;\]])", source)}
    assert set(bibliography()) == cited | NAMED


def test_bibliography_is_complete() -> None:
    known = bibliography()
    written = re.findall(r"^@\w+\{", (ROOT / "qsmflow" / "data" / "boilerplate.bib").read_text(), re.MULTILINE)
    assert len(written) == len(known), "a key stands there twice"
    for key, work in known.items():
        assert {"author", "title", "year", "doi"} <= set(work.fields), key
        assert re.fullmatch(r"10\.\d{4,}/\S+", work.fields["doi"]), key
        assert "{" not in work.full and "\\" not in work.full, key
        assert work.bibtex.count("{") == work.bibtex.count("}"), key
    dois = [work.fields["doi"].lower() for work in known.values()]
    assert len(dois) == len(set(dois))


@pytest.mark.parametrize(
    ("key", "short"),
    [("bet", "Smith, 2002"), ("laplacian", "Schofield and Zhu, 2003"), ("nibabel", "Brett et al., 2024")],
)
def test_short_names(key: str, short: str) -> None:
    assert bibliography()[key].short == short


def test_accents_become_letters() -> None:
    names = unicodedata.normalize("NFC", " ".join(bibliography()["skimage"].authors))
    assert names == "van der Walt Schönberger Nunez-Iglesias others"


def test_only_what_is_cited_is_in_the_bib() -> None:
    markdown, bib = methods_text(["Phase was\n unwrapped [@romeo; @mcpc3ds].", "B [@romeo].", "", "B [@romeo]."])
    assert "Phase was unwrapped [@romeo; @mcpc3ds]. B [@romeo].\n" in markdown
    assert markdown.count("B [@romeo].") == 1
    assert list(parse_bib(bib)) == ["romeo", "mcpc3ds"]


def test_a_missing_key_is_named() -> None:
    with pytest.raises(ValueError, match=r"cites @nobody1999, which data/boilerplate.bib lacks"):
        methods_text(["Something [@romeo; @nobody1999]."])


def test_what_did_not_run_is_told_first() -> None:
    markdown, _ = methods_text(["Phase was unwrapped [@romeo]."], "Nothing ran.")
    shown = methods_html(markdown, bibliography())
    assert shown.startswith("<p>Nothing ran.</p>") and "Nothing ran.\n\nPhase" in methods_latex(markdown)


def test_citation_files(tmp_path: Path) -> None:
    markdown, bib = write_citation(tmp_path, ["Unwrapped [@romeo]."])
    assert markdown == tmp_path / "logs" / "CITATION.md" and bib == tmp_path / "logs" / "CITATION.bib"
    assert cited_keys(markdown.read_text()) == list(parse_bib(bib.read_text())) == ["romeo"]


def test_html_links_citations_and_escapes() -> None:
    html = methods_html("# Methods\n\n*note*\n\nχ < 1 [@bet]. Unknown [@x].", bibliography())
    assert html == '<p>χ &lt; 1 (<a href="#ref-bet">Smith, 2002</a>). Unknown [@x].</p>'


def test_latex_cites_by_key_and_escapes_the_rest() -> None:
    text = methods_latex("# Methods\n\n*note*\n\nχ by 5 % and a_b [@qsm_net; @two].\n\n# References\n")
    assert text == (
        "\\section{Methods}\n"
        r"$\chi$ by 5 \% and a\_b \citep{qsm_net,two}."
        "\n\n\\bibliography{CITATION}\n"
    )
