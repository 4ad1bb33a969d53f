"""How often a network plays the human's move, among legal moves, on positions new to it."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int

from sandwich_jax import games, sampling
from sandwich_jax.measures.shares import wilson
from sandwich_jax.models import Model
from sandwich_jax.training.corpus import Corpus
from sandwich_jax.training.pretrain import (
    MoveMatch,
    Samples,
    identity,
    positions_of,
)
from sandwich_jax.types import State

LANES = 128
"""Games replayed at a time."""


def seen_in(corpus: Corpus, rows: np.ndarray) -> np.ndarray:
    """Sorted identities of the positions in the games `rows`, clocks and repetition left aside."""
    parts = [
        identity(positions_of(corpus, rows[start : start + 8192]).positions)
        for start in range(0, len(rows), 8192)
    ]
    return np.unique(np.concatenate(parts))


def human_match(model: Model, corpus: Corpus, rows: np.ndarray, seen: np.ndarray) -> MoveMatch:
    """Top-1 agreement with the moves of the games `rows` in positions that are not in `seen`."""
    right = total = 0
    for start in range(0, len(rows), LANES):
        part = rows[start : start + LANES]
        moves, played = _padded(corpus, part)
        choice = np.asarray(_choose(model, jnp.asarray(moves.T))).T
        samples: Samples = positions_of(corpus, part)
        fresh = ~np.isin(identity(samples.positions), seen)
        right += int((choice[played] == samples.moves)[fresh].sum())
        total += int(fresh.sum())
    return MoveMatch(right / total, *wilson(right, total))


def _padded(corpus: Corpus, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    lengths = corpus.starts[rows + 1] - corpus.starts[rows]
    plies = -(-int(lengths.max()) // 128) * 128
    moves = np.zeros((LANES, plies), np.int32)
    played = np.zeros((LANES, plies), bool)
    for lane, (row, length) in enumerate(zip(rows, lengths, strict=True)):
        begin = int(corpus.starts[row])
        moves[lane, :length] = corpus.moves[begin : begin + int(length)]
        played[lane, :length] = True
    return moves, played


@jax.jit
def _choose(model: Model, moves: Int[Array, "T B"]) -> Int[Array, "T B"]:
    """First choices along games of chess."""
    game = games.make("chess")

    def ply(state: State, label: Int[Array, "B"]) -> tuple[State, Array]:
        logits = model.at(game, state).logits
        return game.step(state, label), sampling.greedy(logits, game.legal(state))

    return jax.lax.scan(ply, game.init(moves.shape[1]), moves)[1]
