"""Puzzle files after accidents, through the reader of `puzzles`: whole puzzles, or one sentence."""

from __future__ import annotations

import pathlib
import random
import re
from collections.abc import Iterator
from typing import NamedTuple

import chess

from hostile import mutate
from hostile.common import Done, Outcome, call, refused
from sandwich_jax import board
from sandwich_jax.evaluation import puzzle_file
from sandwich_jax.training import corpus
from sandwich_jax.types import SettingError

TITLE = "puzzle files (CSV)"
COUNT = 2000
SHARE = 60
WHOLE = 50
"""Every so many inputs, the whole command instead of its reader, with a player that is random."""
ENDINGS = ("csv", "csv.zst", "CSV.GZ", "bz2", "tsv")
_HEADER = "PuzzleId,FEN,Moves,Rating,RatingDeviation,Themes,GameUrl"
_ROWS = (
    "aa001,6k1/5ppp/1r6/8/8/8/5PPP/R5K1 b - - 3 30,b6b2 a1a8,900,80,mate,https://example.org/x",
    "aa002,r5k1/5ppp/8/8/8/8/1R3PPP/6K1 w - - 120 30,b2b7 a8a1,1100,80,,",
    "aa003,7k/P5pp/8/8/8/1r6/6PP/6K1 b - - 0 40,b3b2 a7a8q b2b8 a8b8,1500,80,promotion,",
    "aa004,4k2r/5ppp/8/8/8/8/4PPPP/R3K2R b KQk - 3 30,h8g8 e1c1,2000,80,\"castling, long\",",
    "aa005,8/8/8/1pP5/8/8/6k1/4K3 w - b6 0 1,c5b6 g2f3 b6b7 f3e4,700,80,enPassant,",
    "aa006,7k/8/8/8/8/8/R7/1R4K1 b - - 0 1,h8g8 a2a7 g8f8 b1b8,800,80,mateIn2,",
)  # fmt: skip
_WORDS = (
    *(",", ",,", '"', '""', "'", ";", "-", "0", "-1", "9999", "10000", "900.0", "nan", "\xb2"),
    *("a1a8", "e7e8q", "a7a8Q", "0000", "a1a1", "w", "b", "KQkq", "e3", "b - -", "K", "k", "p"),
    *("8/8/8/8/8/8/8/8", "PuzzleId", "FEN", "Moves", "Rating", "9" * 30, "a1a2 " * 600),
    *("\n", "\n\n", "\r", "\x00", "\ufeff"),
)


class Case(NamedTuple):
    """A file, and whether the whole command gets it."""

    name: str
    data: bytes
    whole: bool


def cases(seed: int, count: int) -> Iterator[Case]:
    """Files of one to six puzzles, damaged."""
    for number in range(count):
        rng = random.Random(f"{seed} {number}")
        files = [_file(rng).encode() for _ in range(2)]
        data = mutate.damaged(rng, files[0], files[1:], _WORDS, most=rng.choice((1, 1, 4)))
        name = f"in.{rng.choice(ENDINGS)}"
        yield Case(name, mutate.encoded(rng, data), number % WHOLE == 0)


def _file(rng: random.Random) -> str:
    return "\n".join((_HEADER, *rng.sample(_ROWS, rng.randint(1, len(_ROWS))), ""))


def attempt(case: Case, folder: pathlib.Path) -> Outcome:
    """Reads the file, and plays every line through on python-chess's board."""
    path = folder / case.name
    path.write_bytes(case.data)
    if case.whole:
        done = call("puzzles", "random", "--file", path)
        says = re.sub(r"^Puzzles: .*\n", "", done.err, flags=re.M)  # what it was about to do
        return refused(done._replace(err=says)) if done.status else Outcome("read")
    try:
        found = puzzle_file.read(path)
    except SettingError as error:
        says = str(error)
        if str(path) not in says:
            return Outcome("harm", f"the file is not named: {says}")
        return refused(Done(2, "", says))
    for name, fen, line in zip(found.names, board.to_fen(found.starts), found.lines, strict=True):
        position = chess.Board(fen)
        for label in line[line >= 0].tolist():
            move = corpus.move_of(label, position)
            if move not in position.legal_moves:
                return Outcome("harm", f"{name!r}: {move} in {position.fen()}")
            position.push(move)
    return Outcome("read")
