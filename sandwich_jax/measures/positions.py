"""Encoded chess positions by themselves: their legal moves and the phase of the game."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, UInt

from sandwich_jax.board.pieces import planes_of
from sandwich_jax.games import chess

PHASES = ("opening", "middlegame", "endgame")


legal = jax.jit(chess.legal_of)
"""`(encoded [B, 9]) -> legal [B, A]`, also where the game is over by a draw."""


def phases(encoded: UInt[np.ndarray, "N 9"]) -> np.ndarray:
    """One of `PHASES` for each position, [N], by the pieces other than kings and pawns.

    The endgame begins at 6, the middlegame at 10, both sides together (14 at first): these are the
    thresholds of Lichess (scalachess, Divider.scala), which ends some openings earlier by other
    signs as well.
    """
    pieces = np.asarray(_pieces(jnp.asarray(encoded)))
    return np.where(pieces <= 6, PHASES[2], np.where(pieces <= 10, PHASES[1], PHASES[0]))


@jax.jit
def _pieces(encoded: UInt[Array, "N 9"]) -> Array:
    """Knights, bishops, rooks and queens of both sides: codes 2 to 5 of 1 to 6."""
    _, two, four, _ = planes_of(encoded[:, :8].T.reshape(4, 2, -1))
    wanted = (two & ~four) | (four & ~two)  # 2, 3 and 4, 5; a king is 6
    return sum(jax.lax.population_count(half).astype(jnp.int32) for half in wanted)  # pyright: ignore
