"""The sections that tell: summary, acquisition, numbers, errors, methods, how to run it again."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import nibabel as nib

from qsmflow.bids.naming import OUTPUTS
from qsmflow.core.geometry import obliquity
from qsmflow.reports.blocks import Block, Cards, Code, Details, Html, Items, Note, Section, Table
from qsmflow.reports.boilerplate import bibliography, cited_keys, methods_html, methods_latex, parse_bib
from qsmflow.reports.collect import Found, HeadFiles, SeriesFiles, series_b0
from qsmflow.reports.consensus import SUPPLIED, supplied_field
from qsmflow.reports.record import RunRecord, citation_name
from qsmflow.reports.titles import chi_kinds, title_of
from qsmflow.reports.words import counted, measure_title

#: Of a run that was killed, or goes on.
UNFINISHED = "The run did not end: what it did not come to is missing or of an earlier one. Its command goes on there."


def _all_files(heads: Iterable[HeadFiles]) -> list[Found]:
    groups = [g for h in heads for g in (h.shared, h.transforms, *(d for s in h.series for d in (s.native, s.moved)))]
    return [found for group in groups for found in group.values()]


def summary_section(
    heads: Sequence[HeadFiles],
    subject: str,
    run: RunRecord | None,
    numbers: Mapping[str, str],
    earlier: Sequence[Path] = (),
    records: Mapping[str, RunRecord] | None = None,
) -> Section:
    """What was found, what ran, what was skipped and why, with which versions.

    `earlier` are files left out; `records` those of the runs that computed the heads, by name.
    """
    section = Section("summary", "Summary")
    series = [one for head in heads for one in head.series]
    kinds = sorted(
        {
            title_of(kind)
            for head in heads
            for files in (head.shared, *(s.native for s in head.series))
            for kind in chi_kinds(files)
        }
    )
    b0 = sorted({f"{float(t):.3g}" for one in series if (t := one.value("MagneticFieldStrength")) is not None})
    voxels = sorted({voxel_size_text(one) for one in series if one.native})
    section.blocks.append(
        Cards(
            [
                ("Series", str(len(series)), f"in {counted(len(heads), 'head', 'heads')}"),
                ("B0", ", ".join(b0) or "not stated", "T" if b0 else ""),
                ("Voxel", ", ".join(voxels) or "unknown", "mm"),
                ("Brain mask", numbers.get("Brain mask (ml)", "none"), "ml, first series"),
                *_eroded(numbers),
                ("χ maps", str(len(kinds)), ", ".join(kinds)),
            ]
        )
    )
    section.blocks += _run_blocks(subject, run, _not_computed(series))
    section.blocks += _other_runs(run, records or {})
    if earlier:
        section.blocks.append(Items("From an earlier run, left out here", [path.name for path in earlier]))
    warnings = _warnings(heads)
    section.blocks.append(Items(f"Warnings ({len(warnings)})" if warnings else "Warnings", warnings or [_none(run)]))
    if limits := _limits(heads):
        section.blocks.append(Items("Limits of the networks", limits))
    section.blocks.append(_ran_table(heads))
    section.blocks += _versions(heads)
    return section


def _none(run: RunRecord | None) -> str:
    """What stands where nothing is told to have gone wrong: only a run that ended can say that nothing did."""
    if run is None:
        return "not known: no run record"
    return "none" if run.finished else "none so far: the run did not end"


def _eroded(numbers: Mapping[str, str]) -> list[tuple[str, str, str]]:
    """The card of what background removal took; none where it did not run."""
    lost = numbers.get("Lost to erosion (%)")
    return [] if lost is None else [("Eroded", lost, "% of the brain mask, first series")]


def of_subject(subject: str, *texts: str) -> bool:
    """Whether `texts` (a series, a node, a file) speak of `subject`, or of no subject at all."""
    named = [label for text in texts for label in re.findall(r"sub[-_]([A-Za-z0-9]+)", text)]
    return not named or subject in named


def moment(iso: str) -> str:
    """ISO 8601 ``2026-01-31T10:00:00.5+00:00`` as ``2026-01-31 10:00:00 UTC``; other zones keep their offset."""
    text = re.sub(r"(T\d\d:\d\d:\d\d)\.\d+", r"\1", iso).replace("T", " ", 1)
    return text.replace("+00:00", " UTC")


def _run_blocks(subject: str, run: RunRecord | None, not_computed: Sequence[str]) -> list[Block]:
    if run is None:
        return [Note("No run record was found beside the derivatives: what was skipped or failed cannot be told.")]
    errors = [error for error in run.errors if of_subject(subject, *error)]
    told = f"qsmflow {run.version}, started {moment(run.started)}, "
    if run.finished:
        told += f"finished {moment(run.finished)}; {counted(run.executed, 'node', 'nodes')} executed, "
        told += f"{run.cached} taken from an earlier run."
    else:
        told += "not finished."
    blocks: list[Block] = [Note(told)]
    if not run.finished:
        blocks.append(Note(UNFINISHED, "bad"))
    if errors:
        blocks.append(Note(f"{counted(len(errors), 'node', 'nodes')} failed: see Errors and warnings.", "bad"))
    if run.found:
        blocks.append(Items("Found", [text for text in run.found if of_subject(subject, text)]))
    skipped = [f"{who}: {why}" for who, why in run.skipped if of_subject(subject, who)]
    blocks.append(Items("Skipped", [*skipped, *not_computed] or ["nothing"]))
    return blocks


def _not_computed(series: Sequence[SeriesFiles]) -> list[str]:
    """The stages that were left out because what they make was supplied, and of which series."""
    left_out: dict[str, list[str]] = {}
    for one in series:
        field = supplied_field(one)
        if field:
            stages = "Unwrapping, field fit and background removal" if field == "local" else "Unwrapping and field fit"
            left_out.setdefault(f"{stages}: the {field} field was supplied", []).append(one.name)
        told = one.native["brain"].sidecar if "brain" in one.native else {}
        if SUPPLIED in {stage.get("Method") for stage in (told, *(told.get("StagesBefore") or []))}:
            left_out.setdefault("Brain extraction: the mask was supplied", []).append(one.name)
    return [f"{what} ({', '.join(of)})" for what, of in left_out.items()]


def _other_runs(run: RunRecord | None, records: Mapping[str, RunRecord]) -> list[Block]:
    """Which heads another run computed than that of the page."""
    told = [
        f"{head}: by the run started {moment(record.started)}; its methods text is logs/{citation_name(record)}"
        for head, record in records.items()
        if run is not None and record.started != run.started
    ]
    return [Items("Computed by another run", told)] if told else []


def _ran_table(heads: Sequence[HeadFiles]) -> Table:
    rows: dict[str, tuple[set[str], int, str]] = {}
    for found in _all_files(heads):
        methods, count, _ = rows.get(found.kind, (set(), 0, ""))
        if method := found.sidecar.get("Method"):
            methods.add(str(method))
        told = str(
            found.sidecar.get("Description") or (OUTPUTS[found.kind].description if found.kind in OUTPUTS else "")
        )
        rows[found.kind] = (methods, count + 1, told)
    order = [*OUTPUTS, *sorted(set(rows) - set(OUTPUTS))]
    table = [
        [title_of(k), t, ", ".join(sorted(m)) or "not stated", str(n)]
        for k in order
        if k in rows
        for m, n, t in [rows[k]]
    ]
    return Table("What was computed", ["Output", "What it is", "Method", "Files"], table)


def _versions(heads: Sequence[HeadFiles]) -> list[Block]:
    versions: dict[str, set[str]] = {}
    devices = set()
    for found in _all_files(heads):
        stated = found.sidecar.get("Software")
        for name, version in stated.items() if isinstance(stated, dict) else ():
            versions.setdefault(str(name), set()).add(str(version))
        if device := found.sidecar.get("Device"):
            devices.add(str(device))
    rows = [[name, ", ".join(sorted(found))] for name, found in sorted(versions.items())]
    rows += [["device", ", ".join(sorted(devices))]] if devices else []
    return [Details("Software versions", [Table("Software", ["Name", "Version"], rows)])] if rows else []


def voxel_size_text(series: SeriesFiles) -> str:
    """Voxel size of a series as ``1 × 1 × 2``."""
    zooms = nib.load(next(iter(series.native.values())).path).header.get_zooms()[:3]
    return " × ".join(f"{float(size):.3g}" for size in zooms)


def acquisition_section(heads: Sequence[HeadFiles]) -> Section:
    """Echo times, field strength, voxels and orientation of every series, as sidecars and headers state them."""
    rows = []
    for one in (one for head in heads for one in head.series if one.native):
        image = nib.load(next(iter(one.native.values())).path)
        te, b0 = one.value("EchoTime", "EchoTimes"), one.value("MagneticFieldStrength")
        rows.append(
            [
                one.name,
                ", ".join(f"{1000 * float(t):.4g}" for t in (te if isinstance(te, list) else [te]))
                if te is not None
                else "not stated",
                f"{float(b0):.4g}" if b0 is not None else "not stated",
                " × ".join(str(n) for n in image.shape[:3]),
                voxel_size_text(one),
                "".join(nib.aff2axcodes(image.affine)),
                f"{obliquity(image.affine):.1f}",
                ", ".join(f"{float(c):+.3f}" for c in series_b0(one)),
            ]
        )
    columns = ["Series", "TE (ms)", "B0 (T)", "Matrix", "Voxel (mm)", "Axes", "Oblique by (°)", "B0 in voxel axes"]
    return Section("acquisition", "Acquisition", [Table("Acquisition of each series", columns, rows)])


def numbers_section(
    measured: Mapping[str, Mapping[str, str]], shared: Mapping[str, Mapping[str, str]], heads: Sequence[HeadFiles]
) -> Section:
    """What the maps measure, a column a series (`measured`) or head (`shared`), and what each stage told of itself."""
    blocks: list[Block] = [_numbers_table("Measured on the maps of each series", measured)] if measured else []
    if shared:
        blocks.append(_numbers_table("Measured in the reference frame", shared))
    told: dict[tuple[str, str, str], list[str]] = {}
    for found in _all_files(heads):
        for key, value in _flat(found.sidecar.get("Measured") or {}):
            told.setdefault((_where(found), key, value), []).append(title_of(found.kind))
    if told:
        rows = [[where, ", ".join(kinds), measure_title(key), value] for (where, key, value), kinds in told.items()]
        table = Table("Reported by the stages", ["Series", "Output", "Measure", "Value"], rows)
        blocks.append(Details("Reported by the stages", [table]))
    return Section("numbers", "Numbers", blocks)


def _numbers_table(caption: str, measured: Mapping[str, Mapping[str, str]]) -> Table:
    rows = list(dict.fromkeys(row for numbers in measured.values() for row in numbers))
    cells = [[row, *(numbers.get(row, "") for numbers in measured.values())] for row in rows]
    return Table(caption, ["Measure", *measured], cells)


def _where(found: Found) -> str:
    return "_".join(f"{key}-{value}" for key, value in found.entities.items() if key not in ("desc", "mode"))


def _flat(measured: Mapping[str, Any], within: str = "") -> Iterator[tuple[str, str]]:
    """Name and value of each measure as text; what a measure holds itself stands behind its name."""
    for key, value in measured.items():
        tables = [one for one in (value if isinstance(value, list) else [value]) if isinstance(one, dict)]
        for table in tables:
            yield from _flat(table, f"{within}{key}, ")
        if not tables:
            yield f"{within}{key}", _plain(value)


def _plain(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list) and len(value) > 6:
        return f"{_plain(value[0])} … {_plain(value[-1])} ({len(value)} values)"
    if isinstance(value, list):
        return ", ".join(_plain(item) for item in value)
    return str(value)


def _warnings(heads: Sequence[HeadFiles]) -> list[str]:
    """What the sidecars warn of, each text once, with the files that it is of."""
    warnings: dict[str, list[str]] = {}
    for found in _all_files(heads):
        for text in found.warnings:
            warnings.setdefault(text, []).append(f"{_where(found)} {title_of(found.kind)}")
    return [f"{text} ({', '.join(of)})" for text, of in warnings.items()]


def _limits(heads: Sequence[HeadFiles]) -> list[str]:
    """What the networks that were used are not for, as their cards and hence the sidecars say."""
    told = [
        f"{title_of(found.kind)}, weights {name}: {limits}"
        for found in _all_files(heads)
        for name, limits in (found.sidecar.get("Limits") or {}).items()
    ]
    return list(dict.fromkeys(told))


def errors_section(heads: Sequence[HeadFiles], subject: str, run: RunRecord | None) -> Section:
    """Nodes that failed, with their crash files, and warnings that stages left in their sidecars."""
    section = Section("errors", "Errors and warnings")
    if run is None:
        section.blocks.append(Note("Which nodes failed is not known: no run record."))
    elif not run.finished:
        section.blocks.append(Note(UNFINISHED, "bad"))
    errors = [[node, file] for node, file in (run.errors if run else ()) if of_subject(subject, node, file)]
    if errors:
        section.blocks.append(Table("Nodes that failed", ["Node", "Crash file"], errors))
    if warnings := _warnings(heads):
        section.blocks.append(Items("Warnings", warnings))
    if not section.blocks:
        section.blocks.append(Note("None were recorded."))
    return section


def methods_section(out_dir: Path, run: RunRecord | None = None) -> Section:
    """The methods text of `run`, or else ``logs/CITATION.md``, with its references, and the BibTeX to copy."""
    section = Section("methods", "Methods")
    source = out_dir / "logs" / "CITATION.md"
    if run is not None and (own := source.with_name(citation_name(run))).exists():
        source = own
    if not source.exists():
        section.blocks.append(Note("No methods text was written: logs/CITATION.md is missing."))
        return section
    markdown = source.read_text(encoding="utf-8")
    bib = source.with_suffix(".bib").read_text(encoding="utf-8") if source.with_suffix(".bib").exists() else ""
    references = {**bibliography(), **parse_bib(bib)}
    section.blocks.append(Html(methods_html(markdown, references)))
    items = []
    for key in (key for key in cited_keys(markdown) if key in references):
        work, doi = references[key], html.escape(references[key].fields.get("doi", ""))
        link = f' <a href="https://doi.org/{doi}">doi:{doi}</a>' if doi else ""
        items.append(f'<li id="ref-{key}">{html.escape(work.full)}{link}</li>')
    if items:
        section.blocks.append(Html(f'<h3 id="references">References</h3><ol class="references">{"".join(items)}</ol>'))
    copy: list[Block] = [Code("Markdown", markdown), Code("LaTeX", methods_latex(markdown, source.stem))]
    copy += [Code("BibTeX", bib)] if bib else []
    section.blocks.append(Details("Markdown, LaTeX and BibTeX to copy", copy))
    return section


def rerun_section(run: RunRecord | None) -> Section:
    """The command, and the TOML that ``--config-file`` replays."""
    section = Section("rerun", "How to run it again")
    if run is None:
        section.blocks.append(Note("No run record was found beside the derivatives."))
        return section
    section.blocks.append(Code("Command", run.command))
    if run.toml:
        section.blocks.append(Details("Configuration", [Code("TOML, for --config-file", run.toml)]))
    return section
