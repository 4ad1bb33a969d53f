"""Draws one by one."""

import chess
import numpy as np
import pytest

from sandwich_jax import board
from sandwich_jax.board import Reason

KNIGHTS_OUT_AND_BACK = ["g1f3", "g8f6", "f3g1", "f6g8"]


def reason_after(fen, *moves, raw_en_passant=False):
    state = board.from_fen(fen, raw_en_passant=raw_en_passant)
    for move in moves:
        state = board.step(state, board.from_uci(state, [move]), raw_en_passant=raw_en_passant)
    return Reason(int(state.reason[0]))


@pytest.mark.parametrize(
    "pieces",
    ["", "N", "B", "n", "b", "NN", "Nn", "Bb", "BB", "NB", "Nb", "P", "R", "Q", "BBb", "Bbb", "Np"],
)
def test_insufficient_material_as_python_chess_says(pieces):
    rng = np.random.default_rng(0)
    boards = []
    while len(boards) < 12:
        b = chess.Board(None)
        squares = [int(s) for s in rng.choice(range(8, 56), len(pieces) + 2, replace=False)]
        for square, letter in zip(squares, "Kk" + pieces, strict=True):
            b.set_piece_at(square, chess.Piece.from_symbol(letter))
        if b.is_valid():
            boards.append(b)
    got = np.asarray(board.insufficient(board.from_fen([b.fen() for b in boards]).board))
    np.testing.assert_array_equal(got, [b.is_insufficient_material() for b in boards])


def test_third_occurrence():
    for n in range(1, 9):
        moves = (KNIGHTS_OUT_AND_BACK * 2)[:n]
        expected = Reason.THREEFOLD if n == 8 else Reason.NONE
        assert reason_after(board.START_FEN, *moves) == expected


def test_en_passant_counts_only_where_the_capture_is_legal():
    shuffle = ["g8f6", "g1f3", "f6g8", "f3g1"] * 2
    # No black pawn can take on e3: the position after e2e4 is the same one each time.
    assert reason_after(board.START_FEN, "e2e4", *shuffle) == Reason.THREEFOLD
    moves = ["e2e4", *shuffle]
    assert reason_after(board.START_FEN, *moves, raw_en_passant=True) == Reason.NONE
    # Here one can: the first occurrence is another position, and the third comes later.
    fen = "rnbqkbnr/ppp1pppp/8/8/3p4/8/PPPPPPPP/RNBQKBNR w KQkq - 0 1"
    assert reason_after(fen, *moves) == Reason.NONE
    assert reason_after(fen, *moves, shuffle[0]) == Reason.THREEFOLD


def test_lost_castling_rights_make_another_position():
    fen = "r3k2r/pppppppp/8/8/8/8/PPPPPPPP/R3K2R w KQkq - 0 1"
    loop = ["h1g1", "h8g8", "g1h1", "g8h8"]
    assert reason_after(fen, *loop * 2) == Reason.NONE
    assert reason_after(fen, *loop * 2, *loop[:2]) == Reason.THREEFOLD


def test_fifty_moves_and_what_comes_before_them():
    fen = "7k/8/5KQ1/8/8/8/8/8 w - - 99 80"
    assert reason_after(fen, "g6g7") == Reason.CHECKMATE
    assert reason_after(fen, "g6g5") == Reason.FIFTY
    assert reason_after("7k/8/5K2/8/6Q1/8/8/8 w - - 99 80", "g4g6") == Reason.STALEMATE
    assert reason_after("7k/8/5KQ1/8/8/8/7p/8 b - - 98 80", "h2h1q") == Reason.NONE


def test_repetition_within_a_long_clock():
    fen = "r3k3/8/8/8/8/8/8/R3K3 w - - 91 80"
    moves = ["a1b1", "a8b8", "b1a1", "b8a8"] * 2
    assert reason_after(fen, *moves) == Reason.THREEFOLD
    assert reason_after(fen.replace("91", "93"), *moves) == Reason.FIFTY


def test_cap_truncates():
    state = board.from_fen(board.START_FEN)
    state = state._replace(ply=state.ply + board.PLY_CAP - 1)
    after = board.step(state, board.from_uci(state, ["e2e4"]))
    assert int(after.reason[0]) == Reason.CAP
    assert bool(board.truncated(after)[0]) and not bool(board.terminated(after)[0])
    before = board.step(state._replace(ply=state.ply - 1), board.from_uci(state, ["e2e4"]))
    assert int(before.reason[0]) == Reason.NONE
