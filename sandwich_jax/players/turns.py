"""A player's turn on one board: its move, its value and what it thought of the others.

What `sandwich-jax uci` and `play` ask. A network's first choice on many boards at once is in
`players`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import chess
import numpy as np
from jaxtyping import Float

from sandwich_jax.models import Model
from sandwich_jax.players import board_player, engine_players
from sandwich_jax.players.settings import TEMPERATURE
from sandwich_jax.training.corpus import label_of
from sandwich_jax.types import SettingError

"""By default that of the arena: the best move nearly always, but not the same game twice."""


class Choice(NamedTuple):
    """What a player makes of a position with legal moves."""

    move: chess.Move
    policy: dict[chess.Move, float]
    """Probabilities of the moves at temperature 1, best first; empty where nobody knows."""
    value: float | None = None
    """For the side to move, in [-1, 1]."""
    notes: tuple[str, ...] = ()
    """Sentences about the choice, such as what an assistant said."""


class Turns(Protocol):
    """A player, asked about one position after the other."""

    temperature: float
    settings: dict[str, float]
    """More numbers that may be set, by name: use `adjust`."""
    assistant_on: bool | None
    """Whether its assistant is asked; None where it has none."""

    def choose(self, board: chess.Board, allowed: Sequence[chess.Move]) -> Choice:
        """Its choice among some legal moves, at least one.

        Raises:
            SettingError: an engine failed too often.
        """
        ...

    def values(self, boards: Sequence[chess.Board]) -> list[float] | None:
        """Its values for the sides to move, in [-1, 1]; None if it has none."""
        ...

    def adjust(self, name: str, value: float) -> None:
        """Raises SettingError for a value of one of the settings that is out of range."""
        ...

    def reseed(self, seed: int | None) -> None:
        """Makes its draws repeat."""
        ...

    def new_game(self) -> None:
        """Forgets the game so far."""
        ...

    def close(self) -> None:
        """Ends its processes."""
        ...


class _Drawing:
    """What players who draw at random share."""

    temperature = TEMPERATURE
    assistant_on: bool | None = None

    def __init__(self) -> None:
        self.settings: dict[str, float] = {}
        self.rng = np.random.default_rng()

    def values(self, boards: Sequence[chess.Board]) -> list[float] | None:
        return None

    def adjust(self, name: str, value: float) -> None:
        self.settings[name] = value

    def reseed(self, seed: int | None) -> None:
        self.rng = np.random.default_rng(seed)

    def new_game(self) -> None:
        pass

    def close(self) -> None:
        pass


class Random(_Drawing):
    """Uniformly random legal moves."""

    def choose(self, board: chess.Board, allowed: Sequence[chess.Move]) -> Choice:
        policy = dict.fromkeys(allowed, 1 / len(allowed))
        return Choice(allowed[int(self.rng.integers(len(allowed)))], policy)


class Engine(_Drawing):
    """An engine of the machine; it is not told which moves are allowed beyond the rules."""

    def __init__(self, player: engine_players.EnginePlayer):
        super().__init__()
        self.player = player

    def choose(self, board: chess.Board, allowed: Sequence[chess.Move]) -> Choice:
        (move,) = self.player.best_moves([board])
        return Choice(move if move in allowed else allowed[0], {})

    def reseed(self, seed: int | None) -> None:
        self.player.rng = np.random.default_rng(seed)

    def close(self) -> None:
        self.player.close()


class Network(_Drawing):
    """A network by itself."""

    def __init__(self, model: Model):
        super().__init__()
        self.model = model

    def choose(self, board: chess.Board, allowed: Sequence[chess.Move]) -> Choice:
        logits, values = board_player.look(self.model, [board])
        policy = policy_of(board, logits[0], allowed)
        return Choice(draw(self.rng, policy, self.temperature), policy, float(values[0]))

    def values(self, boards: Sequence[chess.Board]) -> list[float] | None:
        return board_player.look(self.model, boards)[1].tolist()


def policy_of(
    board: chess.Board, logits: Float[np.ndarray, "A"], allowed: Sequence[chess.Move]
) -> dict[chess.Move, float]:
    """Probabilities of the allowed moves at temperature 1, best first."""
    seen = np.asarray([logits[label_of(move, board.turn)] for move in allowed], float)
    weights = np.exp(seen - seen.max())
    shares = (weights / weights.sum()).tolist()
    return dict(sorted(zip(allowed, shares, strict=True), key=lambda item: -item[1]))


def draw(
    rng: np.random.Generator, policy: dict[chess.Move, float], temperature: float
) -> chess.Move:
    """A move with probability in proportion to its own to the power 1 / temperature; at 0 the best.

    Args:
        rng: of the draw.
        policy: best first.
        temperature: at least 0.
    """
    moves, shares = list(policy), np.asarray(list(policy.values()))
    weights = (shares / shares[0]) ** (1 / max(temperature, 1e-6))
    return moves[int(rng.choice(len(moves), p=weights / weights.sum()))]


def check_temperature(value: float) -> float:
    """Raises SettingError for a temperature out of range."""
    if not 0 <= value <= 100:
        raise SettingError(f"Temperature is {value:g}: it must be between 0 and 100.")
    return value
