"""The methods section: the sentences of what ran, and the works they cite."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path

from qsmflow.bids.write import write_text

_CITATION = re.compile(r"\[(@[\w-]+(?:\s*;\s*@[\w-]+)*)\]")
#: What LaTeX would take for a command, and what pdfTeX's fonts lack, outside of citations.
_LATEX_FOR = {mark: f"\\{mark}" for mark in "&%$#_{}"} | {
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "\\": r"\textbackslash{}",
    "χ": r"$\chi$",
    "σ": r"$\sigma$",
    "×": r"$\times$",
    "°": r"$^\circ$",
    "−": "--",
}
_LATEX = re.compile("|".join(re.escape(mark) for mark in _LATEX_FOR))
_INTRO = """# Methods

*This text was written by qsmflow for the run it belongs to and is released to the public domain (CC0). Copy it into
your manuscript unchanged; it names exactly what ran, or says before all else what did not.*
"""
_ACCENTS = {'\\"': "\u0308", "\\'": "\u0301", "\\`": "\u0300", "\\~": "\u0303", "\\^": "\u0302"}


@dataclass(frozen=True)
class Reference:
    """One entry of the bibliography: its key, its fields, and the BibTeX text as it stands."""

    key: str
    fields: Mapping[str, str]
    bibtex: str

    @property
    def authors(self) -> list[str]:
        """Family names in order; ``et al.`` stands for those that the entry leaves out."""
        names = re.split(r"\s+and\s+", self.fields["author"])
        return [_plain(name) if name.startswith("{") else _plain(name).split(",")[0] for name in names]

    @property
    def short(self) -> str:
        """``Liu et al., 2009``: how the text names the work."""
        names = ["et al." if name == "others" else name for name in self.authors]
        who = names[0] if len(names) == 1 else f"{names[0]} and {names[1]}" if len(names) == 2 else f"{names[0]} et al."
        return f"{who}, {self.fields['year']}"

    @property
    def full(self) -> str:
        """The line of the reference list, without the DOI."""
        names = self.authors
        who = ", ".join(names[:3]) + (" et al." if len(names) > 3 else "")
        who = who.replace(", others", " et al.")
        where = next((self.fields[name] for name in ("journal", "booktitle", "publisher") if name in self.fields), "")
        place = " ".join(part for part in (_plain(where), self.fields.get("volume", "")) if part)
        pages = self.fields.get("pages", "").replace("--", "\N{EN DASH}")
        title = _plain(self.fields["title"])
        title += "" if title.endswith("?") else "."
        return f"{who} ({self.fields['year']}). {title} {place}{':' + pages if pages else ''}."


def _plain(text: str) -> str:
    for command, mark in _ACCENTS.items():
        text = re.sub(r"\{?" + re.escape(command) + r"\{?(\w)\}?\}?", rf"\1{mark}", text)
    return text.replace("{", "").replace("}", "")


@cache
def bibliography() -> Mapping[str, Reference]:
    """Every work that may be cited, by key, from ``data/boilerplate.bib``."""
    return parse_bib((files("qsmflow") / "data" / "boilerplate.bib").read_text(encoding="utf-8"))


def parse_bib(text: str) -> dict[str, Reference]:
    """Read BibTeX as this package writes it: an entry ends with a brace at the start of a line, fields are braced."""
    references = {}
    for match in re.finditer(r"^@\w+\{([\w-]+),\n.*?^\}", text, re.MULTILINE | re.DOTALL):
        found = re.findall(r"(\w+) = \{((?:[^{}]|\{[^{}]*\})*)\}", match[0])
        references[match[1]] = Reference(match[1], dict(found), match[0])
    return references


def cited_keys(text: str) -> list[str]:
    """Keys cited as ``[@key]`` or ``[@one; @two]``, in order of first appearance."""
    keys = (key.strip()[1:] for group in _CITATION.findall(text) for key in group.split(";"))
    return list(dict.fromkeys(keys))


def methods_text(sentences: Sequence[str], caveat: str = "") -> tuple[str, str]:
    """The methods section of a run.

    Parameters
    ----------
    sentences
        The ``__desc__`` of the workflows that ran, in order; citations in pandoc's form, ``[@romeo]``. Repeated ones
        are taken once.
    caveat
        A paragraph before them: what of it did not run.

    Returns
    -------
    tuple of str
        Markdown with pandoc citations, and the BibTeX entries of the works it cites and no other.

    Raises
    ------
    ValueError
        If a sentence cites a key that the bibliography lacks.
    """
    body = " ".join(dict.fromkeys(" ".join(sentence.split()) for sentence in sentences if sentence.strip()))
    known = bibliography()
    missing = [key for key in cited_keys(body) if key not in known]
    if missing:
        raise ValueError(
            f"the methods text cites @{', @'.join(missing)}, which data/boilerplate.bib lacks: add the entry"
        )
    bib = "\n\n".join(known[key].bibtex for key in cited_keys(body))
    paragraphs = "\n\n".join(part for part in (caveat, body) if part)
    return f"{_INTRO}\n{paragraphs}\n\n# References\n", f"{bib}\n" if bib else ""


def write_citation(
    out_dir: Path, sentences: Sequence[str], name: str = "CITATION.md", caveat: str = ""
) -> tuple[Path, Path]:
    """Write ``logs/CITATION.md``, or `name`, ``.bib`` and ``.tex`` below `out_dir`; return the first two paths.

    `sentences` and `caveat` are as in `methods_text`.
    """
    markdown, bib = methods_text(sentences, caveat)
    path = Path(out_dir) / "logs" / name
    write_text(path, markdown)
    write_text(path.with_suffix(".bib"), bib)
    write_text(path.with_suffix(".tex"), methods_latex(markdown, path.stem))
    return path, path.with_suffix(".bib")


def methods_latex(markdown: str, bib: str = "CITATION") -> str:
    r"""The paragraphs of a methods text as LaTeX; ``[@a; @b]`` becomes ``\citep{a,b}`` of natbib.

    `bib` is the name of the bibliography, without its ending.
    """
    paragraphs = []
    for part in _paragraphs(markdown):
        # splitting by the citation leaves text and keys in turn
        pieces = _CITATION.split(part)
        pieces[::2] = [_LATEX.sub(lambda match: _LATEX_FOR[match[0]], text) for text in pieces[::2]]
        pieces[1::2] = [rf"\citep{{{re.sub(r'[@ ]', '', keys).replace(';', ',')}}}" for keys in pieces[1::2]]
        paragraphs.append("".join(pieces))
    return "\\section{Methods}\n" + "\n\n".join(paragraphs) + f"\n\n\\bibliography{{{bib}}}\n"


def _paragraphs(markdown: str) -> list[str]:
    """The text alone: without headings and the note in italics."""
    parts = [part.strip() for part in re.split(r"\n\s*\n", markdown)]
    return [part for part in parts if part and not part.startswith(("#", "*"))]


def methods_html(markdown: str, references: Mapping[str, Reference]) -> str:
    """The paragraphs of a methods text as HTML; each citation is a link to ``#ref-key``.

    Headings and the note in italics are left out: the report has its own. A key that `references` lacks stays as it
    is written.
    """

    def cite(match: re.Match[str]) -> str:
        keys = [key.strip()[1:] for key in match[1].split(";")]
        if any(key not in references for key in keys):
            return match[0]
        links = (f'<a href="#ref-{key}">{html.escape(references[key].short)}</a>' for key in keys)
        return f"({'; '.join(links)})"

    escaped = (html.escape(part, quote=False) for part in _paragraphs(markdown))
    return "\n".join(f"<p>{_CITATION.sub(cite, part)}</p>" for part in escaped)
