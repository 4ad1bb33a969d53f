"""How well networks and searches play Connect Four, by a perfect solver.

    python experiments/connect_four_strength.py zoo:expert search:zoo:expert,simulations=32

Positions in which it matters what is played: from random movers (8 to 23 plies) and from
near-perfect play (6 to 11). Needs bitbully (AGPL-3), which you install by yourself.
"""

import dataclasses
import json
from typing import Annotated

import tyro

from sandwich_jax.machine import console

console.start()  # before the imports below, which put arrays on a device

from sandwich_jax.evaluation import solver
from sandwich_jax.players import spelled


@dataclasses.dataclass(frozen=True)
class Config:
    """Settings."""

    players: Annotated[tuple[str, ...], tyro.conf.Positional]
    """zoo:NAME, ckpt:PATH, fresh:SEED, search:SPEC,simulations=N."""
    positions: int = 1000
    """Of each set."""
    seed: int = 0


def main(config: Config) -> None:
    """Prints a JSON line for every player and set."""
    sets = solver.sets(config.positions, config.seed)
    for spec in config.players:
        model = spelled.load_network(spec, "connect_four", "mini")
        for name, positions in sets.items():
            row = {"player": spec, "set": name, **solver.figures(model, positions)}
            shown = {k: round(float(v), 4) if isinstance(v, float) else v for k, v in row.items()}
            print(json.dumps(shown), flush=True)


if __name__ == "__main__":
    console.guarded(lambda: main(tyro.cli(Config, description=__doc__)))
