"""What networks see: 20 planes of the position, or pgx's 119 planes of the last eight.

Planes are first gathered as sets of squares, then spread: a plane is a bit on each square times one
number a position, which covers pieces, rights and counters alike.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from .draws import FIFTY, HISTORY, PLY_CAP
from .expand import paint
from .pieces import kinds, planes_of, turn_over
from .staging import batch_first, batch_last, stage
from .state import State
from .words import FULL, Squares, square

PLANES = 20
PAST = 8  # positions in an observation


def _flag(condition: jax.Array) -> Squares:
    word = jnp.where(condition, FULL, np.uint32(0))
    return Squares(word, word)


def _stack(sets: list[Squares]) -> jax.Array:
    return jnp.stack([jnp.stack(s) for s in sets])


@batch_first
def features(state: State) -> jax.Array:
    """float32[B, 8, 8, 20]: compact planes of the position, [file, rank] in the mover's view.

    0-5 own pawns, knights, bishops, rooks, queens, king; 6-11 the opponent's; 12, 13 own right to
    castle queen side, king side; 14, 15 the opponent's; 16 the en-passant square, if an own pawn
    stands so that it could take there (pins aside); 17 halfmove clock / 100; 18 min(ply, 512) /
    512; 19 whether the position occurred before in the game.
    """

    def sets(board, castling, en_passant, repetitions):
        pieces = kinds(planes_of(board))
        target = square(en_passant)
        takers = (target.shift(-1, -1) | target.shift(1, -1)) & pieces[0]
        flags = [_flag((castling & np.uint32(1 << i)) != 0) for i in range(4)]
        full = _flag(castling == castling)
        return pieces + flags + [target.where(takers.any()), full, full, _flag(repetitions > 0)]

    finished = stage(sets, state.board, state.castling, state.en_passant, state.repetitions)
    one = jnp.ones_like(state.halfmove, jnp.float32)
    halfmove = state.halfmove.astype(jnp.float32) / FIFTY
    ply = jnp.minimum(state.ply, PLY_CAP).astype(jnp.float32) / PLY_CAP
    scale = jnp.stack([one] * 17 + [halfmove, ply, one])
    return paint(stage(_stack, finished), scale)


class Past(NamedTuple):
    """The last eight positions of each game, newest first: what pgx's observation shows."""

    boards: jax.Array  # uint32[8, 4, 2, B], each in the view of its own mover; 0 before the start
    repeated: jax.Array  # uint32[B], bit i: position i occurs at another time in the game too


def past_of(state: State) -> Past:
    """The past of games that begin at the given states."""
    older = jnp.zeros((PAST - 1, *state.board.shape), jnp.uint32)
    return Past(jnp.concatenate([state.board[None], older]), jnp.zeros_like(state.castling))


@batch_last
def remember(past: Past, before: State, after: State) -> Past:
    """The past once the games have gone on from `before` to `after` by one step.

    A position is marked as repeated also where the repetition comes later, which is how pgx counts.
    """
    boards = jnp.concatenate([after.board[None], past.boards[:-1]])
    again = (after.repetitions > 0).astype(jnp.uint32)
    flags = ((past.repeated << np.uint32(1)) | again) & np.uint32(0xFF)
    for age in range(4, PAST, 2):  # a position recurs after four plies at the earliest
        slot = jnp.clip(after.halfmove - age, 0, HISTORY - 1)
        entry = jnp.take_along_axis(after.history, slot[None, None], 0)[0]
        # Nothing from before the last irreversible move, or before the game, can recur.
        known = (after.halfmove >= age) & (after.ply >= age)
        same = (entry[0] == after.hash[0]) & (entry[1] == after.hash[1]) & known
        flags = flags | jnp.where(same, np.uint32(1 << age), np.uint32(0))
    moved = after.ply != before.ply
    return jax.tree.map(lambda a, b: jnp.where(moved, a, b), Past(boards, flags), past)


@batch_first
def observation(state: State, past: Past, turned: jax.Array | None = None) -> jax.Array:
    """float32[B, 8, 8, 119]: pgx's observation, [rank from the top, file] in the observer's view.

    For each of the last eight positions the twelve piece planes of `features`, then whether it is
    the first of its kind, and whether it is not; then the side to move (ones for black), ply / 512,
    own right to castle queen side and king side, the opponent's, and halfmove clock / 100.

    Args:
        state: B games.
        past: their last eight positions.
        turned: bool[B], whether the observer is the side that is not to move; None if nowhere.
    """
    sets = stage(_observed_sets, state, past, turned)
    one = jnp.ones_like(state.halfmove, jnp.float32)
    ply = state.ply.astype(jnp.float32) / PLY_CAP
    scale = [one] * (14 * PAST + 1) + [ply] + [one] * 4
    scale = jnp.stack([*scale, state.halfmove.astype(jnp.float32) / FIFTY])
    return paint(stage(_stack, sets), scale, picture=True)


def _observed_sets(state: State, past: Past, turned: jax.Array | None) -> list[Squares]:
    sets = []
    for age in range(PAST):
        planes = planes_of(past.boards[age])
        if turned is None:
            planes = turn_over(planes) if age % 2 else planes
        else:
            turn = turned ^ (age % 2 == 1)
            over = turn_over(planes)
            planes = [a.where(turn) | b.where(~turn) for a, b in zip(over, planes, strict=True)]
        again = (past.repeated & np.uint32(1 << age)) != 0
        sets += [*kinds(planes), _flag(~again), _flag(again)]
    color, castling = state.color, state.castling
    if turned is not None:
        color = color ^ turned.astype(jnp.int32)
        swapped = ((castling & np.uint32(3)) << np.uint32(2)) | (castling >> np.uint32(2))
        castling = jnp.where(turned, swapped, castling)
    full = _flag(color == color)
    rights = [_flag((castling & np.uint32(1 << i)) != 0) for i in range(4)]
    return [*sets, _flag(color == 1), full, *rights, full]
