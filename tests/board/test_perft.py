"""Path counts against the published ones."""

import sys

import chess
import pytest

from sandwich_jax.board import perft

from .positions import PERFT

LIGHT, HEAVY = 60_000, 6_000_000
FEW = 64
"""Lanes of a chunk here: two programs do for all positions, where the chunks of a user take six.
Those are in the counts from the initial position, and in the large ones."""


@pytest.fixture
def one_size(monkeypatch):
    monkeypatch.setattr(sys.modules["sandwich_jax.board.perft"], "_SIZES", (FEW,))


@pytest.fixture
def sizes(request):
    if request.getfixturevalue("fen") != PERFT[0][1]:
        request.getfixturevalue("one_size")


def cases(least, most):
    return [
        pytest.param(fen, depth, count, id=f"{name}-{depth}")
        for name, fen, counts in PERFT
        for depth, count in enumerate(counts, 1)
        if least < count <= most
    ]


@pytest.mark.usefixtures("sizes")
@pytest.mark.parametrize(("fen", "depth", "count"), cases(0, LIGHT))
def test_counts(fen, depth, count):
    assert perft(fen, depth) == count


@pytest.mark.slow
@pytest.mark.parametrize(("fen", "depth", "count"), cases(LIGHT, HEAVY))
def test_large_counts(fen, depth, count):
    assert perft(fen, depth) == count


def oracle(board, depth):
    if depth == 0:
        return 1
    total = 0
    for move in board.legal_moves:
        board.push(move)
        total += oracle(board, depth - 1)
        board.pop()
    return total


@pytest.mark.parametrize("fen", [fen for _, fen, _ in PERFT])
def test_table_agrees_with_python_chess(fen):
    counts = next(counts for _, f, counts in PERFT if f == fen)
    assert [oracle(chess.Board(fen), d + 1) for d in range(2)] == counts[:2]


def test_depth_zero_is_the_position_itself():
    assert perft(PERFT[0][1], 0) == 1


@pytest.mark.usefixtures("one_size")
def test_draws_do_not_end_the_count():
    # Bare kings, and a clock that has run out.
    for fen in ("4k3/8/8/8/8/8/8/4K3 w - - 0 1", "4k3/8/8/8/8/8/8/4K2R w K - 100 90"):
        assert perft(fen, 3) == oracle(chess.Board(fen), 3)


def test_negative_depth_is_refused():
    with pytest.raises(ValueError, match="depth"):
        perft(PERFT[0][1], -1)
