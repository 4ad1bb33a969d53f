"""Settings of an evaluation."""

from __future__ import annotations

import dataclasses
import pathlib

from sandwich_jax import given
from sandwich_jax.errors import SettingError


@dataclasses.dataclass(frozen=True)
class EvaluateConfig:
    """Static settings of an evaluation."""

    puzzles: pathlib.Path | None = None
    """Puzzles as CSV, as Lichess has them; without one, nothing of puzzles is measured."""
    puzzle_count: int = 1000
    """Drawn at random from the file."""
    corpus: pathlib.Path | None = None
    """A corpus file with test games, for move match to humans."""
    references: tuple[str, ...] = ()
    """Networks that first moves are compared with on the corpus's positions, such as Maias of
    several ratings (lc0:PATH): where on the human scale W' plays."""
    positions: int = 2000
    """Of each set that policies are compared on."""
    nodes: int = 10_000
    """The engine's, for every position."""
    harm_moves: int = 1000
    """Followed advice looked at by the engine, half of it corrupted where there is so much."""
    quality_games: int = 8
    """Self-play games looked at by the engine, of each member."""
    cache: pathlib.Path | None = None
    """The engine's verdicts; by default one file in the user's cache folder."""
    seed: int = 0
    """Of what is drawn."""

    def __post_init__(self) -> None:
        """Raises SettingError for a number out of range."""
        for name in ("puzzle_count", "positions", "nodes", "harm_moves", "quality_games"):
            if getattr(self, name) < 1:
                raise SettingError(f"{name} is {getattr(self, name)}: it must be at least 1.")
        given.between("seed", self.seed, 0, given.SEEDS[1])
