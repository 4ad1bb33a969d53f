"""Engines as players by their spelling, and weakened to the rungs of a ladder.

stockfish:nodes=N          Stockfish's move after N nodes
stockfish:nodes=N,q=0.3    with probability 0.3 that move, else a uniformly random legal one
stockfish:elo=N            Stockfish's own weakening (UCI_Elo), after 10,000 nodes unless it says
stockfish:elo=N,nodes=M
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence

import chess
import numpy as np

from sandwich_jax.engines import engine_pool, fens
from sandwich_jax.types import SettingError

KIND = "stockfish"
MOST_NODES = 2**53
SPELLINGS = "stockfish:nodes=N, stockfish:nodes=N,q=Q or stockfish:elo=N"


@dataclasses.dataclass(frozen=True)
class EngineSpec:
    """An engine's strength, and how often it is asked at all."""

    strength: engine_pool.Strength
    q: float = 1.0
    """Probability of the engine's move; a uniformly random legal one otherwise."""


def is_engine(spec: str) -> bool:
    """Whether `spec` means to spell an engine."""
    return spec.partition(":")[0] == KIND


def parse(spec: str) -> EngineSpec:
    """The engine that `spec` names; see the module's docstring.

    Raises:
        SettingError: it names none, or a number is out of range.
    """
    kind, _, rest = spec.partition(":")
    pairs = [part.partition("=") for part in rest.split(",")]
    given = {name: value for name, _, value in pairs}
    whole = all(re.fullmatch("[0-9]{1,18}", given.get(name, "1")) for name in ("nodes", "elo"))
    known = set(given) <= {"nodes", "elo", "q"} and len(given) == len(pairs)
    share = re.fullmatch(r"[0-9]*\.?[0-9]+", given.get("q", "1"))
    if kind != KIND or not (known and whole and share and {"nodes", "elo"} & set(given)):
        raise SettingError(f"Unknown player {fens.shown(spec)}: spell an engine {SPELLINGS}.")
    q, nodes = float(given.get("q", 1)), int(given.get("nodes", engine_pool.Strength().nodes))
    if not 0 <= q <= 1:
        raise SettingError(f"q is {q:g} in {fens.shown(spec)}: it must be between 0 and 1.")
    if not 1 <= nodes <= MOST_NODES:
        raise SettingError(
            f"nodes is {nodes} in {fens.shown(spec)}: it must be between 1 and {MOST_NODES}."
        )
    elo = int(given["elo"]) if "elo" in given else None
    return EngineSpec(engine_pool.Strength(nodes, elo), q)


def random_move(board: chess.Board, uniform: float) -> chess.Move:
    """A uniformly random legal move, from one number in [0, 1)."""
    legal = list(board.legal_moves)
    return legal[int(uniform * len(legal))]


class EnginePlayer:
    """An engine on python-chess boards, many at once, with a pool of its own."""

    def __init__(self, spec: str):
        """Raises SettingError where the spelling or the engine cannot be used."""
        self.name, self.engine = spec, parse(spec)
        self.pool = engine_pool.Pool()
        self.rng = np.random.default_rng()

    def best_moves(self, boards: Sequence[chess.Board]) -> list[chess.Move]:
        """Its move on every board.

        Raises:
            SettingError: the engine failed too often, or a board has no legal move.
        """
        asked, which = self.rng.random((2, len(boards)))
        chosen = [random_move(board, u) for board, u in zip(boards, which, strict=True)]
        rows = np.flatnonzero(asked < self.engine.q).tolist()
        moves = self.pool.moves([boards[row] for row in rows], self.engine.strength)
        for row, move in zip(rows, moves, strict=True):
            chosen[row] = move
        return chosen

    def close(self) -> None:
        """Ends its processes."""
        self.pool.close()
