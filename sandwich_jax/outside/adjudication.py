"""Is a game that material decided really won? Stockfish's verdict on final positions.

Source of the rule: `play.Adjudication`; of the engine's verdict: `engines.win_probability`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import chess
import numpy as np
from jaxtyping import Int

from sandwich_jax.arena import Scores
from sandwich_jax.outside import engines
from sandwich_jax.training.corpus import move_of

DECISIVE = 0.75
"""Expected score from which Stockfish's verdict is a win; under 1 - this, a loss."""
VALUES = {chess.PAWN: 1, chess.KNIGHT: 3, chess.BISHOP: 3, chess.ROOK: 5, chess.QUEEN: 9}


class Final(NamedTuple):
    """The end of a game that the rules left open."""

    board: chess.Board
    verdict: float
    """Of adjudication, for White: 1, 0 or -1."""


class Agreement(NamedTuple):
    """Final positions of one margin, and what Stockfish says of them."""

    margin: int
    """Lead in material of either side (1, 3, 3, 5, 9)."""
    positions: int
    decided: float
    """Share that adjudication called a win for the side ahead; the others it called draws."""
    agree: float
    """Share on which Stockfish's verdict is the same."""
    opposite: float
    """Share on which the loser by adjudication wins by Stockfish."""
    leader: float
    """Stockfish's mean expected score of the side ahead (of White at margin 0), in [0, 1]."""


def finals(scores: Scores, lines: Int[np.ndarray, "N L"]) -> list[Final]:
    """Ends of the games that neither mate, stalemate nor a draw by rule ended.

    Args:
        scores: a match on chess.
        lines: its openings as labels.
    """
    moves, points = np.asarray(scores.moves), np.asarray(scores.points)
    found = []
    for opening, column in np.ndindex(points.shape):
        board = chess.Board()
        for label in (*lines[opening], *moves[:, opening, column]):
            if label >= 0:
                board.push(move_of(int(label), board))
        if not board.is_game_over(claim_draw=True):
            side = 1 if column == 0 else -1
            found.append(Final(board, side * (2 * float(points[opening, column]) - 1)))
    return found


def lead(board: chess.Board) -> int:
    """White's lead in material."""
    return sum(
        value * (len(board.pieces(piece, chess.WHITE)) - len(board.pieces(piece, chess.BLACK)))
        for piece, value in VALUES.items()
    )


def agreement(sample: Sequence[Final], pool: engines.Pool, nodes: int) -> list[Agreement]:
    """How often adjudication and Stockfish agree, margin by margin.

    Args:
        sample: final positions.
        pool: engines.
        nodes: searched a position.

    Raises:
        EngineFault: the engine failed too often.
    """
    answers = pool.analyse([final.board for final in sample], nodes)
    wins = np.asarray([lines[0].win for lines in answers])
    white = np.asarray([final.board.turn == chess.WHITE for final in sample], bool)
    wins = np.where(white, wins, 1 - wins)
    engine = (wins >= DECISIVE).astype(int) - (wins <= 1 - DECISIVE)
    verdicts = np.asarray([final.verdict for final in sample])
    leads = np.asarray([lead(final.board) for final in sample], int)
    of_leader = np.where(leads < 0, 1 - wins, wins)
    rows = []
    for margin in np.unique(np.abs(leads)).tolist():
        here = np.abs(leads) == margin
        opposite = (engine * verdicts)[here] < 0
        rows.append(
            Agreement(
                margin=margin,
                positions=int(here.sum()),
                decided=float((verdicts[here] != 0).mean()),
                agree=float((engine == verdicts)[here].mean()),
                opposite=float(opposite.mean()),
                leader=float(of_leader[here].mean()),
            )
        )
    return rows
