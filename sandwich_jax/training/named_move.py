"""The legal move that a code names, found on the board for many games at once.

A code (see `san`) says where a move goes and something of where it comes from. Legal moves are sets
of source squares, plane by plane; in each of the 73 planes one square at most leads to the target.
So every plane answers yes or no, and exactly one yes is the move.
"""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int, UInt32

from sandwich_jax.board import PLANES
from sandwich_jax.board import geometry as g
from sandwich_jax.board.pieces import kinds, planes_of
from sandwich_jax.board.words import FULL, Squares, square, union
from sandwich_jax.training import san

_CASTLE_LEFT, _CASTLE_RIGHT = g.LINE_PLANE[-2, 0], g.LINE_PLANE[2, 0]
_ONE = 1 << 20
"""More than the sum of all labels that could fit one code."""


def label_of_code(
    board: UInt32[Array, "4 2 B"],
    words: UInt32[Array, "73 2 B"],
    color: Int[Array, "B"],
    code: Int[Array, "B"],
) -> Int[Array, "B"]:
    """The label of the only legal move that fits a code; -1 if none or several do, or code is 0.

    Args:
        board: positions, see `sandwich_jax.board.pieces`.
        words: their legal moves.
        color: 0 where White is to move, 1 where Black is.
        code: of moves, see `san`.
    """
    # Codes are in White's view, the board in the mover's.
    turn = jnp.where(color == 1, 7, 0)
    target = (code & 63) ^ turn
    to = square(target)
    promoted = _field(code, san.PROMOTION, 3)
    sources = _named(board, code, turn)
    lines = _that_promote(board, target, promoted, sources)
    names_king = _field(code, san.PIECE, 3) == g.KING

    found = jnp.zeros_like(code)
    for plane, (df, dr) in enumerate(g.STEPS):
        under = plane < g.FIRST_LINE
        start = to.shift(-df, -dr) & (sources if under else lines)
        hit = (start & Squares(words[plane, 0], words[plane, 1])).any()
        if under:
            hit &= promoted == g.UNDERPROMOTIONS[plane // len(g.WAYS)]
        if plane in (_CASTLE_LEFT, _CASTLE_RIGHT):
            hit &= ~names_king  # "Kg1" is no castling
        label = PLANES * (target - int(g.DELTA[plane])) + plane
        found += jnp.where(hit, label + _ONE, 0)
    label = jnp.where(found // _ONE == 1, found % _ONE, -1)
    label = _castled(board, words, code, target, turn, label)
    return jnp.where(code > 0, label, -1)


def _field(code: Array, place: int, bits: int) -> Array:
    return (code >> place) & ((1 << bits) - 1)


def _named(board, code, turn) -> Squares:
    """The mover's pieces of the kind, and on the file and rank, that a code names."""
    planes = planes_of(board)
    piece = _field(code, san.PIECE, 3)
    own = planes[3].where(piece == san.ANY_PIECE)
    of_kind = union(k.where(piece == i + 1) for i, k in enumerate(kinds(planes)[:6]))
    file, rank = _field(code, san.FILE, 4), _field(code, san.RANK, 4)
    row = _moved(0x01010101, (rank - 1) ^ turn, rank > 0)
    column = _moved(0xFF, 8 * ((file - 1) & 3), file > 0)
    left = jnp.where(file <= 4, FULL, np.uint32(0))
    right = jnp.where((file == 0) | (file > 4), FULL, np.uint32(0))
    return (own | of_kind) & Squares(row & column & left, row & column & right)


def _moved(bits: int, places: Array, said: Bool[Array, "B"]) -> UInt32[Array, "B"]:
    """A word moved up; all bits where the code says nothing."""
    return jnp.where(said, np.uint32(bits) << (places & 31).astype(jnp.uint32), FULL)


def _that_promote(board, target, promoted, sources: Squares) -> Squares:
    """`sources` but those pawns that would promote unasked, or only them if to a queen."""
    pawns = kinds(planes_of(board))[0]
    last = (target & 7) == 7
    pawns = (sources & pawns).where(last)
    return (sources & ~pawns).where(promoted == 0) | pawns.where(promoted == g.QUEEN)


def _castled(board, words, code, target, turn, label):
    """`label`, or that of castling where the code says so, be it by the king's way to its rook."""
    home = (g.E1 // 8 + 1) | (1 + turn) << (san.RANK - san.FILE)
    by_squares = (_field(code, san.PIECE, 3) == san.ANY_PIECE) & (_field(code, san.FILE, 8) == home)
    by_squares &= _field(code, san.PROMOTION, 3) == 0
    side = _field(code, san.CASTLING, 2)
    king = kinds(planes_of(board))[5]  # two files are castling, so it is at home
    for plane, name, corner in (
        (_CASTLE_LEFT, san.QUEEN_SIDE, g.A1),
        (_CASTLE_RIGHT, san.KING_SIDE, g.H1),
    ):
        asked = (side == name) | by_squares & (target == corner)
        may = (king & Squares(words[plane, 0], words[plane, 1])).any()
        label = jnp.where(asked & may, PLANES * g.E1 + plane, label)
    return label
