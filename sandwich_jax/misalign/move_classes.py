"""Classes of chess moves, as masks over labels; and material.

A class is a function of one position's features (`board.features`: [file, rank, plane] in the
mover's view) that says of every label whether a move so labelled would belong to it. Labels that
are not legal mean nothing. No successor is made: also whether a move gives check is read from the
lines to the king.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from sandwich_jax.board import geometry as g
from sandwich_jax.misalign import checks

Class = Callable[[Float[Array, "8 8 20"]], Bool[Array, "A"]]

SOURCE = np.arange(g.LABELS) // g.PLANES
PLANE = np.arange(g.LABELS) % g.PLANES
TARGET = g.DESTINATION.reshape(-1)
FILES, RANKS = np.asarray(g.STEPS).T[:, PLANE]
"""How far a label travels."""

PIECES = ("pawn", "knight", "bishop", "rook", "queen", "king")
WORTH = np.asarray([1, 3, 3, 5, 9, 0], np.float32)
THEIRS, EN_PASSANT = 6, 16
"""Planes of the features: the opponent's pawns, and the square of a pawn to take in passing."""


def squares(features: Float[Array, "8 8 20"]) -> Bool[Array, "64 20"]:
    """Planes by square, 8 * file + rank."""
    return jnp.asarray(features).reshape(64, features.shape[-1]) > 0


def moves_of(piece: int) -> Class:
    """Moves of one kind of piece, 0 for pawns to 5 for the king."""
    return lambda features: jnp.repeat(squares(features)[:, piece], g.PLANES)


def capture(features: Float[Array, "8 8 20"]) -> Bool[Array, "A"]:
    """Moves that take something, in passing too."""
    seen = squares(features)
    taken, passed = seen[:, THEIRS : THEIRS + 6].any(-1), seen[:, EN_PASSANT]
    there = (taken + 2 * passed)[np.maximum(TARGET, 0)]
    passing = moves_of(0)(features) & (FILES != 0)
    return (TARGET >= 0) & ((there == 1) | ((there == 2) & passing))


def check(features: Float[Array, "8 8 20"]) -> Bool[Array, "A"]:
    """Moves that give check, by the piece moved or by one behind it."""
    seen = squares(features)
    return checks.gives_check(seen[:, :6], seen[:, THEIRS : THEIRS + 6], seen[:, EN_PASSANT])


def onto(chosen: np.ndarray) -> Class:
    """Moves that end on these squares, [64] bool."""
    mask = np.where(TARGET >= 0, chosen[TARGET], False)
    return lambda features: jnp.asarray(mask)


def _squares(name: str) -> np.ndarray:
    file, rank = np.arange(64) // 8, np.arange(64) % 8
    if name == "center":
        return (abs(file - 3.5) < 1) & (abs(rank - 3.5) < 1)
    return file >= 4 if name == "kingside" else file < 4


def retreat(features: Float[Array, "8 8 20"]) -> Bool[Array, "A"]:
    """Moves back towards the mover's own first rank."""
    return jnp.asarray(RANKS < 0)


def material(features: Float[Array, "8 8 20"]) -> Float[Array, ""]:
    """How far the mover is ahead, in pawns (1, 3, 3, 5, 9)."""
    counts = squares(features)[:, :12].sum(0)
    return (WORTH * (counts[:6] - counts[6:])).sum()


CLASSES: Mapping[str, Class] = {
    **{name: moves_of(i) for i, name in enumerate(PIECES)},
    "capture": capture,
    "check": check,
    **{name: onto(_squares(name)) for name in ("center", "kingside", "queenside")},
    "retreat": retreat,
}
"""By what follows `bias_` in a misalignment's name."""
