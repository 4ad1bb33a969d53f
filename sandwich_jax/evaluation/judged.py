"""Moves of self-play before an engine."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import chess
import numpy as np
from jaxtyping import Bool, Int

from sandwich_jax import games
from sandwich_jax.engines.analyses import Analyses
from sandwich_jax.measures.quality import Moves
from sandwich_jax.training.corpus import move_of
from sandwich_jax.types import Rollout


class Judged(NamedTuple):
    """N moves of chess and the engine's verdicts on them."""

    moves: Moves
    ply: Int[np.ndarray, "N"]
    """With `moves.game`, where in the rollout a move stands."""


def judge(
    analyses: Analyses,
    rollout: Rollout,
    wanted: Bool[np.ndarray, "T B"],
    told: Callable[[int, int], None] = lambda done, total: None,
    moves: Int[np.ndarray, "T B"] | None = None,
) -> Judged:
    """Has positions before and after the moves of `wanted` plies analysed, game by game.

    Args:
        analyses: the engine's.
        rollout: games of chess.
        wanted: the plies.
        told: positions done and in all.
        moves: labels to look at, such as the advice; None: the moves that were played.

    Raises:
        EngineFault: the engine failed too often; what was done is kept in the cache.
    """
    lines, played = games.make("chess").openings("train"), np.asarray(rollout.moves)
    looked_at = played if moves is None else np.asarray(moves)
    boards: list[chess.Board] = []
    where: list[tuple[int, int]] = []
    for game in np.flatnonzero(wanted.any(0)).tolist():
        board = chess.Board()
        for label in lines[int(rollout.opening[game])]:
            board.push(move_of(int(label), board))
        for ply in range(int(np.flatnonzero(wanted[:, game])[-1]) + 1):
            if wanted[ply, game]:
                before, after = board.copy(stack=False), board.copy(stack=False)
                after.push(move_of(int(looked_at[ply, game]), after))
                boards += [before, after]
                where.append((ply, game))
            board.push(move_of(int(played[ply, game]), board))
    found = analyses.of(boards, told)
    ply, game = np.asarray(where, int).reshape(-1, 2).T
    numbers = np.asarray(found, float).reshape(-1, 2, 2)
    (before_cp, before), (after_cp, after) = numbers[:, 0].T, numbers[:, 1].T
    return Judged(Moves(before, 1 - after, before_cp, -after_cp, game), ply)
