"""Making a move: from a position and a label to the position the opponent sees."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from . import geometry as g
from .pieces import board_of, planes_of, turn_over
from .staging import stage
from .words import constant, square

_CASTLING_STEP = 16  # two files
_UNITS = (1, 8, 9, 7)  # up, right, up right, down right: each plane pair's step


class Placement(NamedTuple):
    """What a move changes: everything in a position but its history."""

    board: jax.Array  # uint32[4, 2, B]
    castling: jax.Array  # uint32[B]: 1 own queen side, 2 own king side, 4 and 8 the opponent's
    en_passant: jax.Array  # int32[B]: the square behind a pawn just advanced by two, or -1
    color: jax.Array  # int32[B]: 0 white to move, 1 black
    halfmove: jax.Array  # int32[B]: plies since the last capture or pawn move
    fullmove: jax.Array  # int32[B]: as in a FEN, from 1
    ply: jax.Array  # int32[B]: plies since the game's first position


def _pick(index: jax.Array, values) -> jax.Array:
    chosen = (jnp.where(index == i, np.int32(v), np.int32(0)) for i, v in enumerate(values))
    return functools.reduce(jnp.add, chosen)


def distance(plane: jax.Array) -> jax.Array:
    """int32[B]: how far a plane's moves go, in square numbers: `geometry.DELTA[plane]`.

    Worked out rather than looked up: a function that captures an array cannot be mapped within a
    conditional (custom_vmap), and a gather would be no faster.
    """
    line, place = (plane - g.FIRST_LINE) // 7, (plane - g.FIRST_LINE) % 7
    signed = jnp.where(line % 2 == 0, place - 7, place + 1)
    straight = _pick(line // 2, _UNITS) * signed
    jump = _pick(plane - g.FIRST_JUMP, g.DELTA[g.FIRST_JUMP :])
    way = _pick(plane % 3, g.DELTA[:3])
    inner = jnp.where(plane < g.FIRST_LINE, way, straight)
    return jnp.where(plane >= g.FIRST_JUMP, jump, inner)


def _decode(board: jax.Array, label: jax.Array):
    """int32[B] each: the squares left and reached, and the piece that arrives and that left."""
    start = label // g.PLANES
    plane = label - start * g.PLANES
    bits = planes_of(board)[:3]
    start_set = square(start)
    piece = sum(jnp.where((b & start_set).any(), np.int32(1 << i), 0) for i, b in enumerate(bits))
    promoted = jnp.where(plane < g.FIRST_LINE, g.ROOK - plane // 3, g.QUEEN)
    code = jnp.where((piece == g.PAWN) & ((start & 7) == 6), promoted, piece)
    return start, start + distance(plane), code, piece


def move(before: Placement, label: jax.Array, live: jax.Array) -> Placement:
    """The placement after a move, in the opponent's view; lanes that are not `live` stay as is.

    Args:
        before: placements of B lanes.
        label: int32[B], a legal move where `live`. Legality is not checked.
        live: bool[B].
    """
    planes, rest = stage(_changed, before, live, *stage(_decode, before.board, label))
    # Stacked in a stage of its own: fused, each plane would be worked out within the copy.
    return before._replace(board=stage(board_of, planes), **rest)


def _changed(before: Placement, live, start, end, code, kept):
    """The four bit planes after the move, and the other fields by name."""
    planes = planes_of(before.board)
    start_set, end_set = square(start), square(end)
    is_pawn, is_king = kept == g.PAWN, kept == g.KING
    passes = is_pawn & (end == before.en_passant)
    captures = passes | ((planes[0] | planes[1] | planes[2]) & end_set).any()
    delta = end - start

    gone = start_set | end_set | square(jnp.where(passes, end - 1, -1))
    rook_steps = constant([g.H1, g.F1]).where(is_king & (delta == _CASTLING_STEP))
    rook_steps = rook_steps | constant([g.A1, g.D1]).where(is_king & (delta == -_CASTLING_STEP))
    after = [(planes[i] & ~gone) | end_set.where(((code >> i) & 1) == 1) for i in range(3)] + [
        (planes[3] & ~gone) | end_set
    ]
    after[2], after[3] = after[2] ^ rook_steps, after[3] ^ rook_steps

    lost = jnp.where((start == g.E1) | (start == g.A1), np.uint32(1), np.uint32(0))
    lost |= jnp.where((start == g.E1) | (start == g.H1), np.uint32(2), np.uint32(0))
    lost |= jnp.where(end == g.A8, np.uint32(4), np.uint32(0))
    lost |= jnp.where(end == g.H8, np.uint32(8), np.uint32(0))
    rights = before.castling & ~lost
    one = np.int32(1)
    new = {
        "castling": ((rights & np.uint32(3)) << np.uint32(2)) | (rights >> np.uint32(2)),
        "en_passant": jnp.where(is_pawn & (delta == 2), (start + 1) ^ 7, np.int32(-1)),
        "color": before.color ^ one,
        "halfmove": jnp.where(is_pawn | captures, 0, before.halfmove + 1),
        "fullmove": before.fullmove + before.color,
        "ply": before.ply + one,
    }
    new = {name: jnp.where(live, x, getattr(before, name)) for name, x in new.items()}
    pairs = zip(turn_over(after), planes, strict=True)
    return [a.where(live) | b.where(~live) for a, b in pairs], new
