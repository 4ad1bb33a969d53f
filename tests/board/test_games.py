"""Whole games against python-chess: legal sets, checks, clocks, results and draw reasons."""

import io
import os
import pathlib

import chess
import chess.pgn
import jax
import numpy as np
import pytest

from sandwich_jax.board import Reason, init, step

from . import oracle

_SHARED = pathlib.Path(__file__).parents[3] / "shared/data"
REAL_GAMES = pathlib.Path(os.environ.get("SANDWICH_DATA", _SHARED)) / "games/test.pgn.zst"


def check_random(seed, batch, plies):
    record = [np.asarray(x) for x in oracle.random_games(jax.random.key(seed), batch, plies)]
    return oracle.compare([chess.Board() for _ in range(batch)], *record, goes_on=False)


def test_random_games():
    plies, _ = check_random(seed=0, batch=24, plies=100)  # the program of test_move_classes
    assert plies > 1500


@pytest.mark.slow
def test_a_thousand_random_games():
    _, seen = check_random(seed=1, batch=1000, plies=512)
    assert sum(n for why, n in seen.items() if why != Reason.NONE) == 1000
    assert all(seen[why] > 0 for why in Reason), seen


@pytest.mark.slow
def test_five_hundred_games_of_real_players():
    if not REAL_GAMES.exists():
        pytest.skip(f"no file {REAL_GAMES}")
    import zstandard

    text = io.TextIOWrapper(zstandard.ZstdDecompressor().stream_reader(REAL_GAMES.open("rb")))
    games = [list(chess.pgn.read_game(text).mainline_moves()) for _ in range(500)]
    longest = max(map(len, games))
    labels = np.full((longest, len(games)), -1, np.int32)
    for lane, game in enumerate(games):
        board = chess.Board()
        for t, move in enumerate(game):
            labels[t, lane] = oracle.label_of(board, move)
            board.push(move)

    @jax.jit
    def replay(labels):
        def body(state, action):
            # Players may play on after a draw by rule.
            after = step(state._replace(reason=0 * state.reason), action)
            return after, (after.words, after.reason, after.check, after.halfmove)

        return jax.lax.scan(body, init(labels.shape[1]), labels)[1]

    record = [np.asarray(x) for x in replay(labels)]
    boards = [chess.Board() for _ in games]
    plies, _ = oracle.compare(boards, labels, *record, goes_on=True)
    assert plies == sum(map(len, games))
