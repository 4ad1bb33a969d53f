"""The packed state: its start, its step, mapping, and the hash of a position."""

import chess
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sandwich_jax import board
from sandwich_jax.board import Reason

from .positions import FENS


def same(a, b):
    jax.tree.map(np.testing.assert_array_equal, a, b)


def play(state, *moves):
    for move in moves:
        state = board.step(state, board.from_uci(state, [move]))
    return state


def test_initial_state_is_the_initial_fen():
    same(board.init(1), board.from_fen(board.START_FEN))


def test_a_game_takes_less_than_two_kilobytes():
    assert sum(x.nbytes for x in jax.tree.leaves(board.init(8))) / 8 <= 2048


def test_count_is_the_number_of_legal_moves():
    states = board.from_fen(FENS)
    bits = jax.lax.population_count(states.words).sum((0, 1))
    np.testing.assert_array_equal(states.count, bits)
    np.testing.assert_array_equal(
        states.count, [chess.Board(fen).legal_moves.count() for fen in FENS]
    )


def test_finished_games_and_negative_labels_stay():
    mate = play(board.init(1), "f2f3", "e7e5", "g2g4", "d8h4")
    assert int(mate.reason[0]) == Reason.CHECKMATE
    same(board.step(mate, jnp.array([5])), mate)
    begun = play(board.init(1), "g1f3", "g8f6")
    same(board.step(begun, jnp.array([-1])), begun)


def test_results_are_white_and_black():
    black_wins = play(board.init(1), "f2f3", "e7e5", "g2g4", "d8h4")
    np.testing.assert_array_equal(board.rewards(black_wins), [[-1, 1]])
    white_wins = play(board.init(1), "e2e4", "e7e5", "d1h5", "b8c6", "f1c4", "g8f6", "h5f7")
    np.testing.assert_array_equal(board.rewards(white_wins), [[1, -1]])
    np.testing.assert_array_equal(board.rewards(board.init(1)), [[0, 0]])
    assert bool(board.terminated(white_wins)[0]) and not bool(board.truncated(white_wins)[0])


def test_reset_and_where_and_take():
    state = play(board.init(1), "g1f3", "g8f6")
    two = jax.tree.map(lambda x: jnp.concatenate([x, x], -1), state)
    done = jnp.array([True, False])
    mixed = board.reset(two, done)
    same(mixed, board.where(done, board.init(2), two)._replace(history=mixed.history))
    after = play(board.take(mixed, slice(0, 1)), "g1f3", "g8f6", "f3g1", "f6g8")
    assert int(after.repetitions[0]) == 1
    same(board.take(mixed, jnp.array([1])), state)


def test_vmap_is_one_larger_batch():
    states = board.from_fen(FENS[:6])
    key = jax.random.key(0)
    uniform = jax.random.uniform(key, (6,))
    labels = jax.jit(board.sample_uniform)(uniform, states.words)
    whole = board.step(states, labels)

    def split(x):
        return jnp.moveaxis(x.reshape(*x.shape[:-1], 2, 3), -2, 0)

    halves = jax.tree.map(split, states)
    mapped = jax.vmap(board.step)(halves, labels.reshape(2, 3))
    same(mapped, jax.tree.map(split, whole))
    np.testing.assert_array_equal(
        jax.vmap(board.features)(mapped).reshape(6, 8, 8, 20), board.features(whole)
    )
    # One argument mapped, the other shared.
    uniform = jnp.float32([[0.1] * 6, [0.9] * 6])
    shared = jax.vmap(board.sample_uniform, (0, None))(uniform, states.words)
    for row, u in zip(shared, uniform, strict=True):
        np.testing.assert_array_equal(row, board.sample_uniform(u, states.words))


def test_hash_tells_positions_apart_and_nothing_else():
    def of(fen):
        return tuple(np.asarray(board.position_hash(board.from_fen(fen)))[0].tolist())

    start = board.START_FEN
    assert of(start) == of(start.replace("0 1", "7 30"))
    assert of(start) != of(start.replace(" w ", " b "))
    assert of(start) != of(start.replace("KQkq", "KQk"))
    # An en-passant square counts only where the capture is legal.
    quiet = "rnbqkbnr/pppppppp/8/8/4P3/8/PPPP1PPP/RNBQKBNR b KQkq {} 0 1"
    assert of(quiet.format("e3")) == of(quiet.format("-"))
    sharp = "rnbqkbnr/ppp1pppp/8/8/3pP3/8/PPPP1PPP/RNBQKBNR b KQkq {} 0 1"
    assert of(sharp.format("e3")) != of(sharp.format("-"))
    pinned = "7k/8/8/K1Pp3r/8/8/8/8 w - {} 0 1"
    assert of(pinned.format("d6")) == of(pinned.format("-"))


def test_hash_has_no_collisions_among_positions_of_random_games():
    def body(state, key):
        action = board.sample_uniform(jax.random.uniform(key, (512,)), state.words)
        after = board.step(state, action)
        rest = jnp.stack([after.castling, after.color.astype(jnp.uint32)])
        return after, (after.hash, jnp.concatenate([after.board.reshape(8, -1), rest]))

    keys = jax.random.split(jax.random.key(5), 100)
    hashes, positions = jax.jit(lambda s, k: jax.lax.scan(body, s, k)[1])(board.init(512), keys)
    positions = np.asarray(positions).transpose(0, 2, 1).reshape(-1, 10)
    hashes = np.asarray(hashes).transpose(0, 2, 1).reshape(-1, 2)
    # Legal en passant makes two positions of one, in a few cases of fifty thousand.
    distinct = len(np.unique(positions, axis=0))
    assert distinct <= len(np.unique(hashes, axis=0)) <= distinct + 50
    assert len(np.unique(hashes[:, 0])) > 0.999 * distinct
    assert len(np.unique(hashes[:, 1])) > 0.999 * distinct


@pytest.mark.parametrize("function", ["step", "features", "expand", "board_codes"])
def test_works_inside_a_mapped_conditional(function):
    def call(state, take):
        argument = {"expand": state.words, "board_codes": state.board}.get(function, state)
        call = getattr(board, function)
        result = call(argument, jnp.array([89])) if function == "step" else call(argument)
        leaves = jax.tree.leaves(result)
        return jax.lax.cond(take, lambda: leaves[0], lambda: jnp.zeros_like(leaves[0]))

    states = jax.tree.map(lambda x: jnp.stack([x, x]), board.init(1))
    out = jax.jit(jax.vmap(call))(states, jnp.array([True, False]))
    assert np.asarray(out[0]).any() and not np.asarray(out[1]).any()
