"""What an engine may be asked about a position, and how its answer is read."""

from __future__ import annotations

import math
from typing import Any, NamedTuple, Protocol

import chess

from sandwich_jax.engines import fens, uci_client
from sandwich_jax.engines.uci_client import Client
from sandwich_jax.types import SettingError

MATE = 10_000
"""Centipawns of mate on the spot; a mate in n moves counts n less."""


class Strength(NamedTuple):
    """How hard an engine thinks."""

    nodes: int = 10_000
    elo: int | None = None
    """UCI_Elo, where the engine has it: weakened on purpose. Its scale was fitted by the engine's
    authors at long games, not at these nodes."""


class Line(NamedTuple):
    """One variation's first move and score, both for the side to move."""

    move: chess.Move
    centipawns: int
    """A mate in n moves is `MATE` - n."""
    win: float
    """Expected score in [0, 1], see `win_probability`; 1 or 0 for a mate."""


def win_probability(centipawns: float) -> float:
    """Expected score in [0, 1] of the side with this score, fitted to human games.

    Source: https://lichess.org/page/accuracy (its "Win%", divided by 100).
    """
    return 1 / (1 + math.exp(-0.00368208 * centipawns))


class Question(Protocol):
    """What is asked of whichever engine is free."""

    def ask(self, engine: Client, seconds: float) -> Any:
        """The answer; raises uci_client.Fault where the engine fails within `seconds`."""
        ...


class Name(NamedTuple):
    """Asks for an engine's name."""

    def ask(self, engine: Client, seconds: float) -> str:
        return engine.name

    def __str__(self) -> str:
        return "its name"


class BestMove(NamedTuple):
    """Asks for a move at some strength."""

    board: chess.Board
    strength: Strength

    def ask(self, engine: Client, seconds: float) -> chess.Move:
        options = _weakening(engine, self.strength.elo)
        said = engine.search(_position(self.board), self.strength.nodes, options, seconds)
        return _best_move(self.board, said)

    def __str__(self) -> str:
        return self.board.fen()


def _weakening(engine: Client, elo: int | None) -> dict[str, str]:
    if elo is None:
        return {}
    limits = engine.options.get("UCI_Elo")
    if limits is None:
        raise SettingError(f"{engine.name} has no UCI_Elo: give it nodes.")
    if not limits[0] <= elo <= limits[1]:
        raise SettingError(f"elo is {elo}: {engine.name} takes {limits[0]} to {limits[1]}.")
    return {"UCI_LimitStrength": "true", "UCI_Elo": str(elo)}


class Analysis(NamedTuple):
    """Asks for the best lines."""

    board: chess.Board
    nodes: int
    multipv: int

    def ask(self, engine: Client, seconds: float) -> list[Line]:
        count, options = 1, {}
        if self.multipv > 1:
            count = min(self.multipv, self.board.legal_moves.count())
            options = {"MultiPV": str(count)}
        said = engine.search(_position(self.board), self.nodes, options, seconds)
        infos = [line.split() for line in said if line.startswith("info ") and " score " in line]
        if count == 1:
            return [_line(_best_move(self.board, said), infos[-1] if infos else [])]
        return [_line(_first_move(self.board, info), info) for info in _last_set(infos, count)]

    def __str__(self) -> str:
        return self.board.fen()


def _last_set(infos: list[list[str]], count: int) -> list[list[str]]:
    """The last whole set of `count` lines of one depth.

    The very last set, cut off by the limit, mostly mixes two depths, and then neither its order
    nor its scores agree.
    """
    whole: list[list[str]] = []
    lines: list[list[str]] = []
    for info in infos:
        first = uci_client.number_after("multipv", info) in (None, 1)
        lines = [info] if first else [*lines, info]
        depths = {uci_client.number_after("depth", line) for line in lines}
        if len(lines) == count and len(depths) == 1:
            whole = lines
    return whole or lines


def _line(move: chess.Move, info: list[str]) -> Line:
    """The score of an `info` line, cut into words."""
    mate = uci_client.number_after("mate", info)
    if mate is not None:
        return Line(move, MATE - mate if mate > 0 else -MATE - mate, float(mate > 0))
    centipawns = uci_client.number_after("cp", info)
    if centipawns is None:
        raise uci_client.Nonsense("no score")
    return Line(move, centipawns, win_probability(centipawns))


def _best_move(board: chess.Board, said: list[str]) -> chess.Move:
    return _move(board, said[-1].split()[1:2])


def _first_move(board: chess.Board, info: list[str]) -> chess.Move:
    return _move(board, info[info.index("pv") + 1 :][:1] if "pv" in info else [])


def _move(board: chess.Board, word: list[str]) -> chess.Move:
    try:
        return fens.move(board, word[0] if word else "")
    except SettingError as error:
        raise uci_client.Nonsense(f"move {str(error).rstrip('.')}") from error


def _position(board: chess.Board) -> str:
    """What an engine is told: with the moves that led here, so that it sees repetitions."""
    # Engines judge for themselves whether en passant is legal.
    start = f"fen {board.root().fen(en_passant='fen')}"
    moves = " ".join(move.uci() for move in board.move_stack)
    return f"{start} moves {moves}" if moves else start
