"""All successors of a position against playing each move."""

import chess
import jax
import jax.numpy as jnp
import numpy as np

from sandwich_jax import board

from . import oracle
from .positions import FENS

successors = jax.jit(board.successors)
FOUR = [FENS[1], FENS[3], FENS[9], FENS[-1]]


def test_successors_are_the_positions_after_each_move():
    after = successors(board.from_fen(FOUR))
    labels, valid = np.asarray(after.labels), np.asarray(after.valid)
    assert labels.shape == (4, 218)
    written = np.array(board.to_fen(after.states)).reshape(4, 218)
    for i, fen in enumerate(FOUR):
        moves = oracle.moves(chess.Board(fen))
        assert sorted(labels[i][valid[i]]) == sorted(moves)
        assert (labels[i][~valid[i]] == -1).all()
        for label, got in zip(labels[i][valid[i]], written[i][valid[i]], strict=True):
            b = chess.Board(fen)
            b.push(moves[int(label)])
            assert got == b.fen(en_passant="fen")


def test_successors_know_repetitions_and_ends():
    state = board.init(1)
    for move in ["g1f3", "g8f6", "f3g1", "f6g8", "g1f3", "g8f6", "f3g1"]:
        state = board.step(state, board.from_uci(state, [move]))
    # Four games at once, as in the other tests: one program for all.
    after = successors(board.take(state, jnp.zeros(4, int)))
    label = int(board.from_uci(state, ["f6g8"])[0])
    place = np.asarray(after.labels)[0].tolist().index(label)
    reasons = np.asarray(after.states.reason)[:218]
    assert reasons[place] == board.Reason.THREEFOLD
    assert (np.delete(reasons, place) == 0).all()


def test_finished_games_have_none():
    over = ["8/8/4k3/8/8/3K4/8/8 w - - 0 1", "7k/5K2/6Q1/8/8/8/8/8 b - - 0 1"]
    valid = np.asarray(successors(board.from_fen(over + FOUR[:2])).valid)
    assert not valid[:2].any() and valid[2:].any(-1).all()


def test_narrow_lists_hold_the_first_moves():
    words = board.from_fen(FOUR).words
    np.testing.assert_array_equal(board.legal_labels(words)[:, :32], board.legal_labels(words, 32))
