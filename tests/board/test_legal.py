"""Legal sets of single positions against python-chess."""

import chess
import numpy as np
import pytest

from sandwich_jax.board import expand, from_fen
from sandwich_jax.board.geometry import label_of

from . import oracle
from .positions import FENS

SPECIAL = [
    # En passant: pinned along the diagonal of the capture, and along another one.
    "8/8/8/2k5/3Pp3/8/8/4K2B b - d3 0 1",
    "4k3/8/8/b7/1Pp5/8/3K4/8 b - b3 0 1",
    "4k3/b7/8/2Pp4/8/4K3/8/8 w - d6 0 1",
    "7k/8/8/K1Pp3r/8/8/8/8 w - d6 0 1",
    "7k/8/8/K1PpP2r/8/8/8/8 w - d6 0 1",
    "4k3/8/8/8/1pPp4/8/8/4K3 b - c3 0 1",
    # En passant takes the checking pawn; en passant does not answer a knight's check.
    "8/8/8/1k6/2Pp4/8/8/4K3 b - c3 0 1",
    "8/8/4k3/2N5/2Pp4/8/8/4K3 b - c3 0 1",
    # En passant uncovers a bishop behind the pawn that is taken.
    "8/8/1k6/8/2pP4/8/5B2/4K3 b - d3 0 1",
    "4k3/8/8/2pP4/8/8/8/2K2b2 w - c6 0 1",
    # Castling: through, into and out of check; over an attacked b1; with a rook attacked.
    "r3k2r/8/8/8/8/5r2/8/R3K2R w KQkq - 0 1",
    "r3k2r/8/8/8/8/6r1/8/R3K2R w KQkq - 0 1",
    "r3k2r/8/8/8/8/4r3/8/R3K2R w KQkq - 0 1",
    "r3k2r/8/8/8/8/1r6/8/R3K2R w KQkq - 0 1",
    "r3k2r/8/8/8/8/r6r/8/R3K2R w KQkq - 0 1",
    "r3k2r/8/8/8/8/8/p6p/R3K2R w KQkq - 0 1",
    "rn2k1nr/8/8/8/8/8/8/RN2K1NR b KQkq - 0 1",
    # Double check, a king that cannot step back along the ray, and a crossing pin.
    "4k3/8/8/8/1b5r/8/8/4K3 w - - 0 1",
    "4r2k/8/8/8/8/5n2/8/4K3 w - - 0 1",
    "3rk3/8/8/8/b7/8/2PQ4/3K4 w - - 0 1",
    "k7/8/8/q7/8/2N5/8/r1B1K3 w - - 0 1",
    # Promotions by capture, pinned, and out of check.
    "1n1n4/2P5/8/8/8/8/8/k1K5 w - - 0 1",
    "2r1r2k/3P4/8/8/8/8/8/3K4 w - - 0 1",
    "K2B3r/8/8/8/8/8/8/7k w - - 0 1",
    "Kr5k/P1P5/8/8/8/8/8/8 w - - 0 1",
]


@pytest.fixture(scope="module")
def legal_sets():
    fens = FENS + SPECIAL
    mask = np.asarray(expand(from_fen(fens).words))
    return {fen: set(np.flatnonzero(row)) for fen, row in zip(fens, mask, strict=True)}


@pytest.mark.parametrize("fen", FENS + SPECIAL)
def test_legal_set(fen, legal_sets):
    assert legal_sets[fen] == set(oracle.moves(chess.Board(fen)))


@pytest.mark.parametrize("fen", FENS + SPECIAL)
def test_colours_are_alike(fen, legal_sets):
    turned = from_fen(chess.Board(fen).mirror().fen(en_passant="fen"))
    assert legal_sets[fen] == set(np.flatnonzero(expand(turned.words)[0]))


def test_rank_discovery_forbids_en_passant(legal_sets):
    c5, d6 = 8 * 2 + 4, 8 * 3 + 5
    assert label_of(c5, d6) not in legal_sets["7k/8/8/K1Pp3r/8/8/8/8 w - d6 0 1"]
    # A second pawn stays on the rank and shields the king.
    assert label_of(c5, d6) in legal_sets["7k/8/8/K1PpP2r/8/8/8/8 w - d6 0 1"]


def random_positions(count, seed=0):
    """Positions strewn at random, which games would never reach."""
    rng = np.random.default_rng(seed)
    out = []
    while len(out) < count:
        board = chess.Board(None)
        squares = rng.permutation(64)
        board.set_piece_at(int(squares[0]), chess.Piece(chess.KING, True))
        board.set_piece_at(int(squares[1]), chess.Piece(chess.KING, False))
        for square in squares[2 : 2 + rng.integers(1, 24)]:
            kind, color = int(rng.integers(1, 6)), bool(rng.integers(2))
            if kind != chess.PAWN or 0 < chess.square_rank(int(square)) < 7:
                board.set_piece_at(int(square), chess.Piece(kind, color))
        board.turn = bool(rng.integers(2))
        if not board.was_into_check() and all(
            chess.popcount(board.occupied_co[c]) <= 16 for c in (True, False)
        ):
            out.append(board)
    return out


def test_strewn_positions():
    boards = random_positions(250)
    mask = np.asarray(expand(from_fen([b.fen() for b in boards]).words))
    for board, row in zip(boards, mask, strict=True):
        assert set(np.flatnonzero(row)) == set(oracle.moves(board)), board.fen()
