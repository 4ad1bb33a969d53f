"""Is a game that material decides really won? Stockfish's verdict on positions of such games.

Source of the rule: `play.Adjudication`; of the engine's verdict: `questions.win_probability`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import chess
import numpy as np
from jaxtyping import Float, Int

from sandwich_jax.arena import Scores
from sandwich_jax.engines.engine_pool import Pool
from sandwich_jax.measures import shares
from sandwich_jax.play import Adjudication
from sandwich_jax.training.corpus import move_of

DECISIVE = 0.75
"""Expected score from which Stockfish's verdict is a win; under 1 - this, a loss."""
VALUES = {chess.PAWN: 1, chess.KNIGHT: 3, chess.BISHOP: 3, chess.ROOK: 5, chess.QUEEN: 9}
MARGINS = (3, 4, 5)
"""Leads that a long lead is tried with. A game is over at the arena's own, the last."""


class Call(NamedTuple):
    """Where a rule would end a game, or leave it drawn."""

    rule: str
    """ "long lead": held for the arena's plies on end; "cap": the game was cut off there."""
    lead: int
    """Of the side ahead: the least that was asked for ("long lead"), or what there is ("cap")."""
    white_ahead: bool
    board: chess.Board


class Agreement(NamedTuple):
    """Positions that a rule judges alike, and what Stockfish says of them."""

    rule: str
    lead: str
    """Least lead of the calls; "under 3" are those at the cap that stay drawn."""
    positions: int
    agree: float
    """Share on which Stockfish's verdict is the same: a win for the side ahead, or a draw."""
    agree_lo: float
    agree_hi: float
    """Ends of its 95% interval."""
    opposite: float
    """Share on which the side behind wins by Stockfish (of draws: on which anybody does)."""
    leader: float
    """Stockfish's mean expected score of the side ahead, in [0, 1]."""


def calls(
    scores: Scores, lines: Int[np.ndarray, "N L"], max_plies: int, rule: Adjudication
) -> list[list[Call]]:
    """For every game of a match what the rule, and the same with smaller leads, would call.

    Args:
        scores: a match on chess.
        lines: its openings as labels.
        max_plies: the cap.
        rule: the arena's.
    """
    moves, games = np.asarray(scores.moves), np.ndindex(np.asarray(scores.points).shape)
    return [
        _calls_of(_replayed(lines[opening], moves[:, opening, column]), max_plies, rule)
        for opening, column in games
    ]


def _replayed(line: Iterable[int], moves: Iterable[int]) -> list[chess.Board]:
    """Positions after the opening and after every move, with all that led there."""
    board = chess.Board()
    for label in line:
        board.push(move_of(int(label), board))
    found = [board.copy()]
    for label in moves:
        if label >= 0:
            board.push(move_of(int(label), board))
            found.append(board.copy())
    return found


def _calls_of(boards: list[chess.Board], max_plies: int, rule: Adjudication) -> list[Call]:
    leads = [lead(board) for board in boards[1:]]
    over = boards[-1].is_game_over(claim_draw=True)
    found = []
    for margin in MARGINS:
        end = _long_lead(leads, dataclasses.replace(rule, margin=margin))
        if end is not None and not (over and end == len(leads) - 1):
            found.append(Call("long lead", margin, leads[end] > 0, boards[end + 1]))
    decided = any(call.lead >= rule.margin for call in found)
    if len(leads) >= max_plies and not over and not decided:
        found.append(Call("cap", abs(leads[-1]), leads[-1] > 0, boards[-1]))
    return found


def _long_lead(leads: Sequence[int], rule: Adjudication) -> int | None:
    """The ply at which a long lead ends the game, if one does."""
    streak = 0
    for ply, now in enumerate(leads):
        streak = rule.streak(now, streak)
        if rule.decides(now, streak, False)[0]:
            return ply
    return None


def lead(board: chess.Board) -> int:
    """White's lead in material."""
    return sum(
        value * (len(board.pieces(piece, chess.WHITE)) - len(board.pieces(piece, chess.BLACK)))
        for piece, value in VALUES.items()
    )


def scores_of_leaders(called: Sequence[Call], pool: Pool, nodes: int) -> Float[np.ndarray, "N"]:
    """Stockfish's expected score, in [0, 1], of the side ahead in every call.

    Args:
        called: by `calls`.
        pool: engines.
        nodes: searched a position.

    Raises:
        EngineFault: the engine failed too often.
    """
    fens = list(dict.fromkeys(call.board.fen() for call in called))
    wins = {fen: line[0].win for fen, line in zip(fens, pool.analyse(fens, nodes), strict=True)}
    of_movers = np.asarray([wins[call.board.fen()] for call in called])
    moving = np.asarray([call.white_ahead == call.board.turn for call in called], bool)
    return np.where(moving, of_movers, 1 - of_movers)


def agreement(
    called: Sequence[Call], wins: Float[np.ndarray, "N"], cap_margin: int
) -> list[Agreement]:
    """How often calls and Stockfish agree, rule by rule and lead by lead.

    Args:
        called: by `calls`.
        wins: `scores_of_leaders`.
        cap_margin: the lead from which the arena calls a game won at the cap.
    """
    leads = np.asarray([call.lead for call in called], int)
    at_cap = np.asarray([call.rule == "cap" for call in called], bool)
    rows = [_row("long lead", str(margin), wins[~at_cap & (leads == margin)]) for margin in MARGINS]
    rows += [_row("cap", str(least), wins[at_cap & (leads >= least)]) for least in range(1, 6)]
    rows.append(_row("cap", f"under {cap_margin}", wins[at_cap & (leads < cap_margin)], drawn=True))
    return [row for row in rows if row]


def _row(
    rule: str, least: str, wins: Float[np.ndarray, "N"], drawn: bool = False
) -> Agreement | None:
    """Of the expected scores of sides ahead; None where there is none."""
    won, lost = wins >= DECISIVE, wins <= 1 - DECISIVE
    same, opposite = (~won & ~lost, won | lost) if drawn else (won, lost)
    share = shares.share(same)
    if share is None:
        return None
    found = (share.value, share.low, share.high, float(opposite.mean()), float(wins.mean()))
    return Agreement(rule, least, share.count, *found)
