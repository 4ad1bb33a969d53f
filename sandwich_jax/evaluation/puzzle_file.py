"""Puzzles from a file in the schema of https://database.lichess.org/#puzzles."""

from __future__ import annotations

import csv
import pathlib
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Int

from sandwich_jax import board, given
from sandwich_jax.measures.puzzles import Puzzles, batches, step
from sandwich_jax.training import text_files
from sandwich_jax.types import SettingError

COLUMNS = ("PuzzleId", "FEN", "Moves", "Rating")
"""Those that are read; others may be there."""
LATEST_PLY = 400
"""A puzzle's game is taken to have gone on no longer: the board stops games at 512 plies."""
MOST_MOVES = 512
"""Of a line; those of real puzzles are a tenth as long."""
HIGHEST = 9999
"""Of ratings."""


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
        path: CSV, plain or packed, with the columns `COLUMNS`; the first of Moves is the
            opponent's.
        count: how many to draw; all if None or if there are fewer.
        seed: of the draw: the same numbers give the same puzzles.

    Raises:
        SettingError: the file is missing or empty, or a line is not of that schema.
    """
    if count is not None and count < 1:
        raise SettingError(f"count is {count}: it must be at least 1.")
    given.between("seed", seed, 0, given.SEEDS[1])
    rows = _rows(path)
    if count is not None and count < len(rows):
        drawn = np.random.default_rng(seed).choice(len(rows), count, replace=False)
        rows = [rows[i] for i in np.sort(drawn)]
    return _resolve(path, rows)


def _rows(path: pathlib.Path) -> list[_Puzzle]:
    text_files.check(path, "a file of puzzles")
    try:
        reader = csv.DictReader(f"{line}\n" for line in text_files.read_lines(path))
        missing = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
        if missing:
            raise SettingError(f"{path}: no column {', '.join(missing)} in its first line.")
        rows = [_row(path, reader.line_num, row) for row in reader]
    except csv.Error as error:
        raise SettingError(f"{path} cannot be read as CSV ({error}).") from error
    if not rows:
        raise SettingError(f"{path} holds no puzzles.")
    return rows


def _row(path: pathlib.Path, line: int, row: dict[str, str | None]) -> _Puzzle:
    name, fen, moves, rating = (row[column] or "" for column in COLUMNS)
    if not (rating.isascii() and rating.isdigit() and len(rating) <= len(str(HIGHEST))):
        raise SettingError(
            f"{path}, line {line}: Rating is {_short(rating)}, not a whole number of at most"
            f" {HIGHEST}."
        )
    words = moves.split()
    if len(words) < 2 or len(words) % 2 or len(words) > MOST_MOVES:
        raise SettingError(
            f"{path}, line {line}: Moves has {len(words)} moves; the opponent's first, then the"
            f" solver's and replies by turns make an even number, of at most {MOST_MOVES}."
        )
    return _Puzzle(line, name, fen, words, int(rating))


def _short(text: str) -> str:
    """A text quoted on one line."""
    return repr(text if len(text) <= 80 else f"{text[:80]}...")


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
    state = _said_of(path, rows, lambda own: board.from_fen([row.fen for row in own]))
    # The first ply of a puzzle is not the first of its game; networks see the number.
    passed = jnp.minimum(2 * (state.fullmove - 1) + state.color, LATEST_PLY)
    state = starts = state._replace(ply=passed)
    for ply in range(max(len(row.moves) for row in rows)):
        lines[:, ply] = _labels(path, rows, state, ply)
        state = step(state, jnp.asarray(lines[:, ply]))
        starts = state if ply == 0 else starts
    return starts, lines


def _labels(
    path: pathlib.Path, rows: list[_Puzzle], state: board.State, ply: int
) -> Int[np.ndarray, "B"]:
    """Labels of the moves at one ply, -1 where a line is over."""
    labels = np.full(len(rows), -1, np.int32)
    going = np.asarray([i for i, row in enumerate(rows) if ply < len(row.moves)])
    # Always as many positions, so that one program is compiled: some are looked up twice.
    index = np.resize(going, len(rows))
    positions = board.take(jax.tree.map(np.asarray, state), index)
    places = {id(rows[i]): n for n, i in enumerate(index)}

    def find(own: Sequence[_Puzzle]) -> Int[np.ndarray, "B"]:
        at = [places[id(row)] for row in own]
        return board.from_uci(board.take(positions, np.asarray(at)), [r.moves[ply] for r in own])

    labels[index] = _said_of(path, [rows[i] for i in index], find)
    return labels


def _said_of(path: pathlib.Path, rows: list[_Puzzle], find: Callable[[Sequence[_Puzzle]], Any]):
    """`find(rows)`; raises SettingError that names the first row of which it says ValueError."""
    try:
        return find(rows)
    except ValueError:
        for row in rows:
            try:
                find([row] * len(rows))  # as many as before: nothing to compile
            except ValueError as error:
                raise SettingError(
                    f"{path}, line {row.line}, PuzzleId {_short(row.name)}: {error}."
                ) from error
        raise
