"""The zoo, a random mover and weakened Stockfish on one scale, rung by rung.

    python experiments/ladder.py --openings 200

Neighbours should score between 10% and 90%; the table marks those that do not, and --rungs takes
others. Rungs are Stockfish's moves with probability q, else random ones: its lowest UCI_Elo alone
is far above these networks.
"""

import dataclasses
import pathlib

import tyro

from sandwich_jax import cli
from sandwich_jax.outside import contest, matches, store
from sandwich_jax.outside.engines import EngineConfig

RUNGS = (
    "random",
    *(f"stockfish:nodes=1000,q={q}" for q in (0.2, 0.4)),
    "zoo:weak",
    *(f"stockfish:nodes=1000,q={q}" for q in (0.6, 0.7, 0.8)),
    "zoo:expert",
    *(f"stockfish:nodes=1000,q={q}" for q in (0.9, 0.95)),
    "stockfish:nodes=1000",
)


@dataclasses.dataclass(frozen=True)
class Ladder:
    """Settings."""

    rungs: tuple[str, ...] = RUNGS
    """From weak to strong; neighbours meet, and those two apart."""
    anchor: str = "random"
    openings: int = 200
    max_plies: int = 200
    seed: int = 0
    out: pathlib.Path = pathlib.Path("runs/ladder.json")


def main(args: Ladder) -> None:
    """Plays, fits, writes."""
    config = matches.MatchConfig(args.openings, seed=args.seed, max_plies=args.max_plies)
    scale = contest.Scale("near", args.anchor)
    found = contest.elo(args.rungs, config, EngineConfig(), scale, None, cli.OUT)
    settings = store.to_plain(dataclasses.asdict(args) | {"out": str(args.out)})
    store.write_json(args.out, {"settings": settings} | found._asdict())


if __name__ == "__main__":
    cli.guarded(lambda: main(tyro.cli(Ladder, description=__doc__)))
