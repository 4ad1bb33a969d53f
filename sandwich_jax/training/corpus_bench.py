"""How fast a corpus is built beside python-chess reading the same games, by turns."""

from __future__ import annotations

import itertools
import pathlib
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator

import chess
import chess.pgn
import jax
import numpy as np

from sandwich_jax.training import corpus, pgn_scan, text_files
from sandwich_jax.types import SettingError

MOST_PLIES = 120
"""Of a game made up here; random games rarely end by themselves."""


def bench(path: pathlib.Path | None, games: int = 2048, repeats: int = 5) -> Iterator[dict]:
    """Measures `corpus.build`, from file to file, against `chess.pgn.read_game`.

    Each row has the keys what, batch (games), ours, peer, ratio, unit and device. Rates are games
    per second by the wall clock, medians of `repeats` runs of each side by turns, after a run of
    ours that compiles; a second row says how long that first run took.

    Args:
        path: a PGN file, plain or packed; None for random legal games, which are made up first.
        games: how many games are read, the first of the file.
        repeats: runs of each side.

    Raises:
        SettingError: `games` or `repeats` is below 1, or the file is missing, damaged or has no
            usable game.
    """
    if games < 1 or repeats < 1:
        raise SettingError("games and repeats must be at least 1.")
    if path is not None:
        corpus.check_inputs([path])
    text, count = _random_games(games) if path is None else _first_games(path, games)
    with tempfile.TemporaryDirectory() as folder:
        source, out = pathlib.Path(folder, "in.pgn"), pathlib.Path(folder, "out.npz")
        source.write_text(text, encoding="utf-8", newline="")
        first = _seconds(lambda: corpus.build([source], out))
        ours, theirs = [], []
        for _ in range(repeats):
            ours.append(_seconds(lambda: corpus.build([source], out)))
            theirs.append(_seconds(lambda: _read_all(source)))
    common = {"batch": count, "device": jax.devices()[0].device_kind}
    rate, peer = (count / statistics.median(times) for times in (ours, theirs))
    yield _row("corpus build", rate, peer, "games per second", **common)
    yield _row("first build, with compiling", first, None, "seconds", **common)


def _row(what, ours, peer, unit, batch, device) -> dict:
    return {
        "what": what,
        "batch": batch,
        "ours": ours,
        "peer": peer,
        "ratio": ours / peer if peer else None,
        "unit": unit,
        "device": device,
    }


def _seconds(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def _read_all(path: pathlib.Path) -> None:
    with path.open(encoding="utf-8") as stream:
        while chess.pgn.read_game(stream):
            pass


def _first_games(path: pathlib.Path, games: int) -> tuple[str, int]:
    """The first games of a file as they stand there, and how many they are."""
    taken: list[str] = []

    def lines() -> Iterator[str]:
        for line in text_files.read_lines(path):
            taken.append(line)
            yield line

    count = sum(1 for _ in itertools.islice(pgn_scan.cut(lines()), games))
    if taken[-1].startswith("["):
        taken.pop()  # the next game's
    return "\n".join(taken) + "\n", count


def _random_games(games: int) -> tuple[str, int]:
    """Random legal games, written by python-chess, and how many they are."""
    rng = np.random.default_rng(0)
    texts = []
    for _ in range(games):
        board = chess.Board()
        while board.ply() < MOST_PLIES and (moves := list(board.legal_moves)):
            board.push(moves[rng.integers(len(moves))])
        game = chess.pgn.Game.from_board(board)
        game.headers["Result"] = board.result().replace("*", "1/2-1/2")
        texts.append(f"{game}\n\n")
    return "".join(texts), games
