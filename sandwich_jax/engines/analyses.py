"""An engine's verdicts at fixed nodes, kept on disk: no position is analysed twice.

A verdict is known by the engine's name and version, the nodes, and the position: pieces, side to
move, castling rights and legal en passant. The engine is told nothing else (no clock, no game), so
that the same question always has the same answer. An SQLite file holds them; several processes may
use it at a time, and each piece of work is written in one transaction.
"""

from __future__ import annotations

import pathlib
import sqlite3
from collections.abc import Callable, Sequence
from typing import NamedTuple

import chess
import platformdirs

from sandwich_jax.engines import engine_pool, questions
from sandwich_jax.types import SettingError

PIECE = 200
"""Positions analysed between two writes."""
WAIT = 60.0
"""Seconds to wait for another process that writes."""
TABLE = """
create table if not exists verdicts (
    engine text, nodes integer, position text, centipawns integer not null, win real not null,
    primary key (engine, nodes, position)
) without rowid
"""


class Verdict(NamedTuple):
    """For the side to move."""

    centipawns: int
    """A mate in n moves is `questions.MATE` - n."""
    win: float
    """Expected score in [0, 1]."""


def default_path() -> pathlib.Path:
    """The file that all runs of a user share."""
    return platformdirs.user_cache_path("sandwich_jax") / "analyses.sqlite"


class Analyses:
    """Verdicts of one engine at one number of nodes; use it in a `with` block."""

    def __init__(self, pool: engine_pool.Pool, nodes: int, path: pathlib.Path):
        """Raises SettingError where the file is no cache or the engine cannot be started."""
        if nodes < 1:
            raise SettingError(f"nodes is {nodes}: it must be at least 1.")
        self.pool, self.nodes, self.path = pool, nodes, path
        self.engine = pool.version()
        self.asked = 0
        """Positions that the engine was asked about."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self.database = sqlite3.connect(path, timeout=WAIT)
            self.database.execute(TABLE)
        except (OSError, sqlite3.Error) as error:
            raise self._unusable(error) from error

    def __enter__(self) -> Analyses:
        return self

    def __exit__(self, *error: object) -> None:
        self.database.close()

    def of(
        self,
        boards: Sequence[chess.Board],
        told: Callable[[int, int], None] = lambda done, total: None,
    ) -> list[Verdict]:
        """The verdicts on positions; the rules' own where a game is over.

        Args:
            boards: positions.
            told: called with positions done and in all, of those that are not known yet.

        Raises:
            EngineFault: the engine failed too often; what was done is kept for the next time.
        """
        keys = [board.epd() for board in boards]
        found = {key: _by_rules(board) for key, board in zip(keys, boards, strict=True)}
        found |= self._known([key for key, verdict in found.items() if verdict is None])
        missing = [key for key, verdict in found.items() if verdict is None]
        for first in range(0, len(missing), PIECE):
            found |= self._ask(missing[first : first + PIECE])
            told(min(first + PIECE, len(missing)), len(missing))
        return [verdict for key in keys if (verdict := found[key])]

    def _known(self, keys: Sequence[str]) -> dict[str, Verdict]:
        query = (
            "select centipawns, win from verdicts where engine = ? and nodes = ? and position = ?"
        )
        found = {}
        try:
            for key in keys:
                row = self.database.execute(query, (self.engine, self.nodes, key)).fetchone()
                if row:
                    found[key] = Verdict(*row)
        except sqlite3.Error as error:
            raise self._unusable(error) from error
        return found

    def _ask(self, keys: Sequence[str]) -> dict[str, Verdict]:
        try:
            lines = self.pool.analyse([f"{key} 0 1" for key in keys], self.nodes)
        except engine_pool.EngineFault as fault:
            self._keep(keys, fault.done)
            raise
        return self._keep(keys, lines)

    def _keep(self, keys: Sequence[str], lines: Sequence) -> dict[str, Verdict]:
        pairs = zip(keys, lines, strict=False)
        found = {key: Verdict(line[0].centipawns, line[0].win) for key, line in pairs if line}
        self.asked += len(found)
        rows = [(self.engine, self.nodes, key, *verdict) for key, verdict in found.items()]
        try:
            with self.database:
                self.database.executemany("insert or ignore into verdicts values (?,?,?,?,?)", rows)
        except sqlite3.Error as error:
            raise self._unusable(error) from error
        return found

    def _unusable(self, error: Exception) -> SettingError:
        return SettingError(f"{self.path} cannot be used as a cache of analyses ({error}).")


def _by_rules(board: chess.Board) -> Verdict | None:
    """The verdict where nothing can be asked: mate, stalemate or no material to mate with."""
    if board.is_checkmate():
        return Verdict(-questions.MATE, 0.0)
    if board.is_stalemate() or board.is_insufficient_material():
        return Verdict(0, 0.5)
    return None
