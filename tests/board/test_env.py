"""`Chess` against pgx's own chess, and under pgx's own tools."""

import chess
import jax
import jax.numpy as jnp
import numpy as np
import pgx
import pytest
from pgx._src.api_test import api_test_batch
from pgx._src.games import chess as rules
from pgx.experimental import auto_reset
from pgx.experimental.chess import from_fen as pgx_from_fen
from pgx.experimental.chess import to_fen as pgx_to_fen

from sandwich_jax import board
from sandwich_jax.board import Chess

from .positions import FENS

FIELDS = ("current_player", "rewards", "terminated", "truncated", "legal_action_mask")
FIELDS += ("observation", "_step_count", "_player_order")
BATCH = 16


@pytest.fixture(scope="module")
def functions():
    """Compiled init and step of `Chess`, of `Chess(pgx_compat=True)` and of pgx."""
    envs = {"fide": Chess(), "compat": Chess(pgx_compat=True), "pgx": pgx.make("chess")}
    return {
        name: (jax.jit(jax.vmap(env.init)), jax.jit(jax.vmap(env.step)))
        for name, env in envs.items()
    }


def with_true_initial_hash(state):
    """pgx's initial state with the hash that its own function gives (the stored one is stale)."""
    x = state._x
    first = rules._zobrist_hash(rules.GameState())
    return state.replace(_x=x._replace(hash_history=x.hash_history.at[:, 0].set(first)))


def assert_same(ours, theirs, note):
    for name in FIELDS:
        np.testing.assert_array_equal(
            getattr(ours, name), getattr(theirs, name), err_msg=f"{name}, {note}"
        )


def compare(functions, actions, seed=0):
    """Play the same actions on both; `actions(key, masks)` chooses them. Returns the last state."""
    keys = jax.random.split(jax.random.key(seed), BATCH)
    ours, theirs = functions["compat"][0](keys), functions["pgx"][0](keys)
    theirs = with_true_initial_hash(theirs)
    assert_same(ours, theirs, "at the start")
    for ply, action in enumerate(actions(theirs)):
        while callable(action):
            action = action(theirs)
        ours = functions["compat"][1](ours, action)
        theirs = functions["pgx"][1](theirs, action)
        assert_same(ours, theirs, f"ply {ply}")
    return ours


draw = jax.jit(board.sample_logits)


def random_play(plies, seed, sharpness=0.0):
    """Random moves; with sharpness each game has habits, and positions recur."""

    def actions(_):
        habits = sharpness * jax.random.normal(jax.random.key(seed), (BATCH, board.LABELS))
        for key in jax.random.split(jax.random.key(seed + 1), plies):
            u = jax.random.uniform(key, (BATCH,))
            yield lambda state, u=u: draw(u, habits, state.legal_action_mask)

    return actions


def test_random_games_are_those_of_pgx(functions):
    compare(functions, random_play(60, seed=0))


def test_games_with_repetitions_are_those_of_pgx(functions):
    last = compare(functions, random_play(60, seed=2, sharpness=3.0))
    assert np.asarray(last.terminated).any()


@pytest.mark.slow
def test_long_games_are_those_of_pgx(functions):
    last = compare(functions, random_play(520, seed=4))
    assert np.asarray(last.terminated).all()


def test_shuffling_knights_and_illegal_moves_are_as_in_pgx(functions):
    state = board.init(1)
    labels = []
    for move in ["g1f3", "g8f6", "f3g1", "f6g8"] * 2:
        label = int(board.from_uci(state, [move])[0])
        labels.append(jnp.full(BATCH, label, jnp.int32))  # as drawn ones are: no other program
        state = board.step(state, jnp.array([label]))
    assert np.asarray(compare(functions, lambda _: labels).terminated).all()
    keys = jax.random.split(jax.random.key(0), BATCH)
    for name in ("compat", "pgx"):
        init, step = functions[name]
        lost = step(init(keys), jnp.zeros(BATCH, int))
        expected = np.where(np.asarray(init(keys).current_player)[:, None] == [0, 1], -1, 1)
        np.testing.assert_array_equal(lost.rewards, expected)
        assert np.asarray(lost.terminated).all()


def test_observation_of_the_other_player_is_that_of_pgx(functions):
    states = [
        functions[n][0](jax.random.split(jax.random.key(0), BATCH)) for n in ("compat", "pgx")
    ]
    for _ in range(5):
        action = jnp.argmax(states[1].legal_action_mask, -1)
        states = [
            functions[n][1](s, action) for n, s in zip(("compat", "pgx"), states, strict=True)
        ]
    envs = Chess(pgx_compat=True), pgx.make("chess")
    views = [jax.jit(jax.vmap(env._observe, (0, None))) for env in envs]
    for player in (jnp.int32(0), jnp.int32(1)):
        np.testing.assert_array_equal(
            *(view(s, player) for view, s in zip(views, states, strict=True))
        )


@pytest.mark.parametrize("fen", [FENS[1], FENS[3], FENS[9], "7k/8/8/K1Pp3r/8/8/8/8 w - d6 0 1"])
def test_positions_from_fen_are_those_of_pgx(fen):
    ours, theirs = Chess(pgx_compat=True).from_fen(fen), pgx_from_fen(fen)
    for name in ("legal_action_mask", "rewards", "terminated", "current_player"):
        np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name))
    # pgx leaves the initial position in the history behind it; the present is planes 0 to 13.
    np.testing.assert_array_equal(ours.observation[..., :14], theirs.observation[..., :14])
    np.testing.assert_array_equal(ours.observation[..., 112:], theirs.observation[..., 112:])
    assert pgx_to_fen(ours) == pgx_to_fen(theirs)


def test_all_moves_where_pgx_drops_some():
    fen = FENS[-1]
    assert int(Chess(pgx_compat=True).from_fen(fen).legal_action_mask.sum()) == 218
    assert int(pgx_from_fen(fen).legal_action_mask.sum()) < 218


def test_fide_draws_and_cap(functions):
    # The raw en-passant square does not delay a threefold; pgx's does.
    moves = ["e2e4", *["g8f6", "g1f3", "f6g8", "f3g1"] * 2]
    over = {}
    for name in ("fide", "compat"):
        init, step = functions[name]
        state, games = init(jax.random.split(jax.random.key(0), BATCH)), board.init(1)
        b = chess.Board()
        for move in moves:
            label = board.from_uci(games, [move])
            games = board.step(games, label, raw_en_passant=True)
            state = step(state, jnp.full(BATCH, int(label[0])))
            b.push_uci(move)
        over[name] = np.asarray(state.terminated)
    assert b.is_repetition(3)
    assert over["fide"].all() and not over["compat"].any()
    # At the cap: truncated, or terminated as in pgx.
    for name, field in (("fide", "truncated"), ("compat", "terminated")):
        init, step = functions[name]
        state = init(jax.random.split(jax.random.key(0), BATCH))
        state = state.replace(_packed=state._packed._replace(ply=state._packed.ply + 511))
        state = step(state, jnp.full(BATCH, 89))
        assert np.asarray(getattr(state, field)).all()
        assert not np.asarray(state.truncated & state.terminated).any()
        assert (np.asarray(state.rewards) == 0).all()


def test_auto_reset_begins_anew():
    env = Chess()
    step = jax.jit(auto_reset(env.step, env.init))
    state = jax.jit(env.init)(jax.random.key(0))
    games = board.init(1)
    for move in ["f2f3", "e7e5", "g2g4", "d8h4"]:
        label = board.from_uci(games, [move])
        games = board.step(games, label)
        state = step(state, jnp.int32(label[0]), jax.random.key(1))
    assert bool(state.terminated)
    assert sorted(np.asarray(state.rewards).tolist()) == [-1, 1]
    fresh = env.init(jax.random.key(1))
    np.testing.assert_array_equal(state.observation, fresh.observation)
    np.testing.assert_array_equal(state.legal_action_mask, fresh.legal_action_mask)


def test_pictures_are_those_of_pgx(functions, tmp_path):
    keys = jax.random.split(jax.random.key(0), BATCH)
    ours, theirs = functions["compat"][0](keys), functions["pgx"][0](keys)
    for _ in range(3):  # black to move: the drawing turns the board
        action = jnp.argmax(theirs.legal_action_mask, -1)
        ours, theirs = functions["compat"][1](ours, action), functions["pgx"][1](theirs, action)
    one = [jax.tree.map(lambda x: x[0], s) for s in (ours, theirs)]
    assert one[0].to_svg() == one[1].to_svg()
    ours.save_svg(tmp_path / "many.svg")
    for name in ("board", "color", "castling_rights", "en_passant", "board_history"):
        np.testing.assert_array_equal(getattr(ours._x, name), getattr(theirs._x, name))


@pytest.mark.slow
def test_passes_the_batched_api_test_of_pgx():
    # Its test of single games fails under current JAX on any environment.
    api_test_batch(Chess(pgx_compat=True), 1)
