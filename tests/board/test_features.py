"""Planes of a position against ones filled in square by square."""

import chess
import numpy as np
import pytest

from sandwich_jax import board

from . import oracle
from .positions import FENS

FEATURE_FENS = [
    *FENS,
    "rnbqkbnr/ppp1pppp/8/8/3pP3/8/PPPP1PPP/RNBQKBNR b Qk e3 0 3",
    "rnbqkbnr/pppppppp/8/8/4P3/8/PPPP1PPP/RNBQKBNR b KQkq e3 0 1",
    "7k/8/8/K1Pp3r/8/8/8/8 w - d6 0 1",
    "4k3/8/8/8/8/8/8/R3K3 w Q - 37 60",
]


def expected_planes(b: chess.Board) -> np.ndarray:
    planes = np.zeros((8, 8, 20), np.float32)
    for square, piece in b.piece_map().items():
        s = oracle.square_of(square, b.turn)
        planes[s // 8, s % 8, piece.piece_type - 1 + 6 * (piece.color != b.turn)] = 1
    rights = [
        side(color)
        for color in (b.turn, not b.turn)
        for side in (b.has_queenside_castling_rights, b.has_kingside_castling_rights)
    ]
    planes[..., 12:16] = rights
    if b.has_pseudo_legal_en_passant():
        s = oracle.square_of(b.ep_square, b.turn)
        planes[s // 8, s % 8, 16] = 1
    planes[..., 17] = b.halfmove_clock / 100
    return planes


def test_features_of_positions():
    got = np.asarray(board.features(board.from_fen(FEATURE_FENS)))
    assert got.shape == (len(FEATURE_FENS), 8, 8, 20) and got.dtype == np.float32
    for fen, planes in zip(FEATURE_FENS, got, strict=True):
        np.testing.assert_allclose(planes, expected_planes(chess.Board(fen)), err_msg=fen)


def test_clock_ply_and_repetition():
    features = board.features
    state = board.init(1)
    for i, move in enumerate(["g1f3", "g8f6", "f3g1", "f6g8", "e2e4"]):
        planes = np.asarray(features(state))[0]
        np.testing.assert_allclose(planes[..., 17], i / 100)
        np.testing.assert_allclose(planes[..., 18], i / 512)
        assert (planes[..., 19] == (i == 4)).all()
        state = board.step(state, board.from_uci(state, [move]))
    planes = np.asarray(features(state))[0]
    assert (planes[..., 17] == 0).all() and (planes[..., 19] == 0).all()
    late = state._replace(ply=state.ply + 1000)
    assert (np.asarray(features(late))[..., 18] == 1).all()


@pytest.mark.parametrize("fen", FEATURE_FENS[-6:])
def test_board_codes(fen):
    b = chess.Board(fen)
    expected = np.zeros(64, np.int8)
    for square, piece in b.piece_map().items():
        sign = 1 if piece.color == b.turn else -1
        expected[oracle.square_of(square, b.turn)] = sign * piece.piece_type
    got = np.asarray(board.board_codes(board.from_fen(fen).board))
    assert got.dtype == np.int8
    np.testing.assert_array_equal(got[0], expected)
