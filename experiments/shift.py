"""Which tuning narrows what W plays? Self-play alone, three objectives, one table of `shift`.

    python experiments/shift.py --data DATA --out runs/shift

W plays its copy and never asks, so that nothing but the objective differs: it imitates all that
it played, imitates what it played in games that it won, or follows the policy gradient (PPO).
Results are adjudicated, since games of this length hardly end by the rules. Interrupted, it goes
on where it was. DATA holds puzzles/puzzles.csv and games/test.pgn.zst.
"""

import dataclasses
import pathlib

import tyro

from sandwich_jax import Config, cli
from sandwich_jax.outside import display, runs, shift
from sandwich_jax.training import corpus

OBJECTIVES = ("imitate", "imitate_wins", "ppo")


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


def config(args: Shift, objective: str) -> Config:
    """Self-play alone with an objective."""
    return Config(
        protocol="never_ask",
        objective=objective,
        results="adjudicated",
        rounds=args.rounds,
        games=args.games,
        updates=args.updates,
        final_openings=96,
        seed=args.seed,
    )


def main(args: Shift) -> None:
    """Tunes, then measures."""
    tuned = []
    for objective in OBJECTIVES:
        folder = args.out / objective
        with display.bar(objective) as bar:
            result = runs.run(
                config(args, objective), folder, wandb="disabled", progress=bar.update
            )
        print(objective, result.fit.difference("never_ask", "W"), flush=True)
        tuned.append(f"ckpt:{folder / 'networks' / 'never_ask'}")
    games = args.out / "test.npz"
    if not games.exists():
        corpus.build([args.data / "games" / "test.pgn.zst"], games, test_share=1.0)
    sets = ("openings", f"puzzles:{args.data / 'puzzles' / 'puzzles.csv'}", f"corpus:{games}")
    out = args.out / "shift.jsonl"
    shift.show("zoo:weak", tuned, sets, "zoo:expert", args.count, out, cli.OUT)


if __name__ == "__main__":
    cli.guarded(lambda: main(tyro.cli(Shift, description=__doc__)))
