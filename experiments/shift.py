"""Which tuning narrows what W plays? Self-play alone, three objectives, one table of `shift`.

    python experiments/shift.py --data DATA --out runs/shift --page

W plays its copy and never asks, so that nothing but the objective differs: it imitates all that
it played, imitates what it played in games that it won, or follows the policy gradient (PPO).
Results are adjudicated, since games of this length hardly end by the rules. Interrupted, it goes
on where it was. DATA holds puzzles/puzzles.csv and games/test.pgn.zst.
"""

import dataclasses
import pathlib
from collections.abc import Mapping
from typing import Any

import tyro

from sandwich_jax.machine import console

console.start()  # before the imports below, which put arrays on a device

from sandwich_jax import Config
from sandwich_jax.evaluation import shift_table
from sandwich_jax.machine import display
from sandwich_jax.report import doc_pages
from sandwich_jax.running import run_folder
from sandwich_jax.training import corpus

OBJECTIVES: Mapping[str, float] = {"imitate": 2.5e-3, "imitate_wins": 2.5e-3, "ppo": 5e-4}
"""With their learning rates: that of runs, and a smaller one for the policy gradient, not tuned."""
PAGE = pathlib.Path(__file__).parents[1] / "docs" / "shift.md"


@dataclasses.dataclass(frozen=True)
class Shift:
    """Settings; the defaults made the table in docs/shift.md."""

    data: pathlib.Path
    out: pathlib.Path = pathlib.Path("runs/shift")
    rounds: int = 4
    games: int = 256
    updates: int = 160
    seed: int = 0
    count: int = 2000
    """Positions of each set."""
    page: bool = False
    """Write the tables into docs/shift.md."""


def config(args: Shift, objective: str) -> Config:
    """Self-play alone with an objective."""
    return Config(
        protocol="never_ask",
        objective=objective,
        results="adjudicated",
        rounds=args.rounds,
        games=args.games,
        updates=args.updates,
        learning_rate=OBJECTIVES[objective],
        final_openings=96,
        seed=args.seed,
    )


def main(args: Shift) -> None:
    """Tunes, then measures."""
    tuned, gains = [], {}
    for objective in OBJECTIVES:
        folder = args.out / objective
        with display.bar(objective) as bar:
            result = run_folder.run(
                config(args, objective), folder, wandb="disabled", progress=bar.update
            )
        gains[objective] = result.fit.difference("never_ask", "W")
        print(objective, gains[objective], flush=True)
        tuned.append(f"ckpt:{folder / 'networks' / 'never_ask'}")
    games = args.out / "test.npz"
    if not games.exists():
        corpus.build([args.data / "games" / "test.pgn.zst"], games, test_share=1.0)
    sets = ("openings", f"puzzles:{args.data / 'puzzles' / 'puzzles.csv'}", f"corpus:{games}")
    out = args.out / "shift.jsonl"
    rows = shift_table.show("zoo:weak", tuned, sets, "zoo:expert", args.count, out, console.OUT)
    if args.page:
        names = {"zoo:weak": "W", "zoo:expert": "E"} | dict(zip(tuned, OBJECTIVES, strict=True))
        made = [f"Elo over W in the arena (192 games): {_told(gains)}.", _table(rows, names)]
        doc_pages.fill(PAGE, "experiments/shift.py", "\n\n".join(made))


def _told(gains: Mapping[str, Any]) -> str:
    return ", ".join(f"`{name}` {gain}" for name, gain in gains.items())


def _table(rows: list[dict[str, Any]], names: Mapping[str, str]) -> str:
    """All phases together, a line for every set of positions and network."""
    figures = {
        "entropy": "entropy (nats)",
        "entropy_over_start": "entropy over W's (paired)",
        "kl_to_start": "KL to W (nats)",
        "top1_with_start": "same first move as W",
        "kl_to_expert": "KL to E (nats)",
        "top1_with_expert": "same first move as E",
    }
    lines = [
        (
            row["set"].partition(":")[0],
            names[row["player"]],
            *(doc_pages.interval(row, name, ".2f") for name in figures),
        )
        for row in rows
        if row["phase"] == "all"
    ]
    return doc_pages.table(("positions", "network", *figures.values()), lines)


if __name__ == "__main__":
    console.guarded(lambda: main(tyro.cli(Shift, description=__doc__)))
