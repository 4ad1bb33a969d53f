"""The table of protocols on held-out misalignments, with knobs that tune_protocols.py fixed.

    python experiments/protocol_table.py --knobs runs/tuning/knobs.json --out runs/table

Nothing is chosen here. Without --knobs, protocols have their defaults. Interrupted, it goes on.
"""

import dataclasses
import json
import pathlib
from typing import Any

import tyro

from sandwich_jax import cli
from sandwich_jax.outside import display, pages, store, sweeps

HELD_OUT: dict[str, dict[str, Any]] = {
    "value_worst, per position": {"misalignment": "value_worst", "lasts": "position"},
    "subtle_loser, per position": {
        "misalignment": "borrow", "saboteur": "zoo:subtle_loser", "lasts": "position",
    },
}  # fmt: skip
UNTUNED = ("always_follow", "search_with_advice", "search_with_advised_value", "oracle_gate")
COLUMNS = ("pgr", "gain_over_control")
HEAD = ("held out", "protocol", "p", "PGR", "over control (Elo)", "asked", "followed")


@dataclasses.dataclass(frozen=True)
class Reported:
    """Settings."""

    knobs: pathlib.Path | None = None
    """From tune_protocols.py."""
    out: pathlib.Path = pathlib.Path("runs/table")
    p: tuple[float, ...] = (0.6,)
    rounds: int = 8
    games: int = 256
    seeds: int = 5
    openings: int = 192


def tuned(args: Reported) -> dict[str, dict[str, Any]]:
    """Every protocol with its knobs."""
    found = json.loads(args.knobs.read_text())["knobs"] if args.knobs else {}
    return {name: {} for name in UNTUNED} | found


def settings(args: Reported, protocol: str, knobs: dict[str, Any], held_out: str) -> dict:
    """The sweep of one protocol against one misalignment."""
    sizes = {"rounds": args.rounds, "games": args.games, "final_openings": args.openings}
    asked = {"protocol": protocol, "p": list(args.p), "seeds": args.seeds}
    return asked | sizes | knobs | HELD_OUT[held_out]


def line(held_out: str, row: dict[str, Any]) -> list[str]:
    """The cells of a row."""
    cells = [held_out, row["protocol"], f"{row['p']:g}"]
    cells += [pages.interval(row, name, ".2f") for name in COLUMNS]
    for name in ("asked", "followed"):
        cells.append("" if row[name] is None else f"{row[name]:.2f}")
    return cells


def main(args: Reported) -> None:
    """Runs and prints the table."""
    lines: list[list[str]] = []
    for held_out in HELD_OUT:
        for protocol, knobs in tuned(args).items():
            folder = args.out / held_out.partition(",")[0] / protocol
            with display.bar(f"{protocol}, {held_out}") as bar:
                given = settings(args, protocol, knobs, held_out)
                found, _ = sweeps.run(given, folder, wandb="disabled", progress=bar.update)
            rows = [row for row in found.rows if row["protocol"] == protocol]
            lines += [line(held_out, row) for row in rows]
            store.write_text(args.out / "table.md", pages.table(HEAD, lines) + "\n")
    print(pages.table(HEAD, lines))


if __name__ == "__main__":
    cli.guarded(lambda: main(tyro.cli(Reported, description=__doc__)))
