"""Speed of the board beside pgx's, one JSON object a line: `make bench`.

Both sides run in one process in turn, with the same sampler; figures are medians per CPU-second.
"""

import dataclasses
import json

import tyro

from sandwich_jax import cli
from sandwich_jax.board.bench import bench


@dataclasses.dataclass(frozen=True)
class Bench:
    """What to measure."""

    batches: tuple[int, ...] = (64, 1024)
    repeats: int = 5


def main(config: Bench) -> None:
    """Prints a row a measurement."""
    for row in bench(config.batches, repeats=config.repeats):
        print(json.dumps(row), flush=True)


if __name__ == "__main__":
    cli.guarded(lambda: main(tyro.cli(Bench, description=__doc__)))
