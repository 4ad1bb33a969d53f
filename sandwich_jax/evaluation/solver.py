"""Connect Four by a perfect solver, for measuring: bitbully, which a user installs by himself.

It is under the AGPL-3, so it is neither shipped nor depended on; `pip install bitbully`.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from sandwich_jax.types import SettingError

COLUMNS, ROWS = 7, 6


@functools.cache
def _solver() -> tuple[Any, Any]:
    """Its solver, and its class of boards.

    Raises:
        SettingError: it is not installed.
    """
    try:
        import bitbully
    except ImportError as error:
        raise SettingError(
            "Connect Four's solver is not installed: pip install bitbully (AGPL-3)."
        ) from error
    return bitbully.BitBully(), bitbully.Board


def installed() -> bool:
    """Whether there is a solver."""
    try:
        _solver()
    except SettingError:
        return False
    return True


def outcomes(lines: Sequence[Int[np.ndarray, "L"]] | Int[np.ndarray, "N L"]) -> np.ndarray:
    """Result for the mover of every column with perfect play after it, [N, 7]: 1, 0, -1; NaN: full.

    Args:
        lines: N games so far, as columns from the left; -1 after the last.

    Raises:
        SettingError: there is no solver, or a line is no game that is still open.
    """
    solver, board_of = _solver()
    found = np.full((len(lines), COLUMNS), np.nan)
    for row, line in enumerate(lines):
        moves = [int(label) for label in line if label >= 0]
        try:
            board = board_of(moves)
        except ValueError as error:
            raise SettingError(f"{moves} is no game of Connect Four.") from error
        if board.is_game_over():
            raise SettingError(f"{moves}: this game is over.")
        for column, score in solver.score_all_moves(board).items():
            found[row, column] = np.sign(score)
    return found


def keeps(outcomes: Float[np.ndarray, "N 7"], moves: Int[np.ndarray, "N"]) -> np.ndarray:
    """Whether each move keeps the result that perfect play has, [N]."""
    best = np.nanmax(outcomes, axis=1)
    return outcomes[np.arange(len(moves)), moves] == best


def matters(outcomes: Float[np.ndarray, "N 7"]) -> np.ndarray:
    """Whether moves of a position lead to different results, [N]."""
    return np.nanmax(outcomes, axis=1) > np.nanmin(outcomes, axis=1)
