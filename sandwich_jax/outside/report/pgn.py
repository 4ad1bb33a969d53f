"""Games as PGN that any chess program opens."""

from __future__ import annotations

import chess
import chess.pgn
import numpy as np

from sandwich_jax.training.corpus import move_of
from sandwich_jax.types import Rollout, Truth


def selfplay_games(
    rollout: Rollout,
    truth: Truth,
    lines: np.ndarray,
    member: str,
    round_index: int,
    count: int,
) -> str:
    """The first `count` games of a rollout; advice and its corruption stand in comments.

    Args:
        rollout: of chess.
        truth: of the same games.
        lines: the table of training openings, [N, L].
        member: names the assisted side.
        round_index: the first is 1.
        count: at most the number of games.
    """
    rollout = Rollout(*(np.asarray(x) for x in rollout))  # pyright: ignore
    truth = Truth(*(np.asarray(x) for x in truth))  # pyright: ignore
    games = range(min(count, rollout.moves.shape[1]))
    return "\n\n".join(
        str(_one(rollout, truth, lines, member, round_index, game)) for game in games
    )


def _one(
    rollout: Rollout, truth: Truth, lines: np.ndarray, member: str, round_index: int, index: int
) -> chess.pgn.Game:
    game = chess.pgn.Game()
    assisted, alone = f"W with {member}", "W alone"
    first = bool(rollout.assisted_first[index])
    game.headers["Event"] = f"sandwich_jax self-play, round {round_index}"
    game.headers["Site"] = "?"
    game.headers["Round"] = f"{round_index}.{index + 1}"
    game.headers["White"], game.headers["Black"] = (assisted, alone) if first else (alone, assisted)
    result = {1: "1-0", -1: "0-1", 0: "1/2-1/2"}[int(rollout.result[index])]
    finished = bool(rollout.finished[index])
    game.headers["Result"] = result if finished else "*"
    game.headers["Termination"] = "normal" if finished else "unterminated"
    board, node = game.board(), game
    for label in lines[rollout.opening[index]]:
        node = node.add_variation(move_of(int(label), board))
        board.push(node.move)
    for ply in range(int(rollout.played[:, index].sum())):
        comment = _comment(rollout, truth, board, ply, index)
        node = node.add_variation(move_of(int(rollout.moves[ply, index]), board), comment=comment)
        board.push(node.move)
    return game


def _comment(rollout: Rollout, truth: Truth, board: chess.Board, ply: int, index: int) -> str:
    if not rollout.asked[ply, index]:
        return ""
    advised = board.san(move_of(int(rollout.advice[ply, index]), board))
    text = f"A: {advised}"
    if truth.corrupted[ply, index]:
        text += f", corrupted (E: {board.san(move_of(int(truth.honest[ply, index]), board))})"
    return text if rollout.followed[ply, index] else f"{text}, refused"
