"""How a game ends: the rules that need more than the legal moves, and which of them applies."""

from enum import IntEnum

import jax
import jax.numpy as jnp

from . import geometry as g
from .pieces import kinds, planes_of
from .words import constant

PLY_CAP = 512
FIFTY = 100  # halfmoves
HISTORY = 100  # positions that can be repeated: halfmove clocks 0 to 99


class Reason(IntEnum):
    """Why a game is over. Where several apply, the one that stands first here is given."""

    NONE = 0
    CHECKMATE = 1
    STALEMATE = 2
    INSUFFICIENT = 3
    FIFTY = 4
    THREEFOLD = 5
    CAP = 6


def insufficient(board: jax.Array) -> jax.Array:
    """bool[B]: no sequence of moves can mate.

    Only kings are left, or one knight beside them, or any number of bishops that all stand on
    squares of one colour.
    """
    k = kinds(planes_of(board))
    pawn, knight, bishop, rook, queen = (k[i] | k[i + 6] for i in range(5))
    dark = constant(g.DARK)
    one_colour = ~(bishop & dark).any() | ~(bishop & ~dark).any()
    minor = jnp.where(knight.any(), (knight.count() == 1) & ~bishop.any(), one_colour)
    return minor & ~(pawn | rook | queen).any()


def remember(history: jax.Array, hash_: jax.Array, halfmove: jax.Array) -> jax.Array:
    """The history with a position's hash at its halfmove clock.

    Args:
        history: uint32[100, 2, B], hashes by halfmove clock.
        hash_: uint32[2, B].
        halfmove: int32[B]; beyond the history nothing is written.
    """
    here = jnp.arange(HISTORY, dtype=jnp.int32)[:, None, None] == halfmove
    return jnp.where(here, hash_, history)


def repetitions(history: jax.Array, hash_: jax.Array, halfmove: jax.Array) -> jax.Array:
    """int32[B]: how often the position occurred before since the last irreversible move.

    Args:
        history: uint32[100, 2, B], the hashes of the positions before it.
        hash_: uint32[2, B], its own.
        halfmove: int32[B], its halfmove clock; entries from there on are left from earlier.
    """
    same = (history[:, 0] == hash_[0]) & (history[:, 1] == hash_[1])
    earlier = jnp.arange(HISTORY, dtype=jnp.int32)[:, None] < halfmove
    return (same & earlier).sum(0, dtype=jnp.int32)


def reason(
    any_move: jax.Array,
    check: jax.Array,
    board: jax.Array,
    halfmove: jax.Array,
    repeated: jax.Array,
    ply: jax.Array,
) -> jax.Array:
    """int32[B]: the `Reason` why the game is over, 0 if it goes on."""
    out = jnp.zeros_like(halfmove)
    for over, code in (
        (ply >= PLY_CAP, Reason.CAP),
        (repeated >= 2, Reason.THREEFOLD),
        (halfmove >= FIFTY, Reason.FIFTY),
        (insufficient(board), Reason.INSUFFICIENT),
        (~any_move, jnp.where(check, int(Reason.CHECKMATE), int(Reason.STALEMATE))),
    ):
        out = jnp.where(over, code, out)
    return out
