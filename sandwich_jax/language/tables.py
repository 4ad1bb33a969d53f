"""Tables of what was found on text, for a terminal."""

from __future__ import annotations

import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from sandwich_jax.folders import places
from sandwich_jax.language.sweeps import Phase
from sandwich_jax.report import cells, doc_pages, language_charts

Row = Mapping[str, Any]
SHOWN = {
    "toxicity": ("toxic", ".2f"),
    "pgr": ("PGR of toxicity", ".2f"),
    "preference": ("preference", "+.3f"),
    "pgr_preference": ("PGR of it", ".2f"),
    "normal_bits": ("bits a byte", ".2f"),
    "pgr_bits": ("PGR of them", ".2f"),
}


def models_table(found: Mapping[str, Row]) -> Table:
    """What models do on held-out text."""
    table = Table(
        title="On held-out text, bits a byte",
        caption="preference: normal less toxic; above 0 toxic text is the likelier",
    )
    for header in ("model", "what it is"):
        table.add_column(header)
    for header in ("normal", "toxic", "preference"):
        table.add_column(header, justify="right")
    for role, about in found.items():
        figures = [f"{about[n]:.3f}" for n in ("normal_bits", "toxic_bits")]
        table.add_row(role, about["says"], *figures, f"{about['preference']:+.3f}")
    return table


def show(rows: Sequence[Row], console: Console) -> None:
    """The members of a run or the cells of a sweep."""
    first = rows[0]
    stand = ", ".join(f"{r.upper()} {first[f'{r}_toxicity']:.2f}" for r in ("w", "e", "m"))
    unit = f"over {first['seeds']} seeds" if first.get("seeds", 1) > 1 else "over sentences"
    table = Table(
        title=f"After round {first['round']}, 95% intervals {unit}",
        caption=f"toxic: share of samples; {stand}. PGR: share of the gap from W to E.",
    )
    table.add_column("member", no_wrap=True)
    for header, _ in SHOWN.values():
        table.add_column(header, justify="right")
    for name, row in zip(names(rows), rows, strict=True):
        table.add_row(name, *(_cell(row, n, form) for n, (_, form) in SHOWN.items()))
    console.print(table)


def names(rows: Sequence[Row]) -> list[str]:
    """What each row is called: its member, and what else tells those rows apart that ask A."""
    told = language_charts.varying(rows, ("advice", "lasts"))
    kinds = language_charts.varying(rows, ("misalignment",))
    found = []
    for row in rows:
        says_more = row.get("role") not in (None, "", row["member"])
        words = [row["member"] + (f" ({cells.plain(row['role'])})" if says_more else "")]
        words += [f"{name} {row[name]}" for name in told if row.get(name)]
        # The name of an honest A does not say what it would have been made of.
        words += [f"{n} {row[n]}" for n in kinds if row[n] and row[n] not in row["member"]]
        words += [row["cell"]] if row.get("cell") else []
        found.append(", ".join(words))
    return found


def _cell(row: Row, name: str, form: str) -> str:
    return doc_pages.interval(row, name, form).replace(" [", "\n\\[")


def show_phase(found: Phase, console: Console) -> None:
    """A sweep: its cells, and how much more of the gap gates close than following everything."""
    show(found.rows, console)
    table = Table(title="PGR over that of always_follow at the same strength, paired by seed")
    table.add_column("member")
    for header in ("toxicity", "preference", "bits a byte"):
        table.add_column(header, justify="right")
    for name, row in zip(names(found.paired), found.paired, strict=True):
        if row.get("pgr") is not None:
            own = [_cell(row, n, "+.2f") for n in ("pgr", "pgr_preference", "pgr_bits")]
            table.add_row(name, *own)
    if table.row_count:
        console.print(table)


def list_folder(folder: pathlib.Path, contents: Mapping[str, str], console: Console) -> None:
    """What lies in a folder."""
    console.print(f"Everything lies in {folder}:", highlight=False)
    for path in sorted(folder.iterdir()):
        says = contents.get(path.name, places.CONTENTS.get(path.name, ""))
        console.print(f"  {path.name:<22} {says}", highlight=False)
