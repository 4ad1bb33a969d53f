"""Puzzles from a file in the schema of https://database.lichess.org/#puzzles."""

from __future__ import annotations

import csv
import pathlib
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Int

from sandwich_jax import board
from sandwich_jax.measures.puzzles import Puzzles, batches
from sandwich_jax.types import SettingError

COLUMNS = ("PuzzleId", "FEN", "Moves", "Rating")
"""Those that are read; others may be there."""
LATEST_PLY = 400
"""A puzzle's game is taken to have gone on no longer: the board stops games at 512 plies."""


class _Puzzle(NamedTuple):
    line: int
    """Of the file, the header being the first."""
    name: str
    fen: str
    moves: list[str]
    rating: int


def read(path: pathlib.Path, count: int | None = None, seed: int = 0) -> Puzzles:
    """The puzzles in a CSV file, or a random `count` of them.

    Args:
        path: a .csv with the columns `COLUMNS`; the first of Moves is the opponent's.
        count: how many to draw; all if None or if there are fewer.
        seed: of the draw: the same numbers give the same puzzles.

    Raises:
        SettingError: the file is missing or empty, or a line is not of that schema.
    """
    rows = _rows(path)
    if count is not None and count < 1:
        raise SettingError(f"count is {count}: it must be at least 1.")
    if count is not None and count < len(rows):
        drawn = np.random.default_rng(seed).choice(len(rows), count, replace=False)
        rows = [rows[i] for i in np.sort(drawn)]
    return _resolve(path, rows)


def _rows(path: pathlib.Path) -> list[_Puzzle]:
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            missing = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
            if missing:
                raise SettingError(f"{path}: no column {', '.join(missing)} in its first line.")
            rows = [_row(path, reader.line_num, row) for row in reader]
    except FileNotFoundError:
        raise SettingError(f"{path}: no such file of puzzles.") from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SettingError(f"{path} cannot be read as CSV ({error}).") from error
    if not rows:
        raise SettingError(f"{path} holds no puzzles.")
    return rows


def _row(path: pathlib.Path, line: int, row: dict[str, str | None]) -> _Puzzle:
    name, fen, moves, rating = (row[column] or "" for column in COLUMNS)
    if not rating.isdigit():
        raise SettingError(f"{path}, line {line}: Rating is '{rating}', not a whole number.")
    words = moves.split()
    if len(words) < 2 or len(words) % 2:
        raise SettingError(
            f"{path}, line {line}: Moves has {len(words)} moves; the opponent's first, then the"
            " solver's and replies by turns make an even number."
        )
    return _Puzzle(line, name, fen, words, int(rating))


def _resolve(path: pathlib.Path, rows: list[_Puzzle]) -> Puzzles:
    """Replays all lines on the board, a batch a ply."""
    longest = max(len(row.moves) for row in rows)
    lines = np.full((len(rows), longest), -1, np.int32)
    starts = []
    for index in batches(len(rows)):
        first, lines[index] = _replay(path, [rows[i] for i in index], longest)
        starts.append(first)
    joined = jax.tree.map(lambda *x: np.concatenate(x, -1)[..., : len(rows)], *starts)
    names, ratings = tuple(row.name for row in rows), np.asarray([row.rating for row in rows])
    return Puzzles(names, ratings, joined, lines[:, 1:])


def _replay(
    path: pathlib.Path, rows: list[_Puzzle], longest: int
) -> tuple[board.State, Int[np.ndarray, "B L"]]:
    """Positions after the first move, and all labels."""
    lines = np.full((len(rows), longest), -1, np.int32)
    try:
        state = board.from_fen([row.fen for row in rows])
        # The first ply of a puzzle is not the first of its game; networks see the number.
        passed = jnp.minimum(2 * (state.fullmove - 1) + state.color, LATEST_PLY)
        state = starts = state._replace(ply=passed)
        for ply in range(max(len(row.moves) for row in rows)):
            lines[:, ply] = _labels(rows, state, ply)
            state = board.step(state, jnp.asarray(lines[:, ply]))
            starts = state if ply == 0 else starts
    except ValueError as error:
        raise SettingError(f"{path}: {error}.") from error
    return starts, lines


def _labels(rows: list[_Puzzle], state: board.State, ply: int) -> Int[np.ndarray, "B"]:
    """Labels of the moves at one ply, -1 where a line is over."""
    labels = np.full(len(rows), -1, np.int32)
    going = np.asarray([i for i, row in enumerate(rows) if ply < len(row.moves)])
    # Always as many positions, so that one program is compiled: some are looked up twice.
    index = np.resize(going, len(rows))
    positions = board.take(jax.tree.map(np.asarray, state), index)
    labels[index] = board.from_uci(positions, [rows[i].moves[ply] for i in index])
    return labels
