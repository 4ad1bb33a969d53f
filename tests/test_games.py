"""The game interface against python-chess, and the other games through the same code."""

import random

import chess
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sandwich_jax import games, sampling
from sandwich_jax.players.board_player import encode
from sandwich_jax.training.corpus import label_of, move_of
from sandwich_jax.types import SettingError

GAME = games.make("chess")
STEP = jax.jit(GAME.step)

# En passant for White and for Black, castling on all sides, promotions of all kinds, and a
# threefold repetition by moving knights to and fro.
LINES = (
    "e4 a6 e5 d5 exd6 cxd6 Nf3 Nf6 Be2 g6 O-O Bg7 d3 O-O",
    "d4 e5 Nc3 e4 f4 exf3 Nxf3 Nf6 Bf4 Nc6 Qd2 b6 O-O-O Bb7 h3 Qe7 h4 O-O-O",
    "h4 g5 hxg5 h6 gxh6 Bg7 hxg7 Nf6 gxh8=N d5 a4 b5 axb5 a6 bxa6 Bd7 a7 Nc6 axb8=N",
    "h4 g5 hxg5 h6 gxh6 Nf6 h7 Bg7 hxg8=R+",
    "Nf3 Nf6 Ng1 Ng8 Nf3 Nf6 Ng1 Ng8",
)


def _boards(line: str) -> list[tuple[chess.Board, chess.Move]]:
    board, played = chess.Board(), []
    for san in line.split():
        try:
            move = board.parse_san(san)
        except chess.IllegalMoveError:
            break
        played.append((board.copy(), move))
        board.push(move)
    return played


def _random_game(seed: int, plies: int) -> list[tuple[chess.Board, chess.Move]]:
    rng, board, played = random.Random(seed), chess.Board(), []
    while len(played) < plies and not board.is_game_over():
        move = rng.choice(list(board.legal_moves))
        played.append((board.copy(), move))
        board.push(move)
    return played


PLAYED = [_boards(line) for line in LINES] + [_random_game(seed, 120) for seed in range(4)]


@pytest.mark.parametrize("played", PLAYED)
def test_chess_agrees_with_python_chess_at_every_ply(played):
    state = GAME.init(1)
    for board, move in played:
        mask = np.asarray(GAME.legal(state))[0]
        expected = {label_of(m, board.turn) for m in board.legal_moves}
        assert set(np.flatnonzero(mask)) == expected
        np.testing.assert_array_equal(np.asarray(GAME.encode(state))[0], encode(board))
        state = STEP(state, jnp.asarray([label_of(move, board.turn)]))


def test_labels_name_moves_both_ways():
    for played in PLAYED:
        for board, _ in played:
            for move in board.legal_moves:
                assert move_of(label_of(move, board.turn), board) == move


def test_replay_gives_the_positions_of_step():
    labels = [
        [label_of(m, b.turn) for b, m in played[:14]] for played in PLAYED if len(played) > 13
    ]
    replayed = np.asarray(jax.jit(GAME.replay)(jnp.asarray(labels).T))
    state = GAME.init(len(labels))
    for ply, label in enumerate(np.asarray(labels).T):
        np.testing.assert_array_equal(replayed[ply], np.asarray(GAME.encode(state)))
        state = STEP(state, jnp.asarray(label))


def test_features_show_what_the_planes_are_said_to_show():
    board = chess.Board("r3k2r/8/8/3pP3/8/8/8/R3K1N1 w Qk d6 7 12")
    planes = np.asarray(GAME.decode(jnp.asarray(encode(board))[None]))[0]
    assert planes.shape == GAME.feature_shape
    assert planes[4, 4, 0] == 1 and planes[..., 0].sum() == 1  # own pawn on e5
    assert planes[6, 0, 1] == 1 and planes[4, 0, 5] == 1  # knight on g1, king on e1
    assert planes[3, 4, 6] == 1 and planes[4, 7, 11] == 1  # the other side's pawn and king
    assert [planes[0, 0, i] for i in (12, 13, 14, 15)] == [1, 0, 0, 1]
    assert planes[3, 5, 16] == 1 and planes[..., 16].sum() == 1  # d6
    assert planes[..., 17] == pytest.approx(0.07) and planes[..., 18] == pytest.approx(22 / 512)
    assert (planes[..., 19] == 0).all()


def test_mate_is_a_loss_for_the_mated_side_and_stays():
    labels = [label_of(m, b.turn) for b, m in _boards("f3 e5 g4 Qh4#")]
    state = GAME.init(1)
    for label in labels:
        assert not bool(GAME.done(state)[0])
        state = STEP(state, jnp.asarray([label]))
    for _ in range(2):
        assert bool(GAME.done(state)[0]) and float(GAME.result(state)[0]) == -1
        state = STEP(state, jnp.asarray([0]))


def test_material_is_the_first_players_lead():
    labels = [label_of(m, b.turn) for b, m in _boards("e4 d5 exd5 Qxd5 Nc3 Qxg2")]
    leads, state = [], GAME.init(1)
    for label in labels:
        state = STEP(state, jnp.asarray([label]))
        leads.append(int(GAME.material(state)[0]))
    assert leads == [0, 0, 1, 0, 0, -1]


def test_hash_is_of_the_position_not_of_the_way():
    def after(line: str):
        # One length, one program; a negative label leaves a game as it is.
        labels = np.full((1, 5), -1)
        for ply, (position, move) in enumerate(_boards(line)):
            labels[0, ply] = label_of(move, position.turn)
        state = GAME.after(jnp.asarray(labels))
        return tuple(np.asarray(GAME.position_hash(state))[0])

    assert after("Nf3 Nf6 Nc3 Nc6") == after("Nc3 Nc6 Nf3 Nf6")
    assert after("Nf3 Nf6 Nc3 Nc6") != after("Nf3 Nf6 Nc3 Na6")
    # A double step that no pawn can answer en passant makes the position that a single step would.
    assert after("e4 Nf6 Nf3 Ng8 Ng1") == after("Nf3 Nf6 e4 Ng8 Ng1")
    assert after("Nf3 Nf6 Ng1 Ng8 e4") == after("e4")


def test_openings_are_legal_even_distinct_and_the_splits_disjoint():
    finals = {}
    for split in ("train", "arena"):
        lines = GAME.openings(split)
        assert len(lines) >= 1000 and lines.shape[1] % 2 == 0
        boards = []
        for line in lines:
            board = chess.Board()
            for label in line:
                move = move_of(int(label), board)
                assert board.is_legal(move)
                board.push(move)
            boards.append(board.epd())
        assert len(set(boards)) == len(boards)
        finals[split] = set(boards)
    assert not finals["train"] & finals["arena"]


@pytest.mark.parametrize("name", games.OTHER_GAMES)
def test_other_games_play_to_an_end(name):
    game = games.make(name)
    lines = game.openings("train")
    assert not set(map(tuple, lines)) & set(map(tuple, game.openings("arena")))
    state = game.after(jnp.asarray(lines[:8]))
    assert game.features(state).shape == (min(8, len(lines)), *game.feature_shape)

    @jax.jit
    def ply(key, state):
        uniform = jax.random.uniform(key, game.done(state).shape)
        return game.step(state, sampling.uniform_legal(uniform, game.legal(state)))

    for i in range(game.max_plies):
        if bool(game.done(state).all()):
            break
        before = game.result(state)
        done = game.done(state)
        state = ply(jax.random.key(i), state)
        np.testing.assert_array_equal(
            np.asarray(before)[done], np.asarray(game.result(state))[done]
        )
    assert bool(game.done(state).all())
    assert set(np.asarray(game.result(state)).tolist()) <= {-1.0, 0.0, 1.0}


def test_tic_tac_toe_win_of_each_side():
    game = games.make("tic_tac_toe")
    lines = jnp.asarray([[0, 3, 1, 4, 2, 5], [0, 3, 1, 4, 8, 5]])
    assert np.asarray(game.result(game.after(lines))).tolist() == [1.0, -1.0]


def test_unknown_game_is_named_with_the_known_ones():
    with pytest.raises(SettingError, match=r"Unknown game 'checkers'.*tic_tac_toe"):
        games.make("checkers")
