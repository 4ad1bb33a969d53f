"""Damaged positions into `position fen` of the UCI engine."""

from __future__ import annotations

import io
import pathlib
import random
from collections.abc import Iterator

import chess

from hostile.common import Outcome
from sandwich_jax import board as rules
from sandwich_jax.players import turns, uci_engine

TITLE = "FENs (`position fen`)"
COUNT = 2000
SHARE = 150

FENS = (
    chess.STARTING_FEN,
    "r3k2r/p1ppqpb1/bn2pnp1/3PN3/1p2P3/2N2Q1p/PPPBBPPP/R3K2R w KQkq - 0 1",
    "8/2p5/3p4/KP5r/1R3p1k/8/4P1P1/8 w - - 0 1",
    "rnbqkbnr/ppp1pppp/8/8/3pP3/8/PPPP1PPP/RNBQKBNR b KQkq e3 0 3",
    "7k/8/8/K1Pp3r/8/8/8/8 w - d6 0 1",
    "r3k2r/8/8/8/8/8/8/R3K2R b KQkq - 3 9",
    "rbqnkrbn/pppppppp/8/8/8/8/PPPPPPPP/RBQ1KRBN w AFaf - 0 1",
    "4k3/P6P/8/8/8/8/p6p/4K3 b - - 99 200",
)
PLACES = "12345678/KQRBNPkqrbnp"
FIELDS = (
    ("w", "b", "W", "-", "white"),
    ("-", "KQkq", "HAha", "Kq", "qkQK", "KK", "Ff", "x", "K-"),
    ("-", "e3", "d6", "e6", "a3", "h6", "e4", "a9", "e", "E3"),
    ("0", "1", "99", "100", "2000000000", "-1", "²", "1.5", "-"),
    ("0", "1", "500", "9999999999", "-1", "x"),
)
"""Right and wrong ones, field by field behind the pieces."""
ODD = "\0\x7f\t ²é棋\ud800'\"\\%{}+-/"


def cases(seed: int, count: int) -> Iterator[str]:
    """Changes in the pieces or in the fields behind them: one, now and then two or three."""
    rng = random.Random(f"fens {seed}")
    for _ in range(count):
        fen = rng.choice((rng.choice(FENS), _position(rng)))
        for _ in range(rng.choice((1, 1, 1, 2, 3))):
            fen = rng.choices((_piece, _field, _character), (2, 6, 1))[0](rng, fen)
        yield " ".join(fen.replace("moves", "").splitlines())


def _position(rng: random.Random) -> str:
    board = chess.Board()
    for _ in range(rng.randrange(80)):
        legal = list(board.legal_moves)
        if not legal:
            break
        board.push(rng.choice(legal))
    return board.fen(en_passant="fen")


def _piece(rng: random.Random, fen: str) -> str:
    """A character of the first field changes, its side too, or is gone; or ranks change places."""
    pieces, _, rest = fen.partition(" ")
    at = rng.randrange(len(pieces) or 1)
    if rng.random() < 0.3:
        ranks = pieces.split("/")
        rng.shuffle(ranks)
        pieces = "/".join(ranks)
    else:
        put = rng.choice((rng.choice(PLACES), pieces[at : at + 1].swapcase(), ""))
        pieces = pieces[:at] + put + pieces[at + 1 :]
    return f"{pieces} {rest}"


def _field(rng: random.Random, fen: str) -> str:
    """A field is another of its kind, or of any kind; or the last ones are missing."""
    fields = fen.split(" ")
    at, kind = rng.randrange(1, len(FIELDS) + 1), rng.random()
    if kind < 0.1:
        return " ".join(fields[:at])
    known = FIELDS[at - 1] if kind < 0.9 else rng.choice(FIELDS)
    return " ".join([*fields[:at], rng.choice(known), *fields[at + 1 :]])


def _character(rng: random.Random, fen: str) -> str:
    at, kind = rng.randrange(len(fen) + 1), rng.random()
    if kind < 0.3:
        return fen[:at]
    if kind < 0.4:
        return fen[:at] + fen[at:] * rng.randrange(200)
    return fen[:at] + rng.choice(ODD) + fen[at + rng.randrange(3) :]


def attempt(case: str, folder: pathlib.Path) -> Outcome:
    """What is accepted is played from, by the same moves as python-chess finds there."""
    out = io.StringIO()
    uci_engine.Engine("p", turns.Random(), out).serve([f"position fen {case}", "d", "go"])
    said = out.getvalue().splitlines()
    answer, notes = said[-1], [x for x in said if x.startswith("info string")]
    if answer == "bestmove 0000":
        told = len(notes) == 3 and all(note.isascii() for note in notes)
        return Outcome("refused") if told else Outcome("harm", f"no sentence: {said}")
    (fen,) = (line.removeprefix("Fen: ") for line in said if line.startswith("Fen: "))
    found, legal = _moves(fen), {move.uci() for move in chess.Board(fen).legal_moves}
    if found != legal:
        return Outcome("harm", f"{fen}: the board has {found}, python-chess {legal}")
    if _moves(case if len(case.split()) > 3 else fen) != legal:
        return Outcome("harm", f"{fen} has other moves than what it was read from")
    theirs = _of_python_chess(case)
    if theirs is not None and theirs != legal:
        return Outcome("harm", f"read as {fen}, but python-chess finds {theirs}")
    if answer.split()[1] not in (legal or {"(none)"}):
        return Outcome("harm", f"{fen}: {answer}")
    return Outcome("read")


def _moves(fen: str) -> set[str]:
    """The board's legal moves."""
    state = rules.from_fen(fen)
    labels = [int(label) for label in rules.legal_labels(state.words)[0] if label >= 0]
    return {rules.to_uci(state, [label])[0] for label in labels}


def _of_python_chess(fen: str) -> set[str] | None:
    """What python-chess alone makes of it; None where it refuses."""
    try:
        board = chess.Board(fen)
    except ValueError:
        return None
    return {move.uci() for move in board.legal_moves} if board.is_valid() else None
