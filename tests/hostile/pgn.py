"""PGN files after accidents: `corpus build` keeps legal games alone, and loses none unsaid."""

from __future__ import annotations

import io
import logging
import pathlib
import random
import re
from collections.abc import Iterator
from typing import NamedTuple

import chess
import chess.pgn
from helpers import kept_in

from hostile import mutate
from hostile.common import Outcome, call, refused
from sandwich_jax.training import pgn_scan

logging.getLogger("chess.pgn").setLevel(logging.CRITICAL)

TITLE = "PGN files"
COUNT = 2000
SHARE = 60
ENDINGS = ("pgn", "pgn.zst", "PGN.GZ", "bz2", "xz", "txt")
_GAMES = (
    "1. e4 e5 2. Nf3 Nc6 3. Bb5 a6 4. Ba4 Nf6 5. O-O Be7 1-0",
    "1. d4 { [%clk 0:03:00] } d5 { [%eval 0.2] } 2. c4 (2. Nf3 Nf6 (2... c5)) e6 $1 1/2-1/2",
    "1. f3 e5\n2. g4?? ; a blunder\nQh4# 0-1",
    "1.e2e4 c7c5 2.Ng1-f3 d7d6 3.d2d4 c5xd4 4.Nxd4 0-1",
    "1. e4 d5 2. exd5 Nf6 3. d6 Nc6 4. dxe7 Be6 5. exf8=Q+ Rxf8 6. Nf3 Qe7 7. Be2 0-0-0 1-0",
    "1. Nf3 Nf6 2. g3 g6 3. Bg2 Bg7 4. o-o O\N{EN DASH}O *",
)
_WORDS = (
    *("{", "}", "(", ")", ";", "%", "[", "]", "<>", "@", "\\", '"', "'", "$3", "!?", "+-", "hello"),
    *(
        '[Event "x"]',
        '[Result "0-1"]',
        '[FEN "8/8/8/8 w - -"]',
        "1-0",
        "0-1",
        "*",
        "1/2",
        "\xbd-\xbd",
    ),
    *("1.", "1...", "23.", "e4", "E4", "Nf3", "Sf3", "\N{WHITE CHESS KNIGHT}f3", "e8=Q", "a1b2"),
    *("O-O", "0-0-0", "o-o", "--", "Z0", "N", "e.p.", "mate", "[%clk 1]", "[%"),
    *("\n\n", "\n[", "\n\n1. d4", "\r", "\x00", "\ufeff"),
)


class Case(NamedTuple):
    """A file."""

    name: str
    data: bytes


def cases(seed: int, count: int) -> Iterator[Case]:
    """Files of one to six games, damaged."""
    for number in range(count):
        rng = random.Random(f"{seed} {number}")
        files = [_file(rng).encode() for _ in range(2)]
        data = mutate.damaged(rng, files[0], files[1:], _WORDS, most=4)
        yield Case(f"in.{rng.choice(ENDINGS)}", mutate.encoded(rng, data))


def _file(rng: random.Random) -> str:
    texts = []
    for moves in rng.sample(_GAMES, rng.randint(1, len(_GAMES))):
        result = moves.split()[-1]
        tags = [f'[Event "a {rng.random()}"]', f'[Result "{result}"]', '[WhiteElo "2400"]']
        tags = tags[: rng.randint(0, 3)]
        texts.append("\n".join((*tags, "", moves, "", "")))
    return "".join(texts)


def attempt(case: Case, folder: pathlib.Path) -> Outcome:
    """Builds a corpus, and holds its games against python-chess."""
    path, out = folder / case.name, folder / "out.npz"
    path.write_bytes(case.data)
    done = call("corpus", "build", path, "--out", out, "--workers", 1)
    if done.status:
        return refused(done) if not out.exists() else Outcome("harm", "refused, and yet written")
    if not out.exists():
        return Outcome("harm", f"exit status 0 without a corpus: {done.out}")
    games = kept_in(out)  # raises if a move is illegal
    counts = {reason: int(n) for n, reason in re.findall(r"^ *([\d,]+)  (.*)$", done.out, re.M)}
    if counts.get("kept") != len(games):
        return Outcome("harm", f"{len(games)} games, and told {counts}")
    theirs = [_theirs(" ".join(game.moves)) for game in pgn_scan.read_games(path)]
    if sum(counts.values()) < len([text for text in theirs if text]):
        return Outcome("harm", f"{counts}, but python-chess reads {theirs}")
    wrong = [game for game in games if game.moves not in theirs]
    if len(wrong) > theirs.count(None):
        return Outcome("harm", f"{wrong} is not among python-chess's {theirs}")
    return Outcome("read")


def _theirs(text: str) -> str | None:
    """The moves that python-chess finds in a text; None where it does not understand all."""
    left = chess.pgn.MOVETEXT_REGEX.sub(" ", text)
    if re.sub(r"[\d.+#!?\s]+", "", left) or text.lstrip().startswith("("):
        return None
    try:
        game = chess.pgn.read_game(io.StringIO(f'[Event "x"]\n\n{text}'))
    except IndexError:  # theirs, where a bracket has no partner
        return None
    if game is None or game.errors:
        return None
    board, sans = game.board(), []
    for move in game.mainline_moves():
        sans.append(board.san(move))
        board.push(move)
    return " ".join(sans)
