"""The world of a training that is over within minutes: rows told, networks in memory."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from sandwich_jax import arena, driver, grid, sandwich
from sandwich_jax.folders import store
from sandwich_jax.measures.standing import Matches
from sandwich_jax.types import Params
from scripts.accelerator.stages import Row, Stages


class Nothing:
    """Keeps no checkpoint: what is cut off here is begun anew; a `Saver`."""

    def latest(self, like: Any) -> None:
        """There is none."""

    def save(self, number: int, tree: Any) -> None:
        """Forgets it."""


class Kept:
    """What came of one member: its rows told, its newest network kept; a `driver.Outside`."""

    def __init__(self, part: grid.Part, stages: Stages):
        self.part, self.stages = part, stages
        self.params: Params | None = None
        self.row: Row = {}
        self.baseline: Matches = {}

    def latest(self, like: Any) -> None:
        """There is no checkpoint."""

    def save(self, number: int, learners: list[sandwich.Learner]) -> None:
        """Keeps W' of a round."""
        (self.params,) = (learner.train.params for learner in learners)

    def rows(self, rows: list[Row]) -> None:
        """Tells what a round measured."""
        self.row = store.to_plain(rows[-1]) | {"seed": self.part.config.seed}
        self.stages.tell("sweep", self.row)

    def result(self, result: driver.Result) -> None:
        """The checkpoint has it too."""

    def forget_rows_after(self, round_index: int) -> None:
        """There are none."""

    def matches(self, name: str, matches: Matches) -> None:
        """Keeps those before the first round; rows tell the others."""
        if name == "baseline":
            self.baseline = matches

    def games(self, round_index: int, member: Any, rollout: Any, truth: Any) -> None:
        """Rows tell them."""


class Shared:
    """Matches that members have in common; a `driver.Book`."""

    def __init__(self) -> None:
        self.played: dict[Hashable, arena.Scores] = {}

    def find(self, key: Hashable) -> arena.Scores | None:
        """The match, if it was played."""
        return self.played.get(key)

    def keep(self, key: Hashable, scores: arena.Scores) -> None:
        """Takes a match."""
        self.played[key] = scores
