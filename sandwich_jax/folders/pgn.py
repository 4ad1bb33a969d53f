"""Games as PGN that any chess program opens.

Comments hold what Lichess and ChessBase draw: [%eval] is E's value after the move, for White, in
pawns (see `annotated.centipawns`; a network's guess of the result, not a search; the tag Annotator
says so and whose it is), [%cal] the arrows, in the colours of `COLOURS`. Their words say what
was wished, advised and corrupted, and whether corrupted advice was caught.
"""

from __future__ import annotations

import chess
import chess.engine
import chess.pgn
import chess.svg
import numpy as np
from jaxtyping import Float

from sandwich_jax.folders.annotated import AnnotatedGame, Ply, centipawns, games_of
from sandwich_jax.types import Rollout, Truth

EVALS = "%eval: expected score of {} without search, on Lichess's scale of pawns, for White"
COLOURS = {"own": "blue", "advice": "green", "corrupted": "red", "played": "yellow"}
"""Of arrows: W's own wish, honest advice, corrupted advice, the move played."""


def selfplay_games(
    rollout: Rollout,
    truth: Truth,
    lines: np.ndarray,
    member: str,
    round_index: int,
    count: int,
    value: Float[np.ndarray, "T B"] | None = None,
) -> str:
    """The first `count` games of a rollout as PGN; arguments as `annotated.games_of`."""
    columns = range(min(count, rollout.moves.shape[1]))
    games = games_of(rollout, truth, lines, member, round_index, columns, value=value)
    return "\n\n".join(text_of(game) for game in games)


def text_of(game: AnnotatedGame) -> str:
    """One game with all that is known of it."""
    written = chess.pgn.Game()
    if game.start:
        written.setup(game.start)
    result, over = game.result, game.result != "*"
    tags = {"Event": game.event, "Site": "?", "Date": game.date, "Round": game.round}
    tags |= {"White": game.white, "Black": game.black, "Result": result}
    for name, value in tags.items():
        written.headers[name] = _tag(value)
    written.headers["Termination"] = "normal" if over else "unterminated"
    values = game.values()
    if any(value is not None for value in values):
        written.headers["Annotator"] = _tag(EVALS.format(game.expert))
    node = written
    for move in game.opening:
        node = node.add_variation(move)
    for (board, ply), value in zip(game.boards(), values, strict=True):
        node = node.add_variation(ply.move, comment=words(board, ply))
        node.set_arrows(arrows(ply))
        if value is not None and not node.board().is_game_over():
            score = chess.engine.Cp(centipawns(value))
            node.set_eval(chess.engine.PovScore(score, chess.WHITE))
    return str(written)


def words(board: chess.Board, ply: Ply) -> str:
    """What happened, such as "W: d4; A: h4, corrupted (E: Nf3), caught"; often empty."""
    parts = []
    if ply.own is not None:
        parts.append(f"W: {board.san(ply.own)}")
    if ply.advice is not None:
        text = f"A: {board.san(ply.advice)}"
        if ply.corrupted:
            honest = f" (E: {board.san(ply.honest)})" if ply.honest else ""
            text += f", corrupted{honest}, {'caught' if ply.caught else 'followed'}"
        elif not ply.followed:
            text += ", refused"
        parts.append(text)
    return "; ".join(parts)


def arrows(ply: Ply) -> list[chess.svg.Arrow]:
    """W's own wish, the advice and the move played; none where there is nothing to compare."""
    told = {"own": ply.own, "corrupted" if ply.corrupted else "advice": ply.advice}
    shown = {name: move for name, move in told.items() if move is not None}
    if shown:
        shown["played"] = ply.move
    return [
        chess.svg.Arrow(move.from_square, move.to_square, color=COLOURS[name])
        for name, move in shown.items()
    ]


def _tag(value: str) -> str:
    """A tag's value; python-chess writes quotes and line ends as they are."""
    return " ".join(value.replace("\\", "/").replace('"', "'").split())
