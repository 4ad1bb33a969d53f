"""A position's pieces as four bit planes, and the sets of squares read from them.

Planes 0, 1 and 2 are the binary digits of the piece number (pawn 1, knight 2, bishop 3, rook 4,
queen 5, king 6), plane 3 marks the mover's own pieces: uint32[4, 2, B], 32 bytes a position.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from .words import Squares


class Pieces(NamedTuple):
    """Sets of squares by kind, for both sides together, and the mover's own among them."""

    pawns: Squares
    knights: Squares
    diagonal: Squares  # bishops and queens
    straight: Squares  # rooks and queens
    kings: Squares
    own: Squares
    occupied: Squares


def planes_of(board: jax.Array) -> list[Squares]:
    """The four bit planes of uint32[4, 2, ...] as sets."""
    return [Squares(board[i, 0], board[i, 1]) for i in range(4)]


def board_of(planes: list[Squares]) -> jax.Array:
    """uint32[4, 2, ...] from the four bit planes."""
    return jnp.stack([jnp.stack(plane) for plane in planes])


def turn_over(planes: list[Squares]) -> list[Squares]:
    """The four bit planes as the other side sees them."""
    c0, c1, c2, own = (plane.mirror() for plane in planes)
    return [c0, c1, c2, (c0 | c1 | c2) & ~own]


def pieces_of(planes: list[Squares]) -> Pieces:
    """Sort the four bit planes into kinds."""
    c0, c1, c2, own = planes
    return Pieces(
        pawns=c0 & ~c1 & ~c2,
        knights=c1 & ~c0 & ~c2,
        diagonal=c0 & (c1 ^ c2),
        straight=c2 & ~c1,
        kings=c2 & c1,
        own=own,
        occupied=c0 | c1 | c2,
    )


def kinds(planes: list[Squares]) -> list[Squares]:
    """Twelve sets: own pawns, knights, bishops, rooks, queens, kings, then the opponent's."""
    c0, c1, c2, own = planes
    both = [
        c0 & ~c1 & ~c2,
        c1 & ~c0 & ~c2,
        c0 & c1,
        c2 & ~c1 & ~c0,
        c2 & c0,
        c2 & c1,
    ]
    return [k & own for k in both] + [k & ~own for k in both]


def board_from_codes(codes: np.ndarray) -> np.ndarray:
    """uint32[4, 2] from one position's int8[64] piece codes (mover's view, negative opponent's)."""
    bits = [np.abs(codes) >> i & 1 for i in range(3)] + [codes > 0]
    weights = np.uint32(1) << np.arange(32, dtype=np.uint32)
    return np.stack(
        [(np.asarray(b, np.uint32).reshape(2, 32) * weights).sum(-1, dtype=np.uint32) for b in bits]
    )


def material(board: jax.Array) -> jax.Array:
    """int32[B]: the mover's lead in material (pawn 1, knight and bishop 3, rook 5, queen 9)."""
    sets = kinds(planes_of(board))
    own, theirs = sets[:5], sets[6:11]
    pairs = zip((1, 3, 3, 5, 9), own, theirs, strict=True)
    return jnp.stack([n * (a.count() - b.count()) for n, a, b in pairs]).sum(0)
