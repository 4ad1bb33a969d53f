"""Annotated games: read back by python-chess, every annotation where it belongs."""

import random

import chess
import chess.engine
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import read_pgn
from hypothesis import given
from hypothesis import strategies as st

from sandwich_jax import games
from sandwich_jax.engines.questions import win_probability
from sandwich_jax.folders import annotated, pgn
from sandwich_jax.players import board_player, spelled
from sandwich_jax.running import run_folder
from sandwich_jax.training.corpus import label_of, move_of
from sandwich_jax.types import Rollout, Truth

LINES = games.make("chess").openings("train")
SEVEN = ("Event", "Site", "Date", "Round", "White", "Black", "Result")
NAME = 'always_follow <b>"p"=0.5</b>'


def _rollout(count: int = 6, plies: int = 30):
    """Random legal moves; the first player is assisted in every other game, and asks at random."""
    rng = random.Random(0)
    labels = {
        n: np.full((plies, count), -1, np.int16) for n in ("moves", "advice", "honest", "own")
    }
    flags = {
        n: np.zeros((plies, count), bool) for n in ("assisted", "asked", "followed", "corrupt")
    }
    value = np.zeros((plies, count))
    for game in range(count):
        board = chess.Board()
        for label in LINES[game]:
            board.push(move_of(int(label), board))
        for t in range(plies):
            at = (t, game)
            legal = list(board.legal_moves)
            drawn = {name: rng.choice(legal) for name in labels}
            flags["assisted"][at] = (t + game) % 2 == 0
            flags["asked"][at] = flags["assisted"][at] and rng.random() < 0.7
            flags["corrupt"][at] = flags["asked"][at] and rng.random() < 0.5
            flags["followed"][at] = flags["asked"][at] and rng.random() < 0.5
            value[at] = rng.uniform(-1, 1)
            names = ["moves", "own"] if flags["assisted"][at] else ["moves"]
            for name in labels if flags["asked"][at] else names:
                labels[name][at] = label_of(drawn[name], board.turn)
            board.push(drawn["moves"])
    rollout = Rollout(
        opening=np.arange(count),
        assisted_first=np.arange(count) % 2 == 0,
        moves=labels["moves"],
        played=np.ones((plies, count), bool),
        assisted=flags["assisted"],
        own=labels["own"],
        asked=flags["asked"],
        advice=labels["advice"],
        followed=flags["followed"],
        advised_value=np.zeros((plies, count)),
        notes=(np.zeros((plies, count)), np.zeros((plies, count, 6))),  # as learned_trust leaves
        result=np.zeros(count),
        finished=np.arange(count) == 1,
        positions=np.zeros((plies, count, 0)),
    )
    return rollout, Truth(flags["corrupt"], labels["honest"], value, np.zeros(count))


def test_every_annotation_is_read_back():
    rollout, truth = _rollout()
    text = pgn.selfplay_games(rollout, truth, LINES, NAME, 3, 99, truth.value)
    read = read_pgn(text)
    assert len(read) == rollout.moves.shape[1]
    seen = set()
    for column, game in enumerate(read):
        assert not game.errors and tuple(game.headers)[:7] == SEVEN
        assisted = "White" if column % 2 == 0 else "Black"
        assert game.headers[assisted] == "W with always_follow <b>'p'=0.5</b>"
        assert game.headers["Result"] == ("1/2-1/2" if column == 1 else "*")
        nodes = list(game.mainline())[LINES.shape[1] :]
        assert len(nodes) == len(rollout.moves)
        for t, node in enumerate(nodes):
            board = node.parent.board()
            assert node.move == move_of(int(rollout.moves[t, column]), board)
            seen |= _check_comment(rollout, truth, (t, column), node, board)
            if t + 1 < len(nodes):
                mover = truth.value[t + 1, column]
                expected = annotated.centipawns(mover if not board.turn else -mover)
                assert node.eval().white().score() == expected
    assert seen == {"caught", "followed", "refused", "taken", "alone"}


def _check_comment(rollout, truth, at, node, board) -> set[str]:
    """Arrows and words of one move against the arrays; what kind of move it was."""
    arrows = {a.color: (a.tail, a.head) for a in node.arrows()}
    asked, corrupted = rollout.asked[at], truth.corrupted[at]
    wanted = {}
    if rollout.assisted[at]:
        wanted = {"blue": rollout.own[at], "yellow": rollout.moves[at]}
        assert f"W: {board.san(move_of(int(rollout.own[at]), board))}" in node.comment
    if asked:
        wanted["red" if corrupted else "green"] = rollout.advice[at]
        assert f"A: {board.san(move_of(int(rollout.advice[at]), board))}" in node.comment
    moves = {colour: move_of(int(label), board) for colour, label in wanted.items()}
    assert arrows == {c: (m.from_square, m.to_square) for c, m in moves.items()}
    if corrupted:
        honest = board.san(move_of(int(truth.honest[at]), board))
        said = "followed" if rollout.followed[at] else "caught"
        assert (
            node.comment.rstrip()
            .partition(" [%eval")[0]
            .endswith(f"corrupted (E: {honest}), {said}")
        )
        return {said}
    assert "corrupted" not in node.comment
    if not asked:
        return {"alone"}
    assert ("refused" in node.comment) == (not rollout.followed[at])
    return {"taken" if rollout.followed[at] else "refused"}


def test_what_is_not_known_is_not_said():
    rollout, truth = _rollout(1)
    (game,) = read_pgn(pgn.selfplay_games(rollout, truth, LINES, "m", 1, 1))
    nodes = list(game.mainline())[LINES.shape[1] :]
    for t, node in enumerate(nodes):
        assert ("W:" in node.comment) == rollout.assisted[t, 0]
        known = t + 1 < len(nodes) and rollout.asked[t + 1, 0]
        assert (node.eval() is not None) == known


def test_a_game_from_a_position_and_its_end():
    board = chess.Board("6k1/5ppp/8/8/8/8/8/R5K1 w - - 0 1")
    plies = (annotated.Ply(chess.Move.from_uci("a1a8"), value=0.5),)
    game = annotated.AnnotatedGame("e", "1", "w", "b", "1-0", (), plies, start=board.fen())
    (read,) = read_pgn(pgn.text_of(game))
    assert read.board() == board and read.end().board().is_checkmate() and not read.errors
    assert game.values() == [1.0] and read.end().eval() is None


@given(st.floats(-1, 1))
def test_centipawns_undo_the_win_probability(value):
    found = annotated.centipawns(value)
    assert abs(found) <= 2064 and annotated.centipawns(-value) == -found
    if abs(value) < 0.99:
        assert win_probability(found) == pytest.approx((1 + value) / 2, abs=2e-3)


def test_evals_are_the_experts():
    expert = spelled.load_network("zoo:expert")
    game, board, boards = games.make("chess"), chess.Board(), []
    for label in LINES[1]:
        boards.append(board.copy())
        board.push(move_of(int(label), board))
    encoded = np.stack([board_player.encode(board) for board in boards])
    found = run_folder.values_of(game, expert, encoded.reshape(4, 2, -1))
    value = jax.jit(expert.net.apply)(expert.params, game.decode(jnp.asarray(encoded))).value
    np.testing.assert_allclose(found.reshape(-1), value, atol=1e-5)
