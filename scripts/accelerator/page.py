"""`python -m scripts.accelerator.page ROWS...`: measured rows, told in docs/accelerator.md.

Rows of several calls on one machine make one table; without an argument it is made again from
docs/accelerator/.
"""

from __future__ import annotations

import pathlib
import sys

from sandwich_jax.folders import log
from sandwich_jax.report import doc_pages
from scripts.accelerator.stages import Row

DOCS = pathlib.Path(__file__).parents[2] / "docs"
PAGE, PLACE = DOCS / "accelerator.md", DOCS / "accelerator"
SCRIPT = "scripts/accelerator/page.py"
LEFT_OUT = {"stage", "at", "what", "batch", "members", "device", "peak_gib", "unit", "positions"}
"""Keys with a place of their own in the table, or in its heading."""


def main(given: list[str]) -> None:
    """Writes the rows and the table."""
    kept = PLACE / "measured.jsonl"
    if given:
        rows = [row for path in given for row in log.read_rows(pathlib.Path(path))]
        PLACE.mkdir(exist_ok=True)
        log.write_rows(kept, [row for row in rows if "skipped" not in row])
    rows = log.read_rows(kept)
    machine = next(row for row in rows if row["stage"] == "machine")
    lines = [line(row) for row in rows if row["stage"] != "machine"]
    table = doc_pages.table(("stage", "what", "at once", "figures"), lines)
    doc_pages.fill(PAGE, SCRIPT, f"{heading(machine)}\n\n{table}")
    print(PAGE)


def heading(machine: Row) -> str:
    """The device and the versions."""
    versions = ", ".join(f"{name} {v}" for name, v in machine["versions"].items() if v)
    return (
        f"{machine['device']}, {machine['cpus']} processors, Python {machine['python']};"
        f" {versions}; XLA flags `{machine['xla_flags']}`."
    )


def line(row: Row) -> tuple[str, ...]:
    """A row of the table."""
    told = {name: v for name, v in row.items() if name not in LEFT_OUT and v is not None}
    figures = ", ".join(f"{name} {number(value)}" for name, value in told.items())
    at_once = row.get("batch") or row.get("members") or row.get("positions") or ""
    unit = f" ({row['unit']})" if "unit" in row else ""
    count = f"{at_once:,}" if at_once else ""
    return row["stage"], f"{row.get('what', '')}{unit}", count, figures


def number(value: object) -> str:
    """A figure at three digits, whole where it is large."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if not isinstance(value, int | float):
        return str(value)
    return f"{value:,.0f}" if abs(value) >= 1000 or value == int(value) else f"{value:.3g}"


if __name__ == "__main__":
    main(sys.argv[1:])
