"""Lines that nobody should send to the UCI engine."""

from __future__ import annotations

import io
import pathlib
import random
from collections.abc import Iterator

from hostile.common import Outcome
from sandwich_jax.players import turns, uci_engine

TITLE = "UCI lines (`uci`)"
COUNT = 2000
SHARE = 500

SAID = """uci isready setoption name value Temperature MultiPV Seed ucinewgame position startpos fen
moves go nodes movetime wtime infinite searchmoves depth stop ponderhit debug on e2e4 e7e5 e7e8q
E7E8Q 0000 (none) a1a1 h9h9 P@e4 -1 nan inf 1e999 99999999999999999999 ² ٣ 8/8/8/8/8/8/8/8 w KQkq
HAha - é 棋 4k3/8/8/8/8/8/8/4K3 rnbqkbnr/pppppppp/8/8/8/8/PPPPPPPP/RNBQKBNR xboard ; { %s ../.. <b>
d register bestmove info quit"""
WORDS = (*SAID.split(), "\0", "\x7f", "\ud800", "\ufeff", "\u2028", "9" * 5000)
STARTS = ("position fen", "position startpos moves", "go", "go searchmoves", "setoption name",
          "setoption name MultiPV value", "setoption name Temperature value", "")  # fmt: skip
ANSWERS = ("id ", "option ", "uciok", "readyok", "info ", "bestmove ")
BEFORE = ("position startpos moves e2e4 e7e5", "position fen x", "go infinite", "isready")


def cases(seed: int, count: int) -> Iterator[str]:
    """Words of UCI in any order, and characters of any kind."""
    rng = random.Random(f"uci {seed}")
    made = 0
    while made < count:
        kind = rng.random()
        if kind < 0.1:
            line = "".join(chr(rng.choice((rng.randrange(128), rng.randrange(0x110000))))
                           for _ in range(rng.randrange(60)))  # fmt: skip
        elif kind < 0.15:
            line = " ".join(["position startpos moves", *["g1f3 g8f6 f3g1 f6g8"] * 100])
            line = line[: rng.randrange(len(line))]
        elif kind < 0.2:
            line = rng.choice(WORDS) * rng.randrange(1, 500)
        else:
            words = rng.choices(WORDS, k=rng.randrange(10))
            line = " ".join([rng.choice(STARTS), *words])
        if line.split()[:1] != ["quit"]:
            made += 1
            yield line


def attempt(case: str, folder: pathlib.Path) -> Outcome:
    """Whatever comes before, the engine is ready after it, moves legally, and leaves when told."""
    out = io.StringIO()
    engine = uci_engine.Engine("p", turns.Random(), out)
    before = BEFORE[len(case) % len(BEFORE)]
    after = ("stop", "position startpos", "go searchmoves a2a3", "isready", "quit", "go")
    engine.serve([before, case, *after])
    said = out.getvalue().splitlines()
    known = [line for line in said if line.startswith(ANSWERS)]
    shown = 11 * case.removeprefix("\ufeff").split()[:1].count("d")  # a board
    if len(said) - len(known) > shown or not all(map(str.isascii, said)):
        return Outcome("harm", f"answered {said}")
    if said[-1] != "readyok" and "readyok" not in said:
        return Outcome("harm", f"no longer ready: {said}")
    if [x for x in said if x.startswith("bestmove")][-1] != "bestmove a2a3":
        return Outcome("harm", f"no move any more: {said}")
    complaints = sum(line.startswith("info string") and "policy" not in line for line in said)
    return Outcome("refused" if complaints > (before == BEFORE[1]) else "read")
