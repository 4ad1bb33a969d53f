"""PGN to move arrays: `sandwich-jax corpus build`.

One thread cuts files into games (`pgn_scan`) and reads them (`pgn_games`); others replay batches of
them on the board (`resolve`). `corpus_file` says what a corpus file holds.
"""

from __future__ import annotations

import collections
import concurrent.futures
import dataclasses
import hashlib
import itertools
import os
import pathlib
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import chess
import numpy as np

from sandwich_jax import outputs
from sandwich_jax.board import geometry
from sandwich_jax.board import label_of as board_label
from sandwich_jax.training import san
from sandwich_jax.training.corpus_file import Corpus, Writer, load
from sandwich_jax.training.pgn_games import ReadGame, check_inputs, read
from sandwich_jax.training.pgn_scan import PgnGame, read_games
from sandwich_jax.training.resolve import resolve
from sandwich_jax.training.settings import RESULTS, Filters
from sandwich_jax.types import SettingError

__all__ = ["Corpus", "Filters", "build", "label_of", "load", "move_of"]

BATCH = 1024
"""Games replayed at a time."""
REPORT = 400
"""Kept games between two reports of progress."""


class Parsed(NamedTuple):
    """One usable game, or the reason why it is not."""

    reason: str = ""
    labels: bytes = b""
    """uint16, little-endian."""
    result: int = 0
    elo: tuple[int, int] = (0, 0)


def label_of(move: chess.Move, white: bool) -> int:
    """The action label of a legal move (see `sandwich_jax.board.geometry`), mover's view."""
    start, end = (_turned(square, white) for square in (move.from_square, move.to_square))
    return board_label(start, end, move.promotion or geometry.QUEEN)


def move_of(label: int, board: chess.Board) -> chess.Move:
    """The move that an action label means on `board`; its inverse is `label_of`."""
    start, plane = divmod(label, geometry.PLANES)
    end = int(geometry.DESTINATION[start, plane])
    source, target = _square(start, board.turn), _square(end, board.turn)
    promotion = None
    if plane < geometry.FIRST_LINE:
        promotion = geometry.UNDERPROMOTIONS[plane // len(geometry.WAYS)]
    elif end % 8 == 7 and board.piece_type_at(source) == chess.PAWN:
        promotion = chess.QUEEN
    return chess.Move(source, target, promotion)


def _turned(square: chess.Square, white: bool) -> int:
    """python-chess's square in the mover's view, numbered file by file."""
    return 8 * chess.square_file(square) + (chess.square_rank(square) ^ (0 if white else 7))


def _square(square: int, white: bool) -> chess.Square:
    """The inverse of `_turned`."""
    return chess.square(square // 8, square % 8 ^ (0 if white else 7))


def build(
    paths: list[pathlib.Path],
    out: pathlib.Path,
    filters: Filters = Filters(),
    test_share: float = 0.02,
    max_games: int | None = None,
    workers: int | None = None,
    progress: Callable[[int, int], None] = lambda read, games: None,
) -> dict[str, int]:
    """Builds the corpus file `out` from PGN files; an existing one is replaced at the end.

    Args:
        paths: PGN files, plain or packed, each streamed.
        out: written under a temporary name first.
        filters: which games are kept.
        test_share: share of games held out, in [0, 1]; which ones depends on their moves alone.
        max_games: stop after this many games kept.
        workers: threads, of which one reads and the others replay; one more than there are
            processors if None. Beyond three they help little.
        progress: told the bytes read and the games kept, from time to time.

    Returns:
        Games by reason: `kept` and why others were skipped.

    Raises:
        SettingError: a file is missing, empty, damaged or no PGN, none has a usable game, or `out`
            cannot be written or is one of them.
        Unwritten: the corpus could not be written in the end; holds the counts.
    """
    _check(test_share, max_games, workers)
    check_inputs(paths)
    outputs.check_file(out, paths)
    sizes: list[int] = []
    counts: collections.Counter[str] = collections.Counter()
    seen: set[bytes] = set()
    writer = Writer(out)
    try:
        games = (game for path in paths for game in read_games(path, sizes.append))
        for game in _parse_all(games, filters, workers):
            digest = hashlib.blake2b(game.labels, digest_size=12).digest()
            reason = game.reason or ("duplicate" if digest in seen else "")
            counts[reason or "kept"] += 1
            if reason:
                continue
            seen.add(digest)
            held_out = int.from_bytes(digest[:4], "little") < test_share * 2**32
            writer.add(game.labels, game.result, game.elo, held_out)
            if counts["kept"] % REPORT == 0:
                progress(sum(sizes), counts["kept"])
            if counts["kept"] == max_games:
                break
        if not counts["kept"]:
            raise SettingError(f"No usable game in {_names(paths)}: {_reasons(counts)}.")
        progress(sum(sizes), counts["kept"])
        stats = {"counts": dict(counts), "filters": dataclasses.asdict(filters)}
        with outputs.keeping(dict(counts), out):
            writer.finish(stats | {"sources": [path.name for path in paths]})
    finally:
        writer.discard()
    return dict(counts)


def _check(test_share: float, max_games: int | None, workers: int | None) -> None:
    if not 0 <= test_share <= 1:
        raise SettingError(f"test-share is {test_share}: it must be between 0 and 1.")
    for name, number in (("max-games", max_games), ("workers", workers)):
        if number is not None and number < 1:
            raise SettingError(f"{name} is {number}: it must be at least 1.")


def _names(paths: list[pathlib.Path]) -> str:
    return ", ".join(path.name for path in paths)


def _reasons(counts: dict[str, int]) -> str:
    return ", ".join(f"{n} {reason}" for reason, n in counts.items()) or "it holds no PGN game"


def _parse_all(games: Iterable[PgnGame], filters: Filters, workers: int | None) -> Iterator[Parsed]:
    """Reads here and replays in threads, in order, with a bounded number of batches in flight."""
    batches = _batches(games)
    workers = workers or 1 + (os.cpu_count() or 1)
    if workers == 1:
        for batch in batches:
            yield from _parse_batch(batch, filters)
        return
    with concurrent.futures.ThreadPoolExecutor(workers - 1) as pool:
        waiting: collections.deque[concurrent.futures.Future[list[Parsed]]] = collections.deque()
        try:
            for batch in batches:
                waiting.append(pool.submit(_parse_batch, batch, filters))
                if len(waiting) > workers:
                    yield from waiting.popleft().result()
            while waiting:
                yield from waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def _batches(games: Iterable[PgnGame]) -> Iterator[list[ReadGame]]:
    words = san.Words()
    batch: list[ReadGame] = []
    for game in games:
        batch += read(game, words)
        if len(batch) >= BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _parse_batch(games: list[ReadGame], filters: Filters) -> list[Parsed]:
    lengths = np.array([len(game.line.codes) for game in games], np.int64)
    every = itertools.chain.from_iterable(game.line.codes for game in games)
    labels, legal = resolve(np.fromiter(every, np.int32, int(lengths.sum())), lengths)
    data, ends = labels.astype("<u2").tobytes(), np.cumsum(2 * lengths).tolist()
    starts = [0, *ends]
    return [
        _parsed(game, data[start:end], ok, filters)
        for game, start, end, ok in zip(games, starts, ends, legal.tolist(), strict=False)
    ]


def _parsed(game: ReadGame, labels: bytes, legal: bool, filters: Filters) -> Parsed:
    elo = (_rating(game.tags.get("WhiteElo", "")), _rating(game.tags.get("BlackElo", "")))
    reason = game.reason or _unusable(game, legal, elo, filters)
    if reason:
        return Parsed(reason)
    return Parsed("", labels, RESULTS[game.result], elo)


def _unusable(game: ReadGame, legal: bool, elo: tuple[int, int], filters: Filters) -> str:
    line = game.line
    if line.stopped in _STOPPED:
        return _STOPPED[line.stopped]
    if line.stopped == san.BROKEN or not legal:
        return "illegal or broken move"
    if not line.codes:
        return "empty"
    if not line.ended:
        return "no end marker"
    if not game.result:
        return "no result"
    if game.result not in filters.results:
        return "filtered by result"
    if not filters.min_plies <= len(line.codes) <= filters.max_plies:
        return "filtered by plies"
    if not all(filters.min_elo <= rating <= filters.max_elo for rating in elo):
        return "filtered by rating"
    return ""


_STOPPED = {
    san.NULL: "null move",
    san.UNKNOWN: "words that are not understood",
    san.LATE: "does not begin with move 1",
    san.MORE: "moves after the result",
}


def _rating(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 5 else 0
