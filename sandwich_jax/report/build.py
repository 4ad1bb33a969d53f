"""The verb `report`: run folders in, one HTML page and its figures out."""

from __future__ import annotations

import pathlib
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from rich.console import Console
from rich.markup import escape

from sandwich_jax import identity, outputs
from sandwich_jax.folders.usable import mapping
from sandwich_jax.machine.screen import Screen
from sandwich_jax.members import strengths_in
from sandwich_jax.report import (
    cells,
    charts,
    evaluation_charts,
    figures,
    language_charts,
    page,
    watch,
)
from sandwich_jax.report.cells import plain
from sandwich_jax.report.collect import Row, Source, collect, is_control
from sandwich_jax.report.settings import ReportConfig
from sandwich_jax.report.spec import short, to_json
from sandwich_jax.types import SettingError

MOST_NOTES = 10
"""So many are printed; the page has more."""
PAGE, FIGURES = "report.html", "figures"
RESULTS = ("elo_gain", "pgr", "gain_over_control", "a_elo", "e_elo")
"""Columns of the table of results that have intervals."""


DEFAULT = ReportConfig()


class Report(NamedTuple):
    """What was written."""

    page: pathlib.Path
    figures: list[pathlib.Path]
    notes: list[str]
    """A sentence for each thing that was missing."""


def report(
    folders: Sequence[pathlib.Path],
    out: pathlib.Path | None = None,
    config: ReportConfig = DEFAULT,
    told: Callable[[str], None] = lambda text: None,
) -> Report:
    """Writes the report of run folders and sweep folders.

    Args:
        folders: of runs or sweeps, also unfinished ones.
        out: the page; by default report.html in the first folder.
        config: static settings.
        told: told what is being done.

    Raises:
        SettingError: there is nothing to show in any of the folders.
    """
    notes: list[str] = []
    if out is not None:
        _check(out, folders, config)
    told("reading")
    sources = collect(folders, notes)
    if out is None:
        out = sources[0].folder / PAGE
        _check(out, (), config)
    made = [*charts.of_rows(sources), *evaluation_charts.of_evaluation(sources)]
    made += language_charts.of_sources(sources, beside=bool(made))
    told("games")
    games = watch.games_of(sources, config.games, notes)
    told("page")
    page.write(out, data(sources, [to_json(chart) for chart in made], games, notes))
    drawn: list[pathlib.Path] = []
    if config.figures:
        told("figures")
        drawn = figures.write(out.parent / FIGURES, made)
    return Report(out, drawn, notes)


def _check(out: pathlib.Path, folders: Sequence[pathlib.Path], config: ReportConfig) -> None:
    """Raises SettingError where the page or its figures cannot be written, or would be read."""
    if out.is_dir():
        raise SettingError(f"{out} is a folder: --out names the page, such as {out / PAGE}.")
    # A page of an earlier call is no input, wherever it lies.
    inside = [f for f in folders if f.resolve() in out.resolve().parents]
    inputs = [out] if inside and out.suffix.lower() not in (".html", ".htm") else []
    outputs.check_file(out, inputs if out.exists() else (), "--out")
    if config.figures:
        outputs.check_folder(out.parent / FIGURES, "figures")


def data(
    sources: Sequence[Source], drawn_charts: list[dict], games: list[dict], notes: list[str]
) -> dict[str, Any]:
    """All that the page holds, as JSON."""
    return {
        "title": ", ".join(source.name for source in sources),
        "notes": notes,
        "results": [*_results(cells.cells(sources)), *language_charts.results(sources)],
        "critical": [_crossing(e, source) for source in sources for e in source.critical],
        "charts": drawn_charts,
        "games": games,
        "settings": [_settings(source) for source in sources],
    }


def _results(rows: Sequence[Row]) -> list[dict[str, Any]]:
    varied = [name for name in cells.differing(rows) if name != "source"]
    return [_result(row) | {"settings": ", ".join(cells.words(row, varied))} for row in rows]


def _crossing(entry: Row, source: Source) -> dict[str, Any]:
    """A crossing with the settings that tell its curve from others of its sweep."""
    varied = [n for n in identity.fields() if n not in identity.KINDS]
    varied = [n for n in identity.varied(source.critical, varied) if entry.get(n) is not None]
    told = [f"{plain(name)} {identity.text(entry[name])}" for name in varied]
    strengths = [name for name in strengths_in([entry]) if entry.get(name) is not None]
    told += [f"{name} = {identity.text(entry[name])}" for name in strengths]
    kept = ("protocol", "misalignment", "strength", "gain_over_control_0", "pgr_half")
    found = {name: entry.get(name) for name in kept}
    return found | {"settings": ", ".join(told)}


def _result(row: Row) -> dict[str, Any]:
    found: dict[str, Any] = {
        "member": row["member"],
        "source": row["source"],
        "misalignment": plain(row["misalignment"]),
        "round": row["round"],
        "seeds": row.get("seeds", 1),
        "in_regime": row.get("in_regime"),
        "verdict": row.get("pgr_verdict"),
    }
    for name in RESULTS:
        ends = (name, f"{name}_lo", f"{name}_hi")
        idle = is_control(row) and name in ("a_elo", "gain_over_control")
        found[name] = [None if idle else short(row.get(column)) for column in ends]
    return found


def _settings(source: Source) -> dict[str, Any]:
    """A table of settings, and one of what it ran on."""
    manifest = source.manifest
    settings = mapping(manifest.get("config")) or mapping(manifest.get("sweep"))
    about = {k: v for k, v in manifest.items() if k not in ("config", "sweep", "versions")}
    return {
        "name": source.name,
        "settings": {k: _text(v) for k, v in settings.items()},
        "about": {k: _text(v) for k, v in about.items()},
        "versions": {k: _text(v) for k, v in mapping(manifest.get("versions")).items()},
    }


def _text(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(_text, value))
    return identity.text(value)


def show(
    folders: Sequence[pathlib.Path],
    out: pathlib.Path | None,
    config: ReportConfig,
    console: Console,
) -> Report:
    """Writes a report, then says where it is and what was missing."""
    with Screen(stderr=True).status("Report") as status:
        made = report(folders, out, config, lambda text: status.update(escape(f"Report: {text}")))
    hidden = len(made.notes) - MOST_NOTES
    more = [f"The page has {hidden} more such notes."] if hidden > 0 else []
    for note in [*made.notes[:MOST_NOTES], *more]:
        console.print(note, highlight=False, markup=False, soft_wrap=True)
    size = made.page.stat().st_size / 1e6
    console.print(f"{made.page} ({size:.1f} MB): open it in a browser.", highlight=False,
                  markup=False, soft_wrap=True)  # fmt: skip
    if made.figures:
        folder = made.figures[0].parent
        console.print(f"{folder}: {len(made.figures)} figures, PNG and SVG.", highlight=False,
                      markup=False, soft_wrap=True)  # fmt: skip
    return made
