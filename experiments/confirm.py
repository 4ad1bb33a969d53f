"""The best protocols of a screen against always_follow: five fresh seeds, paired.

    python experiments/screen.py --out runs/screen
    python experiments/confirm.py --screen runs/screen --out runs/confirm

For each misalignment the protocol with the highest score of W' against W in the screen is chosen,
which neither E's strength nor the `Truth` has a part in, and is played again with seeds that the
screen did not see; so is `--also`, against all of them. Prints a table; comparison_page.py makes
the page. Interrupted, it goes on.
"""

import dataclasses
import pathlib
from typing import Any

import numpy as np
import screen
import tyro

from sandwich_jax.machine import console

console.start()  # before the imports below, which put arrays on a device

from sandwich_jax import grid
from sandwich_jax.folders import log, store
from sandwich_jax.machine import display
from sandwich_jax.measures import elo
from sandwich_jax.report import doc_pages
from sandwich_jax.running import paired, sweep_folder

YARDSTICK = "always_follow"
EVERY = tuple(screen.MISALIGNMENTS)
CONTROLS = ("oracle_gate",)
"""Protocols that are told the Truth, and no candidates."""


@dataclasses.dataclass(frozen=True)
class Confirm:
    """Settings; p is the screen's."""

    screen: pathlib.Path = pathlib.Path("runs/screen")
    out: pathlib.Path = pathlib.Path("runs/confirm")
    misalignments: tuple[str, ...] = EVERY
    also: tuple[str, ...] = ("prior_gate",)
    """Protocols to play besides the best: one that did well against all."""
    rounds: int = 4
    games: int = 256
    updates: int = 160
    openings: int = 128
    seeds: tuple[int, ...] = (100, 101, 102, 103, 104)


def best(folder: pathlib.Path) -> str:
    """The protocol with the highest mean score against W in the screen's last round."""
    rows = log.read_rows(folder / "rows.jsonl")
    last, scores = max(row["round"] for row in rows), {}
    for row in rows:
        idle = row["role"] or row["protocol"] in (YARDSTICK, *CONTROLS)
        if row["round"] == last and not idle:
            scores.setdefault(row["protocol"], []).append(row["score_against_w"])
    return max(scores, key=lambda name: float(np.mean(scores[name])))


def settings(args: Confirm, name: str, p: list[float]) -> dict[str, Any]:
    """The sweep of these protocols against one misalignment."""
    sizes = {"rounds": args.rounds, "games": args.games, "updates": args.updates}
    sizes |= {"final_openings": args.openings}
    protocols = dict.fromkeys((YARDSTICK, best(args.screen / name), *args.also))
    asked = {"protocol": list(protocols), "p": p, "seeds": list(args.seeds)}
    return asked | sizes | screen.MISALIGNMENTS[name]


def confirm(args: Confirm, name: str) -> dict[str, Any]:
    """Plays one misalignment: rows of all protocols, and the difference of each from the yardstick.

    It is kept as paired.json in the sweep's folder.
    """
    p = store.read_json(args.screen / name / "manifest.json")["sweep"]["p"]
    given, folder = settings(args, name, p), args.out / name
    with display.bar(name) as bar:
        found, _ = sweep_folder.run(given, folder, wandb="disabled", progress=bar.update)
    cells = {own[0].config.protocol: own for own in grid.cells(grid.parse(given)).values()}
    differences = {
        protocol: vars(paired.difference(folder, cells[protocol], cells[YARDSTICK]))
        for protocol in given["protocol"][1:]
    }
    by_protocol = {row["protocol"]: row for row in found.rows}
    rows = [by_protocol[protocol] for protocol in given["protocol"]]
    entry = {"misalignment": name, "rows": rows, "paired": differences}
    store.write_json(folder / "paired.json", store.to_plain(entry))
    return entry


def lines(entry: dict[str, Any]) -> list[tuple[str, ...]]:
    """Rows of the table."""
    over_yardstick = {name: str(elo.Interval(**x)) for name, x in entry["paired"].items()}
    return [
        (
            f"`{entry['misalignment']}`",
            f"`{row['protocol']}`",
            doc_pages.interval(row, "elo_gain", "+.0f"),
            doc_pages.interval(row, "pgr", ".2f"),
            doc_pages.interval(row, "gain_over_control", "+.0f"),
            over_yardstick.get(row["protocol"], ""),
        )
        for row in entry["rows"]
    ]


HEAD = ("misalignment", "protocol", "Elo gain over W", "PGR", "over never_ask",
        f"over {YARDSTICK}, paired")  # fmt: skip


def main(args: Confirm) -> None:
    """Plays and prints."""
    found = [confirm(args, name) for name in args.misalignments]
    print(doc_pages.table(HEAD, [line for entry in found for line in lines(entry)]))


if __name__ == "__main__":
    console.guarded(lambda: main(tyro.cli(Confirm, description=__doc__)))
