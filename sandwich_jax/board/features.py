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


WORDS = 9  # of an encoded position

# First bits of fields of an encoded position's last word.
_EN_PASSANT, _HALFMOVE, _PLY, _LATER = (np.uint32(bit) for bit in (5, 12, 20, 30))


@batch_first
def encode(state: State) -> jax.Array:
    """uint32[B, 9]: what `features` shows, in 36 bytes a position.

    Words 0-7 are the four bit planes of `pieces`. Word 8: bits 0-3 castling rights, 4 whether the
    position occurred before in the game, 5-11 the en-passant square plus 1 (0 where no own pawn
    stands so that it could take there, pins aside), 12-19 the halfmove clock up to 255, 20-29 the
    ply up to 512, 30 whether Black moves at plies of even number (0 in games from the initial
    position).
    """

    def pack(board, castling, en_passant, halfmove, ply, repetitions, color):
        c0, c1, c2, own = planes_of(board)
        pawns = c0 & ~c1 & ~c2 & own
        target = square(en_passant)
        takers = (target.shift(-1, -1) | target.shift(1, -1)) & pawns
        passed = jnp.where(takers.any(), en_passant + 1, 0).astype(jnp.uint32)
        clock = jnp.minimum(halfmove, 255).astype(jnp.uint32)
        plies = jnp.minimum(ply, PLY_CAP).astype(jnp.uint32)
        again = (repetitions > 0).astype(jnp.uint32)
        later = (color.astype(jnp.uint32) ^ plies) & np.uint32(1)
        rest = castling | (again << np.uint32(4)) | (passed << _EN_PASSANT)
        return rest | (clock << _HALFMOVE) | (plies << _PLY) | (later << _LATER)

    fields = state.castling, state.en_passant, state.halfmove, state.ply, state.repetitions
    fields = *fields, state.color
    rest = stage(pack, state.board, *fields)
    return jnp.concatenate([state.board.reshape(8, -1), rest[None]]).T


@batch_first
def _decode(words: jax.Array) -> jax.Array:
    """`decode` of uint32[9, B]."""

    def sets(words):
        board, rest = words[:8].reshape(4, 2, -1), words[8]
        flags = [_flag((rest & np.uint32(1 << i)) != 0) for i in range(5)]
        passed = (rest >> _EN_PASSANT) & np.uint32(127)
        full = _flag(rest == rest)
        pieces = kinds(planes_of(board))
        target = square(passed.astype(jnp.int32) - 1)
        return [*pieces, *flags[:4], target, full, full, flags[4]]

    def scales(rest):
        one = jnp.ones_like(rest, jnp.float32)
        clock = ((rest >> _HALFMOVE) & np.uint32(255)).astype(jnp.float32) / FIFTY
        ply = ((rest >> _PLY) & np.uint32(1023)).astype(jnp.float32) / PLY_CAP
        return jnp.stack([one] * 17 + [clock, ply, one])

    return paint(stage(_stack, stage(sets, words)), stage(scales, words[8]))


def clock_of(encoded: jax.Array) -> jax.Array:
    """int32[B]: the halfmove clock, up to 255, of uint32[B, 9] encoded positions."""
    return ((encoded[:, 8] >> _HALFMOVE) & np.uint32(255)).astype(jnp.int32)


def color_of(encoded: jax.Array) -> jax.Array:
    """int32[B]: 0 White to move, 1 Black, of uint32[B, 9] encoded positions."""
    rest = encoded[:, 8]
    return (((rest >> _PLY) ^ (rest >> _LATER)) & np.uint32(1)).astype(jnp.int32)


def decode(encoded: jax.Array) -> jax.Array:
    """float32[B, 8, 8, 20]: the planes of `features` from uint32[B, 9] encoded positions."""
    return _decode(encoded.T)


def features(state: State) -> jax.Array:
    """float32[B, 8, 8, 20]: compact planes of the position, [file, rank] in the mover's view.

    0-5 own pawns, knights, bishops, rooks, queens, king; 6-11 the opponent's; 12, 13 own right to
    castle queen side, king side; 14, 15 the opponent's; 16 the en-passant square, if an own pawn
    stands so that it could take there (pins aside); 17 halfmove clock / 100; 18 min(ply, 512) /
    512; 19 whether the position occurred before in the game.
    """
    return decode(encode(state))


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
