"""Which chess moves give check, without making one.

All is read from lines to the opponent's king: the piece moved stands on one, or leaves one that a
piece behind it looks along. Taking in passing and castling move two pieces, and a pawn that
promotes leaves the square behind it, so these are looked at one by one.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int, UInt

from sandwich_jax.board import geometry as g

_FILE, _RANK = np.arange(64) // 8, np.arange(64) % 8
_DF, _DR = _FILE[None] - _FILE[:, None], _RANK[None] - _RANK[:, None]  # [king, square]


def _axis(df: np.ndarray, dr: np.ndarray) -> np.ndarray:
    """0 a file, 1 a rank, 2 and 3 the diagonals, -1 none of them."""
    still = (df == 0) & (dr == 0)
    axis = np.select([df == 0, dr == 0, df == dr, df == -dr], [0, 1, 2, 3], -1)
    return np.where(still, -1, axis)


AXIS = _axis(_DF, _DR)
"""Of the line from king to square."""
_STEPS = np.asarray(g.STEPS)
PLANE_AXIS = _axis(_STEPS[:, 0], _STEPS[:, 1])
"""Along which a plane travels."""
BY_KNIGHT = (np.minimum(abs(_DF), abs(_DR)) == 1) & (np.maximum(abs(_DF), abs(_DR)) == 2)
BY_PAWN = (abs(_DF) == 1) & (_DR == -1)
"""The mover's pawns go up: they strike a king one rank above."""


def _between() -> np.ndarray:
    """bool[king, square, square between]."""
    found = np.zeros((64, 64, 64), bool)
    for king, square in zip(*np.nonzero(AXIS >= 0), strict=True):
        df, dr = _DF[king, square], _DR[king, square]
        steps = max(abs(df), abs(dr))
        delta = 8 * np.sign(df) + np.sign(dr)
        found[king, square, [king + n * delta for n in range(1, steps)]] = True
    return found


def _words(sets: np.ndarray) -> np.ndarray:
    """uint32[..., 2] of bool[..., 64]."""
    bits = sets.reshape(*sets.shape[:-1], 2, 32).astype(np.uint32)
    return (bits << np.arange(32, dtype=np.uint32)).sum(-1, dtype=np.uint32)


BETWEEN = _words(_between())
PAWN, KNIGHT, BISHOP, ROOK, QUEEN, KING = range(6)
_PROMOTED = np.concatenate([np.repeat([ROOK, BISHOP, KNIGHT], 3), np.full(g.PLANES - 9, QUEEN)])
"""What a pawn becomes, plane by plane."""
_WAYS = ((-1, g.LINE_PLANE[1, 1]), (1, g.LINE_PLANE[-1, 1]))
"""Taking in passing: from which file beside the square taken on, and the plane of the move."""
_CASTLES = ((g.G1, g.F1, g.H1, (2, 0)), (g.C1, g.D1, g.A1, (-2, 0)))
"""The king's square after it, the rook's after and before, the king's step."""
_TARGET = np.maximum(g.DESTINATION, 0)


def _pack(chosen: Bool[Array, "64"]) -> UInt[Array, "2"]:
    bits = chosen.reshape(2, 32).astype(jnp.uint32)
    return (bits << jnp.arange(32, dtype=jnp.uint32)).sum(-1, dtype=jnp.uint32)


def _unpack(words: UInt[Array, "2"]) -> Bool[Array, "64"]:
    return ((words[:, None] >> jnp.arange(32, dtype=jnp.uint32)) & 1).reshape(64) > 0


class _Lines:
    """What the opponent's king sees along lines."""

    def __init__(self, own: Bool[Array, "64 6"], theirs: Bool[Array, "64 6"]):
        self.king: Int[Array, ""] = jnp.argmax(theirs[:, KING])
        self.axis = jnp.asarray(AXIS)[self.king]
        self.between = jnp.asarray(BETWEEN)[self.king]
        self.occupied = own.any(-1) | theirs.any(-1)
        straight = (self.axis == 0) | (self.axis == 1)
        diagonal = self.axis >= 2
        self.straight, self.diagonal = straight, diagonal
        self.rooks = straight & (own[:, ROOK] | own[:, QUEEN])
        self.bishops = diagonal & (own[:, BISHOP] | own[:, QUEEN])

    def in_between(self, occupied: Bool[Array, "64"]) -> UInt[Array, "64 2"]:
        """What stands between the king and each square."""
        return self.between & _pack(occupied)

    def seen(self, occupied: Bool[Array, "64"]) -> Bool[Array, "64"]:
        """Squares with nothing between them and the king."""
        return (self.in_between(occupied) == 0).all(-1)

    def uncovered(self) -> Bool[Array, "64"]:
        """Squares whose piece alone stands between the king and a piece that looks along."""
        between = self.in_between(self.occupied)
        alone = jax.lax.population_count(between).sum(-1) == 1
        behind = (self.rooks | self.bishops) & alone
        return _unpack(jnp.bitwise_or.reduce(jnp.where(behind[:, None], between, 0), axis=0))


def gives_check(
    own: Bool[Array, "64 6"], theirs: Bool[Array, "64 6"], passing: Bool[Array, "64"]
) -> Bool[Array, "A"]:
    """Labels that give check if they are legal.

    Args:
        own: the mover's pieces by square and kind, pawns first.
        theirs: the opponent's.
        passing: the square of a pawn to take in passing.
    """
    lines = _Lines(own, theirs)
    seen = lines.seen(lines.occupied)
    return (
        _directly(own, lines, seen)
        | (lines.uncovered()[:, None] & (lines.axis[:, None] != PLANE_AXIS))
        | _promoting(own, lines, seen)
        | _passing(own, passing, lines)
        | _castling(own, lines)
    ).reshape(-1)


def _directly(
    own: Bool[Array, "64 6"], lines: _Lines, seen: Bool[Array, "64"]
) -> Bool[Array, "64 73"]:
    """By the piece moved, from where it ends."""
    straight, diagonal = seen & lines.straight, seen & lines.diagonal
    knight, pawn = jnp.asarray(BY_KNIGHT)[lines.king], jnp.asarray(BY_PAWN)[lines.king]
    by_kind = [pawn, knight, diagonal, straight, straight | diagonal]
    # A bit a kind, so that one look at each label's target is enough.
    kinds = 1 << np.arange(6)
    sees = (jnp.stack(by_kind, -1) * kinds[:5]).sum(-1)[_TARGET]
    moved = (own * kinds).sum(-1)
    # A pawn on the seventh rank ends as another piece.
    last = own[:, PAWN] & (_RANK == 6)
    ends_as = jnp.where(last[:, None], 1 << _PROMOTED, moved[:, None])
    return (sees & ends_as) > 0


def _promoting(
    own: Bool[Array, "64 6"], lines: _Lines, seen: Bool[Array, "64"]
) -> Bool[Array, "64 73"]:
    """By a promoted pawn that looks back along the line it came on."""
    back = own[:, PAWN] & (_RANK == 6) & seen
    along = back[:, None] & (lines.axis[:, None] == PLANE_AXIS)
    straight = np.isin(PLANE_AXIS, (0, 1))
    looks = (_PROMOTED == QUEEN) | (np.where(straight, ROOK, BISHOP) == _PROMOTED)
    return along & looks


def _passing(
    own: Bool[Array, "64 6"], passing: Bool[Array, "64"], lines: _Lines
) -> Bool[Array, "64 73"]:
    """By a line opened where a pawn was taken in passing."""
    found = jnp.zeros((64, g.PLANES), bool)
    taken = jnp.roll(passing, -1)
    for files, plane in _WAYS:
        source = jnp.roll(passing, 8 * files - 1) & own[:, PAWN] & (_RANK == 4)
        after = (lines.occupied & ~source & ~taken) | passing
        opened = (lines.seen(after) & (lines.rooks | lines.bishops)).any()
        found = found.at[:, plane].max(source & opened)
    return found


def _castling(own: Bool[Array, "64 6"], lines: _Lines) -> Bool[Array, "64 73"]:
    """By the rook."""
    found = jnp.zeros((64, g.PLANES), bool)
    at_home = own[g.E1, KING]
    for king, rook, corner, step in _CASTLES:
        after = lines.occupied.at[jnp.asarray([g.E1, corner])].set(False)
        after = after.at[jnp.asarray([king, rook])].set(True)
        sees = (lines.seen(after) & lines.straight)[rook]
        found = found.at[g.E1, g.LINE_PLANE[step]].set(at_home & sees)
    return found
