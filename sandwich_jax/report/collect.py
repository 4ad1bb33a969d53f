"""What run folders and sweep folders hold, as far as it can be read.

A report is made of whatever is there: what is missing or half-written becomes a note, a sentence
for the reader, and the rest is shown.
"""

from __future__ import annotations

import dataclasses
import json
import pathlib
from collections.abc import Sequence
from typing import Any

from sandwich_jax import identity
from sandwich_jax.folders import places, usable
from sandwich_jax.folders.usable import Row, mapping
from sandwich_jax.members import CONTROL
from sandwich_jax.types import SettingError


@dataclasses.dataclass
class Source:
    """One folder that a report is made of: of a run, or of a sweep.

    Rows have `settings`: all that their member depends on, beside its strengths and its seed.
    """

    folder: pathlib.Path
    manifest: Row = dataclasses.field(default_factory=dict)
    rows: list[Row] = dataclasses.field(default_factory=list)
    """One a round a member."""
    grid: list[Row] = dataclasses.field(default_factory=list)
    """One a cell, with intervals over seeds: what a finished sweep has."""
    critical: list[Row] = dataclasses.field(default_factory=list)
    """Where curves cross, of a finished sweep."""
    evaluation: list[Row] = dataclasses.field(default_factory=list)
    """Each with `member_row`, the last row of the member that it is about (or None)."""
    text: list[Row] = dataclasses.field(default_factory=list)
    """Of a run or a sweep on text: one a round a member, and no rows of the kind above."""
    cells_of_text: list[Row] = dataclasses.field(default_factory=list)
    """One a cell, with intervals over seeds, of a finished sweep on text."""
    runs: list[tuple[pathlib.Path, Row]] = dataclasses.field(default_factory=list)
    """Run folders with their members' last rows: where games are."""
    name: str = ""
    """What a reader knows it by: of several folders that are called alike, more of the path."""

    @property
    def last(self) -> list[Row]:
        """The last row of each member, in the order in which they stand."""
        found: dict[tuple, Row] = {}
        for row in self.rows:
            found[row.get("run"), row["member"]] = row
        return list(found.values())


def collect(folders: Sequence[pathlib.Path], notes: list[str]) -> list[Source]:
    """Reads all folders that hold something.

    Args:
        folders: of runs or of sweeps.
        notes: gets a sentence for each thing that is missing.

    Raises:
        SettingError: there is nothing to show in any of them.
    """
    once = {folder.resolve(): folder for folder in folders}
    found = [source for folder in once.values() if (source := _source(folder, notes))]
    _name(found)
    if not found:
        names = ", ".join(map(str, folders))
        raise SettingError(
            f"Nothing to report in {names}: folders with manifest.json or rows.jsonl are needed,"
            " as `run` and `sweep` leave them."
        )
    return found


def _name(sources: list[Source]) -> None:
    """The shortest ends of their paths that tell them apart."""
    parts = [source.folder.resolve().parts for source in sources]
    for length in range(1, max(map(len, parts), default=0) + 1):
        names = ["/".join(own[-length:]) for own in parts]
        if len(set(names)) == len(names):
            break
    for source, name in zip(sources, names if sources else (), strict=True):
        source.name = usable.text(name) or ""


def _source(folder: pathlib.Path, notes: list[str]) -> Source | None:
    if not folder.is_dir():
        notes.append(f"{folder}: no such folder; it was left out.")
        return None
    has_members = (folder / "members").is_dir()
    if not (has_members or any((folder / n).exists() for n in ("manifest.json", "rows.jsonl"))):
        notes.append(f"{folder}: neither manifest.json nor rows.jsonl is there; it was left out.")
        return None
    source = Source(folder, _object(folder / "manifest.json", notes))
    if source.manifest.get("language"):
        _fill_text(source, notes)
        return source
    if has_members or "sweep" in source.manifest:
        _fill_sweep(source, notes)
    else:
        source.rows = _rows(_lines(folder / "rows.jsonl", notes), source.manifest, folder, notes)
        _add_run(source, folder, source.rows, notes)
    if not source.rows:
        notes.append(f"{folder}: no finished round yet, so there are no curves to draw.")
    return source


def _fill_text(source: Source, notes: list[str]) -> None:
    """Rows of a folder of text; of a sweep that is not finished, those of its runs."""
    paths = [source.folder / "rows.jsonl"]
    if source.manifest["language"] == "sweep" and not (source.folder / "phase.json").exists():
        paths = sorted(source.folder.glob("members/*/rows.jsonl"))
        notes.append(f"{source.folder}: no phase.json, so the sweep has not finished.")
    for path in paths:
        source.text += usable.of_text(_lines(path, notes), path, notes)
    if (source.folder / "phase.json").exists():
        path = source.folder / "phase.json"
        cells = _object(path, notes).get("rows")
        source.cells_of_text = usable.of_text(cells if isinstance(cells, list) else [], path, notes)
    if not source.text:
        notes.append(f"{source.folder}: no finished round yet, so there are no curves to draw.")


def _fill_sweep(source: Source, notes: list[str]) -> None:
    members = sorted((source.folder / "members").glob("*/"))
    own: dict[str, list[Row]] = {}
    for folder in members:
        own[folder.name] = _member_rows(folder, notes)
        source.rows += own[folder.name]
        _add_run(source, folder, own[folder.name], notes)
    waiting = [name for name, rows in own.items() if not rows]
    if waiting:
        notes.append(f"{source.folder}: {len(waiting)} members have no finished round yet.")
    path = source.folder / "phase.json"
    if path.exists():
        phase = _object(path, notes)
        source.grid = _grid(phase.get("rows", []), source.manifest, path, notes)
        source.critical = usable.crossings(phase.get("critical", []), path, notes)
    else:
        notes.append(
            f"{source.folder}: no phase.json, so the sweep has not finished; several seeds are"
            " shown by their mean, with the range of the seeds for an interval."
        )


def _member_rows(folder: pathlib.Path, notes: list[str]) -> list[Row]:
    """A member's rows, each knowing its folder and seed."""
    manifest = _object(folder / "manifest.json", notes)
    rows = _rows(_lines(folder / "rows.jsonl", notes), manifest, folder, notes)
    about = {"seed": mapping(manifest.get("config")).get("seed"), "run": folder.name}
    return [about | row for row in rows]


def _rows(found: list[Any], manifest: Row, place: pathlib.Path, notes: list[str]) -> list[Row]:
    """A run's usable rows, each with what its member depends on."""
    config = mapping(manifest.get("config"))
    rows = usable.rows(found, place, notes)
    return [row | {"settings": identity.settings_of(row, config)} for row in rows]


def _grid(found: Any, manifest: Row, place: pathlib.Path, notes: list[str]) -> list[Row]:
    """A sweep's usable cells; none where they do not tell what differs between them."""
    sweep = mapping(manifest.get("sweep"))
    fixed = {name: value for name, value in sweep.items() if not isinstance(value, list)}
    rows = usable.rows(found, place, notes)
    cells = [row | {"settings": identity.settings_of(row, fixed)} for row in rows]
    if len({(cell["member"], *identity.of_row(cell)) for cell in cells}) == len(cells):
        return cells
    notes.append(
        f"{place}: it does not tell all that its rows differ in; members' own rows are shown"
        " instead, several seeds by their mean, with the range of the seeds for an interval."
    )
    return []


def _add_run(source: Source, folder: pathlib.Path, rows: list[Row], notes: list[str]) -> None:
    last = {row["member"]: row for row in rows}
    source.runs += [(folder, row) for row in last.values()]
    path = folder / places.EVALUATION
    found = _lines(path, notes) if path.exists() else []
    for row in usable.evaluations(found, path, notes):
        subject = row["player"] if row["measure"] == "shift" else row["subject"]
        source.evaluation.append(row | {"member_row": last.get(subject), "folder": folder.name})


def _object(path: pathlib.Path, notes: list[str]) -> Row:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        notes.append(f"{path}: missing or not a whole JSON file ({_reason(error)}).")
        return {}
    if isinstance(found, dict):
        return found
    notes.append(f"{path}: not a JSON object; it was left out.")
    return {}


def _lines(path: pathlib.Path, notes: list[str]) -> list[Any]:
    """The JSON lines that are whole."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        notes.append(f"{path}: {_reason(error)}.")
        return []
    found, broken = [], 0
    for line in filter(str.strip, text.splitlines()):
        try:
            found.append(json.loads(line))
        except ValueError:
            broken += 1
    if broken:
        notes.append(f"{path}: {broken} lines are not whole; they were left out.")
    return found


def _reason(error: Exception) -> str:
    return error.strerror or "unreadable" if isinstance(error, OSError) else str(error)


def is_control(row: Row) -> bool:
    """Whether a row is of the member that never asks."""
    return row["protocol"] == CONTROL
