"""Classes of moves against python-chess, on hard positions and on random ones."""

import functools

import chess
import jax
import numpy as np
import pytest

from sandwich_jax import board
from sandwich_jax.misalign import move_classes

from . import oracle
from .positions import FENS

CHECKS = [  # one of each kind of check that is not simply given by the piece moved
    "3k4/8/8/8/8/8/8/R3K3 w Q - 0 1",  # castling long
    "5k2/8/8/8/8/8/8/4K2R w K - 0 1",  # castling short
    "8/8/1k6/2b5/2pP4/8/5K2/8 b - d3 0 1",  # in passing
    "6k1/8/8/3pP3/8/8/B7/K7 w - d6 0 1",  # in passing, by a line through the pawn taken
    "8/8/8/R2pP2k/8/8/8/K7 w - d6 0 1",  # in passing, by a line through both pawns
    "4k3/8/8/3pP3/8/8/8/K3R3 w - d6 0 1",  # in passing, off a file
    "8/4P3/8/8/8/4k3/8/K7 w - - 0 1",  # a queen that looks back along its file
    "3r4/2P1P3/1k6/8/8/8/8/7K w - - 0 1",  # a bishop that looks back along its diagonal
    "8/8/8/3k4/8/3N4/8/3RK3 w - - 0 1",  # uncovered
    "8/8/8/3k4/8/3P4/8/3RK3 w - - 0 1",  # not uncovered: the pawn stays on the line
    "k7/8/8/8/8/8/1K6/B7 w - - 0 1",
    "7k/8/8/8/8/8/1K6/B7 w - - 0 1",  # uncovered by the king
    "rnb1kbnr/pppp1ppp/8/4p3/6Pq/5P2/PPPPP2P/RNBQKBNR w KQkq - 1 3",
]
PIECES = dict(zip(move_classes.PIECES, chess.PIECE_TYPES, strict=True))


@functools.cache
def _masks():
    classes = {name: jax.vmap(of) for name, of in move_classes.CLASSES.items()}
    return jax.jit(lambda features: {name: of(features) for name, of in classes.items()})


def _expected(position: chess.Board, move: chess.Move) -> dict[str, bool]:
    file, rank = chess.square_file(move.to_square), chess.square_rank(move.to_square)
    up = rank - chess.square_rank(move.from_square)
    kind = position.piece_type_at(move.from_square)
    return {name: kind == piece for name, piece in PIECES.items()} | {
        "capture": position.is_capture(move),
        "check": position.gives_check(move),
        "center": move.to_square in (chess.D4, chess.E4, chess.D5, chess.E5),
        "kingside": file >= 4,
        "queenside": file < 4,
        "retreat": (up if position.turn else -up) < 0,
    }


def _compare(boards, features):
    found, seen = jax.device_get(_masks()(features)), dict.fromkeys(move_classes.CLASSES, 0)
    for lane, position in enumerate(boards):
        for label, move in oracle.moves(position).items():
            expected = _expected(position, move)
            said = {name: bool(found[name][lane, label]) for name in expected}
            assert said == expected, (position.fen(), move.uci())
            for name, member in expected.items():
                seen[name] += member
    return seen


@pytest.mark.parametrize("fens", [CHECKS, FENS], ids=["checks", "hard"])
def test_classes_agree_with_python_chess_on_hard_positions(fens):
    fens = (fens + ["8/8/8/8/8/8/8/K1k5 w - - 0 1"] * 24)[:24]  # one shape, one program
    seen = _compare([chess.Board(fen) for fen in fens], board.features(board.from_fen(fens)))
    assert seen["check"] >= 10 and seen["capture"] >= 1


def test_classes_agree_with_python_chess_in_random_games():
    games, plies = 24, 100
    labels, *_ = oracle.random_games(jax.random.key(3), games, plies)
    state, boards = board.init(games), [chess.Board() for _ in range(games)]
    step, totals = jax.jit(board.step), dict.fromkeys(move_classes.CLASSES, 0)
    for ply, actions in enumerate(np.asarray(labels)):
        if ply % 9 == 8:  # going through every position would be slow
            seen = _compare(boards, board.features(state))
            totals = {name: totals[name] + count for name, count in seen.items()}
        for position, action in zip(boards, actions, strict=True):
            if not position.is_game_over():
                position.push(oracle.moves(position)[int(action)])
        state = step(state, actions)
    assert min(totals.values()) > 50


def test_material_is_counted_for_the_mover():
    fens = ["3qk3/8/8/8/8/8/PP6/4K3 w - - 0 1", "3qk3/8/8/8/8/8/PP6/4K3 b - - 0 1"]
    found = jax.vmap(move_classes.material)(board.features(board.from_fen(fens)))
    assert np.asarray(found).tolist() == [-7.0, 7.0]
