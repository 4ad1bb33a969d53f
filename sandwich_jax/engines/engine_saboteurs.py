"""Models M that ask an engine, outside traced code: the worst move, and the riskiest.

Both look at every legal move by MultiPV at few nodes; to be borrowed in jitted runs their choices
are distilled into a network (`training.saboteur.distil`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import chess
import numpy as np
from jaxtyping import Float, Int

from sandwich_jax.engines.engine_pool import EngineFault, Pool
from sandwich_jax.engines.questions import Line
from sandwich_jax.training.corpus import label_of, move_of

MOST_MOVES = 218
"""No legal position has more."""
SAFE = 0.10
"""Win probability below the best follow-up within which another one is safe."""
PIECE = 100
"""Positions between two reports."""

Told = Callable[[int, int], None]


def _silent(done: int, total: int) -> None:
    """No report."""


def all_moves(
    pool: Pool, boards: Sequence[chess.Board], nodes: int, told: Told = _silent
) -> list[list[Line]]:
    """Every legal move of every board with the engine's score, best first.

    With too few nodes (some hundreds) an engine does not come to all moves: those are left out.

    Args:
        pool: engines.
        boards: positions; none may be over.
        nodes: searched a position, all its moves together.
        told: called with positions done and in all.

    Raises:
        EngineFault: the engine failed too often; `done` holds what was finished.
    """
    found: list[list[Line]] = []
    for start in range(0, len(boards), PIECE):
        try:
            found += pool.analyse(boards[start : start + PIECE], nodes, MOST_MOVES)
        except EngineFault as fault:
            raise EngineFault(str(fault), [*found, *fault.done]) from fault
        told(len(found), len(boards))
    return found


def engine_worst(
    pool: Pool, boards: Sequence[chess.Board], nodes: int, told: Told = _silent
) -> list[chess.Move]:
    """The engine's worst legal move on every board; see `all_moves`."""
    each = all_moves(pool, boards, nodes, told)
    return [min(lines, key=lambda line: line.centipawns).move for lines in each]


def engine_riskiest(
    pool: Pool, boards: Sequence[chess.Board], nodes: int, told: Told = _silent
) -> list[chess.Move]:
    """The move that stakes most on exact play; see `all_moves`.

    For each legal move the engine replies as well as it can; of the mover's own next moves then,
    those within `SAFE` of the best one's win probability are safe. The riskiest move is the one
    after which the smallest share is safe; of equals the best. A move after which there is nothing
    to choose stakes nothing (a share of 1).
    """
    chosen = []
    for count, board in enumerate(boards, 1):
        moves = list(board.legal_moves)
        shares = safe_shares(pool, board, moves, nodes)
        chosen.append(moves[shares.index(min(shares))])
        told(count, len(boards))
    return chosen


def safe_shares(
    pool: Pool, board: chess.Board, moves: Sequence[chess.Move], nodes: int
) -> list[tuple[float, float]]:
    """After each move: the share of safe follow-ups, and the opponent's win probability."""
    after = [_pushed(board, move) for move in moves]
    open_ = [i for i, b in enumerate(after) if any(b.legal_moves)]
    replies = pool.analyse([after[i] for i in open_], nodes)
    found = [(1.0, 0.0 if b.is_checkmate() else 0.5) for b in after]
    following, where = [], []
    for i, lines in zip(open_, replies, strict=True):
        found[i] = (1.0, lines[0].win)
        then = _pushed(after[i], lines[0].move)
        if then.legal_moves.count() > 1:
            following.append(then)
            where.append(i)
    for i, lines in zip(where, pool.analyse(following, nodes, MOST_MOVES), strict=True):
        best = max(line.win for line in lines)
        share = sum(line.win >= best - SAFE for line in lines) / len(lines)
        found[i] = (share, found[i][1])
    return found


def _pushed(board: chess.Board, move: chess.Move) -> chess.Board:
    after = board.copy(stack=False)
    after.push(move)
    return after


def boards_of(lines: Int[np.ndarray, "N L"]) -> list[chess.Board]:
    """Boards after lines of labels, -1 after the last of each; without the moves that led there."""
    found = []
    for line in lines:
        board = chess.Board()
        for label in line[line >= 0]:
            board.push(move_of(int(label), board))
        found.append(board.copy(stack=False))
    return found


def columns_of(
    boards: Sequence[chess.Board], labels: Int[np.ndarray, "N M"], moves: Sequence[chess.Move]
) -> Int[np.ndarray, "N"]:
    """The column in which each board's move stands among its labels."""
    wanted = [label_of(move, board.turn) for board, move in zip(boards, moves, strict=True)]
    return (labels == np.asarray(wanted).reshape(-1, 1)).argmax(1)


def losses(
    boards: Sequence[chess.Board], labels: Int[np.ndarray, "N M"], each: Sequence[list[Line]]
) -> Float[np.ndarray, "N M"]:
    """Win probability that each labelled move loses against the best; NaN where not told."""
    found = np.full(labels.shape, np.nan, np.float32)
    for row, board, lines in zip(range(len(boards)), boards, each, strict=True):
        wins = {label_of(line.move, board.turn): line.win for line in lines}
        best = max(wins.values(), default=0.0)
        for column in np.flatnonzero(labels[row] >= 0):
            if int(labels[row, column]) in wins:
                found[row, column] = best - wins[int(labels[row, column])]
    return found
