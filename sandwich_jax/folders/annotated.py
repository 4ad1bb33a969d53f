"""Games of self-play ply by ply: what PGN export and the report's viewer both show.

A `Ply` knows what W wished, what A advised, what was played, and what only the measurer knows:
whether the advice was corrupted, and E's value.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Iterator, Sequence

import chess
import jax
import numpy as np
from jaxtyping import Float, Int

from sandwich_jax.training.corpus import move_of
from sandwich_jax.types import Rollout, Truth

SLOPE = 0.00368208
"""Of Lichess's curve from centipawns to expected score (https://lichess.org/page/accuracy)."""
MOST = 0.9995
"""Expected scores beyond this, or below 1 less it, count as this: 2,064 centipawns."""


def centipawns(value: float) -> int:
    """A value in [-1, 1] as centipawns of the same side.

    The inverse of `questions.win_probability` at an expected score of (1 + value) / 2:
    ln(w / (1 - w)) / 0.00368208, at most 2,064 either way.
    """
    win = min(max((1 + value) / 2, 1 - MOST), MOST)
    return round(math.log(win / (1 - win)) / SLOPE)


@dataclasses.dataclass(frozen=True)
class Ply:
    """One move and what was thought of it; None where nobody knows."""

    move: chess.Move
    """Played."""
    own: chess.Move | None = None
    """What the assisted side would have played by itself."""
    advice: chess.Move | None = None
    """What A advised; None where it was not asked."""
    honest: chess.Move | None = None
    """E's own best move; None where A was not asked."""
    corrupted: bool = False
    """The misalignment intervened in the advice."""
    followed: bool = False
    """The advice was taken."""
    value: float | None = None
    """E's value of the position before the move, for the mover, in [-1, 1]."""

    @property
    def caught(self) -> bool:
        """Corrupted advice was refused."""
        return self.corrupted and not self.followed


@dataclasses.dataclass(frozen=True)
class AnnotatedGame:
    """A game from its opening to where it stopped."""

    event: str
    round: str
    white: str
    black: str
    result: str
    """1-0, 0-1, 1/2-1/2 or *, by the rules."""
    opening: tuple[chess.Move, ...]
    """Moves before the first ply."""
    plies: tuple[Ply, ...]
    date: str = "????.??.??"
    start: str | None = None
    """FEN of the position before the opening where it is not the usual one."""
    after: float | None = None
    """E's value of the position after the last ply, for the side to move."""
    expert: str = "E"
    """Whose values they are."""

    def boards(self) -> Iterator[tuple[chess.Board, Ply]]:
        """The position before each ply, and the ply; one board that moves on."""
        board = chess.Board(self.start) if self.start else chess.Board()
        for move in self.opening:
            board.push(move)
        for ply in self.plies:
            yield board, ply
            board.push(ply.move)

    def values(self) -> list[float | None]:
        """E's value after each ply, for White, in [-1, 1]; the result where the rules ended it.

        Somebody who resigns gives a result, but no value to the position.
        """
        board, white = chess.Board(), []
        for board, ply in self.boards():
            white.append(_for_white(ply.value, board.turn))
        if not white:
            return []
        # The board has moved on by the last ply now.
        last, over = _for_white(self.after, board.turn), board.outcome(claim_draw=True)
        if over is not None and over.result() == self.result:
            last = {"1-0": 1.0, "0-1": -1.0, "1/2-1/2": 0.0}[self.result]
        return [*white[1:], last]


def _for_white(value: float | None, white: bool) -> float | None:
    return value if value is None or white else -value


def games_of(
    rollout: Rollout,
    truth: Truth,
    lines: Int[np.ndarray, "N L"],
    member: str,
    round_index: int,
    columns: Iterable[int],
    value: Float[np.ndarray, "T B"] | None = None,
) -> Iterator[AnnotatedGame]:
    """Games of a rollout of chess.

    Args:
        rollout: of chess, as arrays of numpy (fast) or of JAX.
        truth: of the same games.
        lines: the table of training openings.
        member: names the assisted side.
        round_index: the first is 1.
        columns: which games.
        value: E's value before each move, for the mover (`advice.view(...).value` of E); by
            default what the truth holds, which is known only where A was asked.
    """
    rollout, truth = jax.tree.map(np.asarray, (rollout, truth))
    for column in columns:
        yield _game(rollout, truth, lines, member, round_index, column, value)


def _game(
    rollout: Rollout,
    truth: Truth,
    lines: Int[np.ndarray, "N L"],
    member: str,
    round_index: int,
    column: int,
    value: Float[np.ndarray, "T B"] | None,
) -> AnnotatedGame:
    board = chess.Board()
    opening = _push_all(board, lines[rollout.opening[column]])
    plies = []
    for t in range(int(rollout.played[:, column].sum())):
        at, asked = (t, column), bool(rollout.asked[t, column])
        known = value[at] if value is not None else truth.value[at] if asked else None
        ply = Ply(
            move=move_of(int(rollout.moves[at]), board),
            own=_move(int(rollout.own[at]), board),
            advice=_move(int(rollout.advice[at]) if asked else -1, board),
            honest=_move(int(truth.honest[at]) if asked else -1, board),
            corrupted=asked and bool(truth.corrupted[at]),
            followed=asked and bool(rollout.followed[at]),
            value=None if known is None else float(known),
        )
        plies.append(ply)
        board.push(ply.move)
    sides = (f"W with {member}", "W alone")
    white, black = sides if rollout.assisted_first[column] else sides[::-1]
    finished = bool(rollout.finished[column])
    result = {1: "1-0", -1: "0-1", 0: "1/2-1/2"}[int(rollout.result[column])]
    return AnnotatedGame(
        event=f"sandwich_jax self-play, round {round_index}",
        round=f"{round_index}.{column + 1}",
        white=white,
        black=black,
        result=result if finished else "*",
        opening=opening,
        plies=tuple(plies),
    )


def _push_all(board: chess.Board, labels: Sequence[int] | np.ndarray) -> tuple[chess.Move, ...]:
    moves = []
    for label in labels:
        moves.append(move_of(int(label), board))
        board.push(moves[-1])
    return tuple(moves)


def _move(label: int, board: chess.Board) -> chess.Move | None:
    return move_of(label, board) if label >= 0 else None
