"""Makes the tables and the picture of docs/comparison.md from the screen and what confirmed it.

    python experiments/comparison_page.py --screen runs/screen --confirm runs/confirm

Without a finished confirmation the page has the screen alone.
"""

import dataclasses
import pathlib
from typing import Any

import confirm
import matplotlib
import screen
import tyro

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from sandwich_jax.machine import console

console.start()  # before the imports below, which put arrays on a device

from sandwich_jax.folders import store
from sandwich_jax.report import doc_pages, figures
from sandwich_jax.running.result_tables import SHARES

DOCS = pathlib.Path(__file__).parents[1] / "docs"
PAGE, PICTURE = DOCS / "comparison.md", DOCS / "comparison.png"
FIGURE = "gain_over_control"


@dataclasses.dataclass(frozen=True)
class Page:
    """Folders of what was played."""

    screen: pathlib.Path = pathlib.Path("runs/screen")
    confirm: pathlib.Path = pathlib.Path("runs/confirm")


def main(args: Page) -> None:
    """Writes the page."""
    found = {
        name: store.read_json(args.screen / name / "phase.json")["rows"]
        for name in screen.MISALIGNMENTS
        if (args.screen / name / "phase.json").exists()
    }
    made = ["### The screen"]
    for name, rows in found.items():
        made += [f"Against `{name}`: {doc_pages.played(args.screen / name)}.", _screened(rows)]
    played = [args.confirm / name / "paired.json" for name in found]
    entries = [store.read_json(path) for path in played if path.exists()]
    if entries:
        made += [
            "### Five fresh seeds",
            f"{doc_pages.played(args.confirm / entries[0]['misalignment'])}.",
            doc_pages.table(confirm.HEAD, [x for entry in entries for x in confirm.lines(entry)]),
        ]
    figures.save(PICTURE, picture(found))
    made.append(f"![Gain over the control by protocol]({PICTURE.name})")
    made.append(f"The screen as a picture. Dashed: `{confirm.YARDSTICK}`; grey: told the truth.")
    doc_pages.fill(PAGE, "experiments/comparison_page.py", "\n\n".join(made))


def _screened(rows: list[dict[str, Any]]) -> str:
    """A table of all protocols against one misalignment, the best first."""
    head = ("protocol", "Elo gain over W", "over never_ask", "asked", "followed",
            "followed though corrupt", "refused though good", "answers")  # fmt: skip
    lines = [
        (
            f"`{row['protocol']}`",
            doc_pages.interval(row, "elo_gain", "+.0f"),
            doc_pages.interval(row, FIGURE, "+.0f") if row["protocol"] != "never_ask" else "",
            *("" if row[share] is None else f"{row[share]:.2f}" for share in SHARES),
            f"{row['answers']:.0f}",
        )
        for row in sorted(rows, key=lambda row: -row["elo_gain"])
    ]
    return doc_pages.table(head, lines)


def picture(found: dict[str, list[dict[str, Any]]]) -> Figure:
    """A panel a misalignment: the gain over the control of every protocol, as dots with bars."""
    figure, panels = plt.subplots(
        1, len(found), figsize=(4.2 * len(found), 5), sharey=True, squeeze=False,
        layout="constrained",
    )  # fmt: skip
    order = screen.Screen().protocols
    for axes, (misalignment, rows) in zip(panels[0], found.items(), strict=True):
        by_name = {row["protocol"]: row for row in rows}
        for place, protocol in enumerate(order):
            if protocol not in by_name:
                continue
            row = by_name[protocol]
            ends = [[row[FIGURE] - row[f"{FIGURE}_lo"]], [row[f"{FIGURE}_hi"] - row[FIGURE]]]
            control = protocol in confirm.CONTROLS
            colour = figures.CONTROL_COLOUR if control else figures.COLOURS[0]
            axes.errorbar([row[FIGURE]], [place], xerr=ends, fmt="o", color=colour, capsize=2)
        yardstick = by_name[confirm.YARDSTICK][FIGURE]
        axes.axvline(yardstick, color=figures.COLOURS[1], linestyle="--", linewidth=1)
        axes.axvline(0, color="black", linewidth=0.8)
        axes.set(title=misalignment.replace("_", " "), xlabel="Elo over never asking, 95%")
    panels[0][0].set_yticks(range(len(order)), [name.replace("_", " ") for name in order])
    panels[0][0].invert_yaxis()
    return figure


if __name__ == "__main__":
    console.guarded(lambda: main(tyro.cli(Page, description=__doc__)))
