"""The table of protocols on held-out misalignments, with knobs that tune_protocols.py fixed.

    python experiments/protocol_table.py --knobs runs/tuning/knobs.json --out runs/table --page

Nothing is chosen here. Without --knobs, protocols have their defaults; --page writes the tables
into docs/held_out.md. Interrupted, it goes on.
"""

import dataclasses
import json
import pathlib
from collections.abc import Mapping
from typing import Any

import screen
import tune_protocols
import tyro

from sandwich_jax.machine import console

console.start()  # before the imports below, which put arrays on a device

from sandwich_jax.machine import display
from sandwich_jax.report import doc_pages
from sandwich_jax.running import sweep_folder
from sandwich_jax.running.result_tables import SHARES

PAGE = pathlib.Path(__file__).parents[1] / "docs" / "held_out.md"
HELD_OUT = {name: screen.MISALIGNMENTS[name] for name in ("value_worst", "subtle_loser")}
UNTUNED = ("always_follow", "search_with_advice", "search_with_advised_value", "oracle_gate")
HEAD = ("protocol", "knobs", "Elo gain over W", "PGR", "over never_ask",
        *(name.replace("_", " ") for name in SHARES))  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Reported:
    """Settings."""

    knobs: pathlib.Path | None = None
    """From tune_protocols.py."""
    out: pathlib.Path = pathlib.Path("runs/table")
    held_out: tuple[str, ...] = tuple(HELD_OUT)
    untuned: tuple[str, ...] = UNTUNED
    """Protocols without a knob to fix; the searches are the slowest of all."""
    p: float = 0.6
    rounds: int = 2
    games: int = 192
    updates: int = 120
    seeds: tuple[int, ...] = (200, 201, 202)
    """No other script has these."""
    openings: int = 64
    page: bool = False


def fixed(args: Reported) -> dict[str, Any]:
    """What tune_protocols.py found."""
    return json.loads(args.knobs.read_text()) if args.knobs else {"knobs": {}, "scores": {}}


def tuned(args: Reported) -> dict[str, dict[str, Any]]:
    """Every protocol with its knobs."""
    return {name: {} for name in args.untuned} | fixed(args)["knobs"]


def settings(args: Reported, protocol: str, knobs: dict[str, Any], held_out: str) -> dict:
    """The sweep of one protocol against one misalignment."""
    sizes = {"rounds": args.rounds, "games": args.games, "updates": args.updates}
    sizes |= {"round_openings": args.openings, "final_openings": args.openings}
    asked = {"protocol": protocol, "p": [args.p], "seeds": list(args.seeds)}
    return asked | sizes | knobs | HELD_OUT[held_out]


def played(args: Reported, held_out: str) -> list[list[str]]:
    """Plays one misalignment: the lines of its table, best first.

    All protocols share a folder, and so the games of never_ask.
    """
    folder, found = args.out / held_out, {}
    for protocol, knobs in tuned(args).items():
        with display.bar(f"{protocol}, {held_out}") as bar:
            given = settings(args, protocol, knobs, held_out)
            done, _ = sweep_folder.run(given, folder, wandb="disabled", progress=bar.update)
        rows = {row["protocol"]: row for row in done.rows}
        found |= {name: (rows[name], knobs) for name in (protocol, "never_ask")}
    found["never_ask"] = (found["never_ask"][0], {})
    ordered = sorted(found.values(), key=lambda pair: -pair[0]["elo_gain"])
    return [line(row, knobs) for row, knobs in ordered]


def line(row: Mapping[str, Any], knobs: Mapping[str, Any]) -> list[str]:
    """The cells of a row."""
    told = ", ".join(f"`{name}` {value:g}" for name, value in knobs.items())
    cells = [f"`{row['protocol']}`", told, doc_pages.interval(row, "elo_gain", "+.0f")]
    cells.append(doc_pages.interval(row, "pgr", ".2f"))
    control = row["protocol"] == "never_ask"
    cells.append("" if control else doc_pages.interval(row, "gain_over_control", "+.0f"))
    return cells + ["" if row[name] is None else f"{row[name]:.2f}" for name in SHARES]


def choices(scores: Mapping[str, list[Mapping[str, float]]]) -> str:
    """The table of what was tried while tuning."""
    lines = []
    for protocol, tried in scores.items():
        cells = []
        for values in sorted(tried, key=lambda one: -one["score_against_w"]):
            own = [f"{values[name]:g}" for name in tune_protocols.GRID[protocol]]
            cells.append(f"{', '.join(own)}: {values['score_against_w']:.3f}")
        names = ", ".join(f"`{name}`" for name in tune_protocols.GRID[protocol])
        lines.append((f"`{protocol}`", names, "; ".join(cells)))
    head = ("protocol", "knobs", "values: mean score of W' against W, the chosen one first")
    return doc_pages.table(head, lines)


def main(args: Reported) -> None:
    """Plays, prints and writes."""
    parts = []
    if args.knobs:
        parts.append(f"### Tuned on development misalignments\n\n{choices(fixed(args)['scores'])}")
    for held_out in args.held_out:
        table = doc_pages.table(HEAD, played(args, held_out))
        sizes = doc_pages.played(args.out / held_out)
        parts.append(f"### Held out: `{held_out}`, per position\n\n{sizes}.\n\n{table}")
    made = "\n\n".join(parts)
    print(made)
    if args.page:
        doc_pages.fill(PAGE, "experiments/protocol_table.py", made)


if __name__ == "__main__":
    console.guarded(lambda: main(tyro.cli(Reported, description=__doc__)))
