"""Which squares pieces attack, as sets: all lanes and all pieces of a kind at once.

A line piece's attack in one direction is found by pushing the whole set one step at a time and
dropping what stands behind a piece.
"""

import jax

from .geometry import DIAGONAL, DIRECTIONS, JUMPS, STRAIGHT
from .pieces import pieces_of, planes_of
from .words import Squares, union


def slide(sliders: Squares, empty: Squares, direction: tuple[int, int]) -> Squares:
    """Squares attacked by `sliders` in one direction, up to and with the first piece met."""
    moving = sliders.shift(*direction)
    reached = moving
    for _ in range(6):
        moving = (moving & empty).shift(*direction)
        reached = reached | moving
    return reached


def jumps(knights: Squares) -> Squares:
    """Squares attacked by knights."""
    return union(knights.shift(*step) for step in JUMPS)


def neighbours(kings: Squares) -> Squares:
    """Squares next to the given ones (a king's attack)."""
    column = kings | kings.shift(0, 1) | kings.shift(0, -1)
    return (column | column.shift(1, 0) | column.shift(-1, 0)) & ~kings


def pawn_strikes(pawns: Squares, up: int) -> Squares:
    """Squares attacked by pawns that move up (`up` 1) or down (-1)."""
    return pawns.shift(1, up) | pawns.shift(-1, up)


def line_attacks(straight: Squares, diagonal: Squares, empty: Squares) -> dict:
    """`slide` in each of the eight directions: rooks and queens, and bishops and queens."""
    out = {d: slide(straight, empty, d) for d in STRAIGHT}
    return out | {d: slide(diagonal, empty, d) for d in DIAGONAL}


def rays(square: Squares, empty: Squares) -> dict:
    """Squares seen from one square in each direction, up to and with the first piece met."""
    return {d: slide(square, empty, d) for d in DIRECTIONS}


def in_check(board: jax.Array, opponent: bool = False) -> jax.Array:
    """bool[B]: whether the mover's king (or the opponent's) is attacked; board uint32[4, 2, B]."""
    p = pieces_of(planes_of(board))
    side, up = (~p.own, -1) if opponent else (p.own, 1)
    king, enemies = p.kings & side, p.occupied & ~side
    seen = rays(king, ~p.occupied)
    hits = union(seen[d] for d in STRAIGHT) & p.straight
    hits = hits | (union(seen[d] for d in DIAGONAL) & p.diagonal)
    hits = hits | (jumps(king) & p.knights) | (pawn_strikes(king, up) & p.pawns)
    return ((hits | (neighbours(king) & p.kings)) & enemies).any()
