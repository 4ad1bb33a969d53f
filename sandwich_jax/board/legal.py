"""Legal moves, all at once: 73 sets of source squares, with no move made or taken back.

Four restrictions make a move legal, and each is a set of squares:

- the king may not step on an attacked square; attacks are taken with the king lifted off the board,
  so that it cannot hide behind itself;
- in check, every other piece must go to the evasion mask: the checker or a square before it (no
  square at all in double check);
- a pinned piece moves only along the axis of its pin;
- an en-passant capture takes two pieces off one line, so it is tried with its exact occupancy.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from sandwich_jax import forms

from . import geometry as g
from .attacks import jumps, line_attacks, neighbours, pawn_strikes, rays
from .pieces import Pieces, pieces_of, planes_of
from .staging import stage
from .words import FULL, Squares, constant, square, union

QUEEN_SIDE, KING_SIDE = np.uint32(1), np.uint32(2)  # own castling rights; the opponent's are << 2

AXES = {"file": (g.UP, g.DOWN), "rank": (g.LEFT, g.RIGHT)}
AXES |= {"rising": (g.UP_RIGHT, g.DOWN_LEFT), "falling": (g.UP_LEFT, g.DOWN_RIGHT)}
AXIS_OF = {d: name for name, pair in AXES.items() for d in pair}

_PAGE, _SPARE = 1024, 16  # lanes: 4 KB, and one cache line
_NONE, _ALL = np.uint32(0), FULL


class Sources(NamedTuple):
    """What may move, and where to, once checks and pins are accounted for."""

    target: Squares  # where pieces other than the king may land
    king: Squares
    king_target: Squares
    lines: dict  # axis name -> line pieces that may move along it
    knights: Squares
    push: Squares  # pawns, by the way they may go; underpromotions have the same sources
    push_two: Squares
    strike_left: Squares
    strike_right: Squares
    castle_left: Squares  # the king's square if it may castle there, else nothing
    castle_right: Squares


class Legal(NamedTuple):
    """The legal moves of each position, and two facts that come with them."""

    words: jax.Array  # uint32[73, 2, B]
    check: jax.Array  # bool[B]: the mover's king is attacked
    en_passant: jax.Array  # bool[B]: an en-passant capture is legal
    count: jax.Array  # int32[B]: the number of legal moves


def legal(board: jax.Array, castling: jax.Array, en_passant: jax.Array) -> Legal:
    """All legal moves.

    Args:
        board: uint32[4, 2, B], see `pieces`.
        castling: uint32[B], bits 1 own queen side, 2 own king side, 4 and 8 the opponent's.
        en_passant: int32[B], the square behind a pawn that has just advanced by two, or -1.
    """
    batch = castling.shape[-1]
    # Rows of a multiple of 4 KB fall on the same cache lines: a few more lanes set them apart.
    spare = _SPARE if batch % _PAGE == 0 and forms.here().spare_lanes else 0
    board, castling, en_passant = (
        jnp.pad(x, [(0, 0)] * (x.ndim - 1) + [(0, spare)], mode="edge") if spare else x
        for x in (board, castling, en_passant)
    )
    attacks, sight = stage(_lines, board)
    passing = stage(_passing, board, en_passant)
    sources, check, can_pass = stage(
        _restrict, board, castling, en_passant, attacks, sight, passing
    )
    moves = stage(_spread, board, sources)
    # One copy of finished rows; inside the stage it would be fused, and computed row by row.
    words = stage(lambda rows: _joined(rows, batch), moves)
    count = stage(_count, board, sources)
    return Legal(words, check[:batch], can_pass[:batch], count[:batch])


def _joined(rows: list[Squares], batch: int) -> jax.Array:
    """uint32[73, 2, B]: all rows in one concatenation, so that a GPU writes them in one kernel."""
    words = [word[None, :batch] for row in rows for word in row]
    return jax.lax.concatenate(words, 0).reshape(len(rows), 2, batch)


def _lines(board):
    """The opponent's line attacks through the mover's king, and what that king sees."""
    p = pieces_of(planes_of(board))
    king, theirs = p.kings & p.own, ~p.own
    lifted = ~(p.occupied & ~king)
    attacks = line_attacks(p.straight & theirs, p.diagonal & theirs, lifted)
    return attacks, rays(king, ~p.occupied)


def _passing(board, en_passant):
    """bool[B] twice: whether a pawn may capture en passant, to the left and to the right."""
    p = pieces_of(planes_of(board))
    king, theirs = p.kings & p.own, p.occupied & ~p.own
    target = square(en_passant)
    taken = target.shift(*g.DOWN)
    # No other piece may give check; line pieces are seen to below.
    quiet = ~((jumps(king) & p.knights) | (pawn_strikes(king, 1) & p.pawns & ~taken)) | ~theirs
    quiet = (quiet.lo & quiet.hi) == FULL

    def capture(way):
        pawn = target.shift(-way[0], -way[1]) & p.pawns & p.own
        empty = ~((p.occupied & ~pawn & ~taken) | target)
        seen = rays(king, empty)
        straight = union(seen[d] for d in g.STRAIGHT) & p.straight
        diagonal = union(seen[d] for d in g.DIAGONAL) & p.diagonal
        return pawn.any() & quiet & ~((straight | diagonal) & theirs).any()

    return capture(g.UP_LEFT), capture(g.UP_RIGHT)


def _restrict(board, castling, en_passant, attacks, sight, passing):
    """Put checks, pins and the king's safety into masks."""
    p: Pieces = pieces_of(planes_of(board))
    own, theirs, empty = p.own, p.occupied & ~p.own, ~p.occupied
    king = p.kings & own
    attacked = union(attacks.values()) | jumps(p.knights & theirs)
    attacked = attacked | pawn_strikes(p.pawns & theirs, -1) | neighbours(p.kings & theirs)

    # An attack in direction d meets the king's sight in the opposite one.
    leapers = (jumps(king) & p.knights | pawn_strikes(king, 1) & p.pawns) & theirs
    checkers, evasion = leapers.count(), leapers
    for d in g.DIRECTIONS:
        checks = (attacks[d] & king).any()
        checkers = checkers + checks
        evasion = evasion | sight[g.OPPOSITE[d]].where(checks)
    free_choice = jnp.where(checkers == 0, _ALL, _NONE)
    no_choice = jnp.where(checkers > 1, _NONE, _ALL)
    evasion = Squares(*((w | free_choice) & no_choice for w in evasion))
    target = evasion & ~own

    pins = {
        axis: own & (attacks[a] & sight[b] | attacks[b] & sight[a]) for axis, (a, b) in AXES.items()
    }
    unpinned = own & ~union(pins.values())
    lines = {}
    for axis, (d, _) in AXES.items():
        movers = p.straight if d in g.STRAIGHT else p.diagonal
        lines[axis] = movers & (unpinned | pins[axis])

    def strikers(way, may_pass):
        pawns = p.pawns & (unpinned | pins[AXIS_OF[way]])
        passing = square(en_passant).shift(-way[0], -way[1]).where(may_pass)
        return (pawns & (theirs & target).shift(-way[0], -way[1])) | passing

    pushers = p.pawns & (unpinned | pins["file"])
    ahead = empty.shift(*g.DOWN)
    push = pushers & (empty & target).shift(*g.DOWN)
    push_two = pushers & ahead & (empty & target).shift(0, -2) & constant(g.RANK_2)

    def castle(right, rook, between, crossed):
        clear = constant(between) & p.occupied | constant(crossed) & attacked
        home = (constant([rook]) & p.straight & ~p.diagonal & own).any()
        home = home & (constant([g.E1]) & king).any()
        return king.where(home & ~clear.any() & ((castling & right) != 0))

    sources = Sources(
        target=target,
        king=king,
        king_target=neighbours(king) & ~own & ~attacked,
        lines=lines,
        knights=p.knights & unpinned,
        push=push,
        push_two=push_two,
        strike_left=strikers(g.UP_LEFT, passing[0]),
        strike_right=strikers(g.UP_RIGHT, passing[1]),
        castle_left=castle(QUEEN_SIDE, g.A1, (g.B1, g.C1, g.D1), (g.C1, g.D1, g.E1)),
        castle_right=castle(KING_SIDE, g.H1, (g.F1, g.G1), (g.E1, g.F1, g.G1)),
    )
    return sources, checkers > 0, passing[0] | passing[1]


def _count(board, s: Sources):
    """The number of legal moves: cheaper again from the sources than read from 146 words."""
    p = pieces_of(planes_of(board))
    empty, rank_7 = ~p.occupied, constant(g.RANK_7)
    total = s.king_target.count() + s.push_two.count()
    total = total + s.castle_left.any() + s.castle_right.any()
    for df, dr in g.DIRECTIONS:
        moving = s.lines[AXIS_OF[df, dr]].shift(df, dr)
        for _ in range(7):
            total = total + (moving & s.target).count()
            moving = (moving & empty).shift(df, dr)
    for step in g.JUMPS:
        total = total + (s.knights.shift(*step) & s.target).count()
    for pawns in (s.push, s.strike_left, s.strike_right):
        total = total + pawns.count() + 3 * (pawns & rank_7).count()
    return total


def _spread(board, s: Sources):
    """One set of sources for each of the 73 planes."""
    c0, c1, c2, _ = planes_of(board)
    empty = ~(c0 | c1 | c2)
    rank_7 = constant(g.RANK_7)
    planes: dict[int, Squares] = {}

    for df, dr in g.DIRECTIONS:
        moving = s.lines[AXIS_OF[df, dr]].shift(df, dr)
        for n in range(1, 8):
            landed = moving & s.target
            if n == 1:
                landed = landed | (s.king.shift(df, dr) & s.king_target)
            # Every square here was reached from the board, so the way back needs no guard.
            planes[g.LINE_PLANE[n * df, n * dr]] = landed.shift(-n * df, -n * dr, guard=False)
            moving = (moving & empty).shift(df, dr)

    for step in g.JUMPS:
        landed = s.knights.shift(*step) & s.target
        planes[g.JUMP_PLANE[step]] = landed.shift(-step[0], -step[1], guard=False)

    ways = dict(zip(g.WAYS, (s.push, s.strike_right, s.strike_left), strict=True))
    for way, pawns in ways.items():
        planes[g.LINE_PLANE[way]] = planes[g.LINE_PLANE[way]] | pawns
        for piece in range(len(g.UNDERPROMOTIONS)):
            planes[3 * piece + g.WAYS.index(way)] = pawns & rank_7
    for step, pieces in (
        ((0, 2), s.push_two),
        ((-2, 0), s.castle_left),
        ((2, 0), s.castle_right),
    ):
        planes[g.LINE_PLANE[step]] = planes[g.LINE_PLANE[step]] | pieces
    return [planes[i] for i in range(g.PLANES)]
