"""Small settings that several test files share."""

import io

import chess
import chess.pgn

from sandwich_jax.members import Config

SMALL = dict(
    game="tic_tac_toe",
    expert="fresh:1",
    weak="fresh:2",
    p=(0.0, 0.5),
    rounds=2,
    games=16,
    lanes=8,
    max_plies=8,
    updates=4,
    batch=32,
    window=2,
    arena_max_plies=8,
    round_openings=8,
    final_openings=16,
)


def small(**changes) -> Config:
    """A run of seconds on a game of nine squares."""
    return Config(**(SMALL | changes))


def pgn(moves: str, result: str = "1-0", **tags: str) -> str:
    """One game as PGN text, by way of python-chess."""
    game = chess.pgn.Game()
    board, node = game.board(), game
    for san in moves.split():
        move = board.push_san(san)
        node = node.add_variation(move)
    game.headers["Result"] = result
    for name, value in tags.items():
        game.headers[name] = value
    return str(game) + "\n\n"


def read_pgn(text: str) -> list[chess.pgn.Game]:
    """Every game in a PGN text."""
    stream, games = io.StringIO(text), []
    while game := chess.pgn.read_game(stream):
        games.append(game)
    return games
