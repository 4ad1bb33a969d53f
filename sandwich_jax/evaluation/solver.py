"""Connect Four by a perfect solver, for measuring: bitbully, which a user installs by himself.

It is under the AGPL-3, so it is neither shipped nor depended on; `pip install bitbully`.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from sandwich_jax import games, lookahead, sampling
from sandwich_jax.measures import shares
from sandwich_jax.models import Model
from sandwich_jax.types import SettingError, State

COLUMNS, ROWS = 7, 6


@functools.cache
def _solver() -> tuple[Any, Any]:
    """Its solver, and its class of boards.

    Raises:
        SettingError: it is not installed.
    """
    try:
        import bitbully
    except ImportError as error:
        raise SettingError(
            "Connect Four's solver is not installed: pip install bitbully (AGPL-3)."
        ) from error
    return bitbully.BitBully(), bitbully.Board


def installed() -> bool:
    """Whether there is a solver."""
    try:
        _solver()
    except SettingError:
        return False
    return True


def outcomes(lines: Sequence[Any] | Int[np.ndarray, "N L"]) -> np.ndarray:
    """Result for the mover of every column with perfect play after it, [N, 7]: 1, 0, -1; NaN: full.

    Args:
        lines: N games so far, as columns from the left; -1 after the last.

    Raises:
        SettingError: there is no solver, or a line is no game that is still open.
    """
    solver, board_of = _solver()
    found = np.full((len(lines), COLUMNS), np.nan)
    for row, line in enumerate(lines):
        moves = [int(label) for label in line if label >= 0]
        try:
            board = board_of(moves)
        except ValueError as error:
            raise SettingError(f"{moves} is no game of Connect Four.") from error
        if board.is_game_over():
            raise SettingError(f"{moves}: this game is over.")
        for column, score in solver.score_all_moves(board).items():
            found[row, column] = np.sign(score)
    return found


class Positions(NamedTuple):
    """Positions whose moves lead to different results with perfect play."""

    lines: Int[np.ndarray, "N L"]
    """The games so far, as columns; -1 after the last."""
    outcomes: Float[np.ndarray, "N 7"]
    """See `outcomes`."""


def positions(count: int, seed: int, plies: tuple[int, int], skill: float) -> Positions:
    """Positions of games that go so many plies, where it matters what is played.

    Args:
        count: how many.
        seed: of what is drawn.
        plies: the least and the most, drawn uniformly.
        skill: probability of each move of a game to be drawn from those that keep the result;
            else it is any. (0.9 is near-perfect play, 0 are random movers.)
    """
    rng = np.random.default_rng(seed)
    lines, found = np.full((count, plies[1]), -1), np.empty((count, COLUMNS))
    row = 0
    while row < count:
        line = _game(rng, int(rng.integers(plies[0], plies[1] + 1)), skill)
        if line is None:
            continue
        worth = outcomes([line])[0]
        if np.nanmax(worth) > np.nanmin(worth):
            lines[row, : len(line)], found[row] = line, worth
            row += 1
    return Positions(lines, found)


def _game(rng: np.random.Generator, plies: int, skill: float) -> Int[np.ndarray, "L"] | None:
    """A line of so many plies after which the game goes on; None where it ended before."""
    _, board_of = _solver()
    moves: list[int] = []
    for _ in range(plies):
        if skill and rng.random() < skill:
            worth = outcomes([moves])[0]
            legal = np.flatnonzero(worth == np.nanmax(worth))
        else:
            legal = np.asarray(board_of(moves).legal_moves())
        moves.append(int(rng.choice(legal)))
        if board_of(moves).is_game_over():
            return None
    return np.asarray(moves)


SETS = {"midgame": ((8, 23), 0.0), "near-perfect": ((6, 11), 0.9)}
"""Plies and skill of the sets that networks are measured on."""


def sets(count: int, seed: int) -> dict[str, Positions]:
    """The sets that networks are measured on, by name."""
    return {name: positions(count, seed, *about) for name, about in SETS.items()}


def looks(
    model: Model, lines: Int[np.ndarray, "N L"]
) -> tuple[Int[np.ndarray, "N"], Float[np.ndarray, "N 7"]]:
    """A model's first move in each position, and its value for the mover of every column.

    The value of a move is that of one ply ahead, Q(s, a) = -v(s'), or the result where it ends the
    game; it has no meaning for full columns.
    """
    game = games.make("connect_four")
    parts = [_looks(model, game, jnp.asarray(part)) for part in _batches(lines)]
    moves, values = (np.concatenate([np.asarray(p[i]) for p in parts]) for i in range(2))
    return moves[: len(lines)], values[: len(lines)]


BATCH = 256


def _batches(lines: Int[np.ndarray, "N L"]) -> list[np.ndarray]:
    whole = np.resize(lines, (-(-len(lines) // BATCH) * BATCH, lines.shape[1]))
    return np.split(whole, len(whole) // BATCH)


@functools.partial(jax.jit, static_argnums=1)
def _looks(model: Model, game: games.Game, lines: Array) -> tuple[Array, Array]:
    def ply(state: State, label: Array) -> tuple[State, None]:
        return game.where(label >= 0, game.step(state, jnp.maximum(label, 0)), state), None

    state = jax.lax.scan(ply, game.init(lines.shape[0]), lines.T)[0]
    move = sampling.greedy(model.at(game, state).logits, game.legal(state))
    return move, lookahead.action_values(game, (model,), state)[0]


def on_card(model: Model, positions: Mapping[str, Positions]) -> dict[str, dict[str, float]]:
    """The figures of a model by set of positions, rounded as cards have them."""
    return {
        name: {key: round(float(value), 4) for key, value in figures(model, found).items()}
        for name, found in positions.items()
    }


def figures(model: Model, found: Positions) -> dict[str, Any]:
    """How a model does beside perfect play: shares with 95% intervals, and a correlation.

    kept: its first move keeps the result; ordered: of two moves with different results it values
    the better one higher one ply ahead; correlation: Pearson's, of those values and the results.
    """
    moves, values = looks(model, found.lines)
    truth = found.outcomes
    rows = np.arange(len(moves))
    kept = truth[rows, moves] == np.nanmax(truth, axis=1)
    better = truth[:, :, None] > truth[:, None, :]  # of NaN it is false
    right = (values[:, :, None] > values[:, None, :]) & better
    legal = ~np.isnan(truth)
    row = {"positions": len(moves), "correlation": np.corrcoef(values[legal], truth[legal])[0, 1]}
    row |= shares.columns("kept", shares.share(kept))
    return row | shares.columns("ordered", shares.ratio(right.sum((1, 2)), better.sum((1, 2))))
