"""FEN and UCI both ways, and what is said about bad ones."""

import chess
import jax.numpy as jnp
import numpy as np
import pytest

from sandwich_jax import board

from . import oracle
from .positions import FENS

EXTRA = [
    "rnbqkbnr/ppp1pppp/8/8/3pP3/8/PPPP1PPP/RNBQKBNR b Qk e3 0 3",
    "7k/8/8/K1Pp3r/8/8/8/8 w - d6 0 1",
    "4k3/8/8/8/8/8/8/R3K3 w Q - 37 60",
]


def test_fens_come_back():
    fens = FENS + EXTRA
    assert board.to_fen(board.from_fen(fens)) == fens


def test_counters_may_be_left_out():
    assert board.to_fen(board.from_fen("4k3/8/8/8/8/8/8/4K2R w K -")) == [
        "4k3/8/8/8/8/8/8/4K2R w K - 0 1"
    ]


@pytest.mark.parametrize(
    ("said", "read"),
    [
        ("4k3/8/8/8/8/8/8/4K3 w KQkq - 0 1", "4k3/8/8/8/8/8/8/4K3 w - - 0 1"),
        ("r3k3/8/8/8/8/8/8/4K2R w KQkq - 0 1", "r3k3/8/8/8/8/8/8/4K2R w Kq - 0 1"),
        ("rk6/8/8/8/8/8/8/R4RK1 b KQkq - 3 9", "rk6/8/8/8/8/8/8/R4RK1 b - - 3 9"),
        ("4k3/8/8/8/8/8/8/4K2r w K - 0 1", "4k3/8/8/8/8/8/8/4K2r w - - 0 1"),
        ("r3k2r/8/8/8/8/8/8/R3K2R b HAhc - 0 1", "r3k2r/8/8/8/8/8/8/R3K2R b KQk - 0 1"),
        ("4k3/8/8/8/8/8/8/4K3 w - e3 0 1", "4k3/8/8/8/8/8/8/4K3 w - - 0 1"),
        ("4k3/8/8/8/8/8/8/4K3 w - e6 0 1", "4k3/8/8/8/8/8/8/4K3 w - - 0 1"),
        ("4k3/4p3/8/4p3/8/8/8/4K3 w - e6 0 1", "4k3/4p3/8/4p3/8/8/8/4K3 w - - 0 1"),
        ("4k3/8/4n3/4p3/8/8/8/4K3 w - e6 0 1", "4k3/8/4n3/4p3/8/8/8/4K3 w - - 0 1"),
        ("4k3/8/8/4p3/8/8/8/4K3 b - e6 0 1", "4k3/8/8/4p3/8/8/8/4K3 b - - 0 1"),
        ("4k3/8/8/4p3/8/8/8/4K3 w - e6 0 1", "4k3/8/8/4p3/8/8/8/4K3 w - e6 0 1"),
        ("4k3/8/8/8/8/8/8/4K3 w - - 7", "4k3/8/8/8/8/8/8/4K3 w - - 7 1"),
        ("4k3/8/8/8/8/8/8/4K3 b - -", "4k3/8/8/8/8/8/8/4K3 b - - 0 1"),
        ("4k3/8/8/8/8/8/8/4K3 b - - 0 0", "4k3/8/8/8/8/8/8/4K3 b - - 0 1"),
    ],
)
def test_impossible_rights_and_en_passant_squares_are_left_out(said, read):
    assert board.mended(said) == read
    assert board.to_fen(board.from_fen(said)) == [read]
    assert chess.Board(read).status() == chess.STATUS_VALID


def test_uci_of_every_legal_move():
    for fen in FENS + EXTRA:
        b = chess.Board(fen)
        moves = oracle.moves(b)
        state = board.from_fen([fen] * len(moves)) if len(moves) == 20 else None
        one = board.from_fen(fen)
        for label, move in list(moves.items())[:25]:
            assert board.to_uci(one, [label]) == [move.uci()]
            assert board.from_uci(one, [move.uci()]).tolist() == [label]
        if state is not None:
            assert board.to_uci(state, list(moves)) == [m.uci() for m in moves.values()]


@pytest.mark.parametrize(
    ("fen", "message"),
    [
        ("", "0 fields"),
        ("8/8/8/8/8/8/8/8 w", "2 fields"),
        ("4k3/8/8/8/8/8/8/4K3 w - - 0 1 1", "7 fields"),
        ("4k3/8/8/8/8/8/4K3 w - - 0 1", "7 ranks"),
        ("4k3/8/8/8/8/8/8/4K4 w - - 0 1", "9 squares instead of 8 on rank 1"),
        ("4k2/8/8/8/8/8/8/4K3 w - - 0 1", "7 squares instead of 8 on rank 8"),
        ("4k3/8/8/8/8/8/8/4K2x w - - 0 1", "unknown piece 'x' on rank 1"),
        ("4k3/9/8/8/8/8/8/4K3 w - - 0 1", "unknown piece '9' on rank 7"),
        ("8/8/8/8/8/8/8/4K3 w - - 0 1", "0 black kings"),
        ("4k3/8/8/8/8/8/8/3KK3 w - - 0 1", "2 white kings"),
        ("4k2P/8/8/8/8/8/8/4K3 w - - 0 1", "a pawn on the first or last rank"),
        ("4k3/8/8/8/QQQQQQQQ/QQQQQQQQ/8/4K3 w - - 0 1", "more than 16 white pieces"),
        ("4k3/8/8/8/8/8/8/4K3 x - - 0 1", "side to move 'x'"),
        ("4k3/8/8/8/8/8/8/4K2R w KK - 0 1", "castling field 'KK'"),
        ("4k3/8/8/8/8/8/8/4K2R w X - 0 1", "castling field 'X'"),
        ("4k3/8/8/8/8/8/8/4K3 w - e9 0 1", "en-passant field 'e9'"),
        ("4k3/8/8/8/8/8/8/4K3 w - - -1 1", "halfmove counter '-1'"),
        ("4k3/8/8/8/8/8/8/4K3 w - - 0 x", "fullmove counter 'x'"),
        ("4k3/8/8/8/8/8/8/4K3 w - - ² 1", "halfmove counter '²'"),
        (f"4k3/8/8/8/8/8/8/4K3 w - - 0 {'9' * 5000}", "fullmove counter '9"),
        ("rbqnkrbn/pppppppp/8/8/8/8/PPPPPPPP/RBQ1KRBN w AFaf - 0 1", "right F of Chess960"),
        ("4k3/8/8/8/8/8/8/R2K4 w A - 0 1", "castling right A of Chess960"),
        ("4k3/8/8/8/8/8/8/4K2r b - - 0 1", "could take the king"),
        ("8/8/8/3kK3/8/8/8/8 w - - 0 1", "could take the king"),
    ],
)
def test_bad_fens_are_named(fen, message):
    with pytest.raises(ValueError, match=message) as error:
        board.from_fen(fen)
    assert repr(fen) in str(error.value)


def test_one_bad_fen_among_many_is_the_one_named():
    bad = "8/8/8/3kK3/8/8/8/8 w - - 0 1"
    with pytest.raises(ValueError, match="could take the king") as error:
        board.from_fen([board.START_FEN, bad])
    assert bad in str(error.value)
    with pytest.raises(ValueError, match="no FEN"):
        board.from_fen([])


@pytest.mark.parametrize(
    "move", ["e2e5", "e7e5", "e1g1", "e2e4q", "e2", "xxxx", "", "a1a1", "e2e4k"]
)
def test_illegal_moves_are_refused(move):
    with pytest.raises(ValueError, match="is not"):
        board.from_uci(board.init(1), [move])


def test_promotions_need_their_piece():
    state = board.from_fen("4k3/1P6/8/8/8/8/K7/8 w - - 0 1")
    with pytest.raises(ValueError, match="not legal"):
        board.from_uci(state, ["b7b8"])
    for piece in "qrbn":
        label = board.from_uci(state, ["b7b8" + piece])
        assert board.to_uci(state, label) == ["b7b8" + piece]


def test_wrong_numbers_are_refused():
    with pytest.raises(ValueError, match="2 moves for 1"):
        board.from_uci(board.init(1), ["e2e4", "e2e4"])
    for label in (-1, 4672, 0):
        with pytest.raises(ValueError, match="no move"):
            board.to_uci(board.init(1), np.array([label]))


def test_everything_follows_python_chess_along_a_game():
    b = chess.Board()
    state = board.init(1)
    moves = "e2e4 c7c5 e4e5 d7d5 e5d6 g8f6 d6e7 f6g8 e7d8n e8d8 g1f3 b8c6 f1e2 c8g4 e1g1"
    for move in moves.split(" "):
        state = board.step(state, jnp.asarray(board.from_uci(state, [move])))
        b.push_uci(move)
        assert board.to_fen(state) == [b.fen(en_passant="fen")]
