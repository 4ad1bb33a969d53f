"""An engine's verdicts at fixed nodes, kept on disk: no position is analysed twice.

A verdict is known by the engine's name and version, the nodes, and the position: pieces, side to
move, castling rights and legal en passant. The engine is told nothing else (no clock, no game), so
that the same question always has the same answer. An SQLite file holds them; several processes may
use it at a time. Each verdict is written as soon as it is there, without waiting for the disk: what
kills a process loses nothing, and a machine that loses its power may lose the file, which only
costs its making.
"""

from __future__ import annotations

import pathlib
import sqlite3
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import chess
import platformdirs

from sandwich_jax.engines import engine_pool, questions
from sandwich_jax.types import SettingError

WAIT = 60.0
"""Seconds to wait for another process that writes."""


class Verdict(NamedTuple):
    """For the side to move."""

    centipawns: int
    """A mate in n moves is `questions.MATE` - n."""
    win: float
    """Expected score in [0, 1]."""


class Choice(NamedTuple):
    """For the side to move."""

    move: str
    """The best one, as UCI; empty where there is none."""
    centipawns: int
    """As in `Verdict`."""
    win: float


class Table(NamedTuple):
    """What is kept of an answer, and where in the file."""

    name: str
    columns: str
    """As SQL, in the order of the record's fields."""
    record: type
    of_line: Callable[[questions.Line], tuple]
    by_rules: Callable[[chess.Board], tuple | None]
    """The record where nothing can be asked: mate, stalemate or no material to mate with."""


def default_path() -> pathlib.Path:
    """The file that all runs of a user share."""
    return platformdirs.user_cache_path("sandwich_jax") / "analyses.sqlite"


class Analyses:
    """Verdicts of one engine at one number of nodes; use it in a `with` block."""

    def __init__(
        self, pool: engine_pool.Pool, nodes: int, path: pathlib.Path, table: Table | None = None
    ):
        """Of verdicts unless `table` says otherwise; any thread may ask, one at a time.

        Raises:
            SettingError: the file is no cache, or the engine cannot be started.
        """
        self.table = table or VERDICTS
        if nodes < 1:
            raise SettingError(f"nodes is {nodes}: it must be at least 1.")
        self.pool, self.nodes, self.path = pool, nodes, path
        self.engine = pool.version()
        self.asked = 0
        """Positions that the engine was asked about."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self.database = sqlite3.connect(path, timeout=WAIT, check_same_thread=False)
            self.database.execute("pragma synchronous = off")
            self.database.execute(
                f"create table if not exists {self.table.name} (engine text, nodes integer,"
                f" position text, {self.table.columns},"
                " primary key (engine, nodes, position)) without rowid"
            )
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
    ) -> list[Any]:
        """The records of positions; the rules' own where a game is over.

        Args:
            boards: positions.
            told: called with positions done and in all, of those that are not known yet.

        Raises:
            EngineFault: the engine failed too often; what was done is kept for the next time.
        """
        keys = [board.epd() for board in boards]
        by_rules = self.table.by_rules
        found = {key: by_rules(board) for key, board in zip(keys, boards, strict=True)}
        found |= self._known([key for key, record in found.items() if record is None])
        missing = [key for key, record in found.items() if record is None]
        found |= self._ask(missing, told)
        return [record for key in keys if (record := found[key])]

    def _known(self, keys: Sequence[str]) -> dict[str, Any]:
        names = ", ".join(self.table.record._fields)
        query = f"select {names} from {self.table.name} where engine = ? and nodes = ?"
        query += " and position = ?"
        found = {}
        try:
            for key in keys:
                row = self.database.execute(query, (self.engine, self.nodes, key)).fetchone()
                if row:
                    found[key] = self.table.record(*row)
        except sqlite3.Error as error:
            raise self._unusable(error) from error
        return found

    def _ask(self, keys: Sequence[str], told: Callable[[int, int], None]) -> dict[str, Any]:
        found: dict[str, Any] = {}

        def keep(index: int, lines: list[questions.Line]) -> None:
            found[keys[index]] = self._keep(keys[index], lines[0])
            told(len(found), len(keys))

        self.pool.analyse([f"{key} 0 1" for key in keys], self.nodes, told=keep)
        return found

    def _keep(self, key: str, line: questions.Line) -> Any:
        record = self.table.record(*self.table.of_line(line))
        marks = ",".join("?" * (3 + len(record)))
        try:
            with self.database:
                self.database.execute(
                    f"insert or ignore into {self.table.name} values ({marks})",
                    (self.engine, self.nodes, key, *record),
                )
        except sqlite3.Error as error:
            raise self._unusable(error) from error
        self.asked += 1
        return record

    def _unusable(self, error: Exception) -> SettingError:
        return SettingError(f"{self.path} cannot be used as a cache of analyses ({error}).")


def _by_rules(board: chess.Board) -> Verdict | None:
    if board.is_checkmate():
        return Verdict(-questions.MATE, 0.0)
    if board.is_stalemate() or board.is_insufficient_material():
        return Verdict(0, 0.5)
    return None


def _choice_by_rules(board: chess.Board) -> Choice | None:
    verdict = _by_rules(board)
    if verdict is None:
        return None
    return Choice(next((move.uci() for move in board.legal_moves), ""), *verdict)


_SCORES = "centipawns integer not null, win real not null"
VERDICTS = Table(
    "verdicts",
    _SCORES,
    Verdict,
    lambda line: (line.centipawns, line.win),
    _by_rules,
)
CHOICES = Table(
    "choices",
    f"move text not null, {_SCORES}",
    Choice,
    lambda line: (line.move.uci(), line.centipawns, line.win),
    _choice_by_rules,
)
