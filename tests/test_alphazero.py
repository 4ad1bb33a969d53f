"""AlphaZero training: targets, symmetries, resume; what it cannot do is told."""

import dataclasses
import signal
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sandwich_jax import games, losses, nets, sampling
from sandwich_jax.folders import store
from sandwich_jax.models import Model
from sandwich_jax.players import spelled
from sandwich_jax.running import alphazero_folder
from sandwich_jax.training import alphazero
from sandwich_jax.training.alphazero import Plies
from sandwich_jax.training.settings import AlphaZeroConfig
from sandwich_jax.types import SettingError

SMALL = AlphaZeroConfig(
    game="tic_tac_toe", network="nano", iterations=4, simulations=3, lanes=8, plies=4, window=2,
    batch=8, random_plies=2, snapshots=(2,),
)  # fmt: skip

KILLED = f"""
import os, pathlib, signal, sys
from sandwich_jax.running import alphazero_folder
from sandwich_jax.training import alphazero
from sandwich_jax.training.settings import AlphaZeroConfig

def stop(done, total, text):
    if done == 3:
        os.kill(os.getpid(), signal.SIGKILL)

alphazero.SAVE_EVERY = 2
alphazero_folder.train_in(pathlib.Path(sys.argv[1]), {SMALL!r}, stop)
"""
"""SMALL in a process of its own, killed between two checkpoints."""


def _window(ended, result, value, first):
    shape = np.shape(ended)
    none = np.zeros((*shape, 1))
    return Plies(none, none, none, *map(jnp.asarray, (value, first, ended, result)))


def test_a_result_reaches_back_over_its_game_alone():
    # Lane 0: a game that the first player wins at ply 1, then one that goes on at the end.
    # Lane 1: a game that was given up.
    ended = [[False, False], [True, True], [False, False]]
    result = [[0.0, 0.0], [1.0, np.nan], [0.0, 0.0]]
    value = [[0.2, 0.1], [0.4, 0.3], [-0.6, 0.5]]
    first = [[True, True], [False, False], [True, True]]
    found = alphazero.value_targets(_window(ended, result, value, first), root_share=0.5)
    np.testing.assert_allclose(found, [[0.6, 0.1], [-0.3, 0.3], [-0.6, 0.5]], atol=1e-6)


def test_a_whole_distribution_is_learnt_as_its_labels_would_be():
    logits = jax.random.normal(jax.random.key(0), (3, 9))
    labels = jnp.asarray([[4, 2, -1]] * 3)
    weights = jnp.asarray([[0.75, 0.25, 0.5]] * 3)  # the last has no label
    each = [-jax.nn.log_softmax(logits)[:, label] for label in (4, 2)]
    expected = 0.75 * each[0] + 0.25 * each[1]
    np.testing.assert_allclose(losses.soft_cross_entropy(logits, labels, weights), expected, 1e-6)


def test_what_rounding_to_16_bits_takes_is_left_to_nobody():
    logits = jax.random.normal(jax.random.key(1), (8, 99))
    weights = jax.nn.softmax(logits)[:, :64]
    weights = (weights / weights.sum(-1, keepdims=True)).astype(jnp.float16).astype(jnp.float32)
    labels = jnp.tile(jnp.arange(64), (8, 1))
    found = losses.soft_cross_entropy(logits, labels, weights)
    expected = -(weights * jax.nn.log_softmax(logits)[:, :64]).sum(-1)
    assert (weights.sum(-1) != 1).any()
    np.testing.assert_array_equal(found, expected)


def test_what_is_left_of_a_distribution_is_that_of_all_other_labels():
    logits = 2 * jax.random.normal(jax.random.key(0), (5, 40))
    chances = jax.nn.softmax(logits)
    told = sampling.likeliest(jax.nn.log_softmax(logits)[None])
    rest = 1 - told.weights.sum(-1)
    assert (rest > 0.01).all()
    found, slope = jax.vmap(jax.value_and_grad(lambda *x: losses.soft_cross_entropy(*x)))(
        logits, told.labels.astype(jnp.int32), told.weights
    )
    wanted = -(told.weights * jnp.log(told.weights)).sum(-1) - rest * jnp.log(rest)
    np.testing.assert_allclose(found, wanted, rtol=1e-5)
    np.testing.assert_allclose(slope, 0, atol=1e-6)  # it is what it learns
    certain = jnp.zeros_like(told.weights).at[:, 0].set(1.0)
    one = losses.soft_cross_entropy(logits, told.labels.astype(jnp.int32), certain)
    np.testing.assert_allclose(one, -jnp.log(chances.max(-1)), rtol=1e-5)


@pytest.mark.parametrize("name", ["connect_four", "tic_tac_toe", "othello"])
def test_the_rules_are_the_same_when_the_board_is_turned_over(name):
    game = games.make(name)
    lanes = len(game.symmetries)
    assert lanes == (2 if name == "connect_four" else 8)
    squares = np.array([way.squares for way in game.symmetries])
    labels = np.array([way.labels for way in game.symmetries])
    step = jax.jit(game.step)
    one, turned = game.init(1), None
    rng = np.random.default_rng(0)

    def code(state):
        found = np.asarray(game.encode(state))
        return found.reshape(len(found), squares.shape[1], -1)

    if name == "othello":
        # Half of the ways change the colours of the first four stones, which the rules do not.
        keep = [i for i in range(lanes) if (code(one)[0][squares[i]] == code(one)[0]).all()]
        squares, labels, lanes = squares[keep], labels[keep], len(keep)
        assert lanes == 4
    turned = game.init(lanes)
    for _ in range(7):
        legal = np.asarray(game.legal(one))[0]
        label = int(rng.choice(np.flatnonzero(legal)))
        for way in range(lanes):
            own = np.asarray(game.legal(turned))[way]
            np.testing.assert_array_equal(own[labels[way]], legal)
        one = step(one, jnp.asarray([label]))
        turned = step(turned, jnp.asarray(labels[:, label]))
        for way in range(lanes):
            np.testing.assert_array_equal(code(turned)[way], code(one)[0][squares[way]])
        if bool(game.done(one)[0]):
            break


def test_a_training_that_was_killed_goes_on_bit_for_bit(tmp_path, monkeypatch):
    monkeypatch.setattr(alphazero, "SAVE_EVERY", 2)
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    alphazero_folder.train_in(whole, SMALL)

    killed = subprocess.run([sys.executable, "-c", KILLED, str(cut)], check=False)
    assert killed.returncode == -signal.SIGKILL and list((cut / "checkpoints").iterdir())
    assert not (cut / "network.json").exists()
    alphazero_folder.train_in(cut, SMALL)
    for name in (".", "snapshots/000002"):
        one, other = (dict(np.load(place / name / "params.npz")) for place in (whole, cut))
        assert one.keys() == other.keys()
        for key in one:
            np.testing.assert_array_equal(one[key], other[key])
    card = store.read_card(whole)
    assert (card.game, card.about["plies"]) == ("tic_tac_toe", 4 * 8 * 4)
    assert spelled.load_network(f"ckpt:{whole}", "tic_tac_toe").net is nets.make(
        "nano", games.make("tic_tac_toe").heads
    )
    with pytest.raises(SettingError, match="of another configuration"):
        alphazero_folder.train_in(whole, dataclasses.replace(SMALL, seed=1))
    with pytest.raises(SettingError, match="holds no AlphaZero training"):
        alphazero_folder.train_in(tmp_path, SMALL)


def test_a_loss_that_is_not_finite_stops_it(tmp_path, monkeypatch):
    monkeypatch.setattr(
        alphazero_folder, "begin_with", lambda config: _broken(games.make(config.game))
    )
    with pytest.raises(SettingError, match="not finite in iteration 1; the last checkpoint is"):
        alphazero_folder.train_in(tmp_path / "out", SMALL)


def _broken(game):
    net = nets.make("nano", game.heads)
    params = jax.tree.map(lambda x: jnp.full_like(x, jnp.nan), net.init(jax.random.key(0)))
    return Model(net, params)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"iterations": 0}, "iterations is 0: it must be at least 1"),
        ({"simulations": 10_000}, "simulations is 10000: it may be at most 4096"),
        ({"learning_rate": 2.0}, r"learning_rate is 2.0: it must be in \(0, 1\)"),
        ({"root_share": 1.5}, "root_share is 1.5: it must be between 0 and 1"),
        ({"random_plies": -1}, "random_plies is -1: it must be at least 0"),
    ],
)
def test_settings_out_of_range_are_refused(change, says):
    with pytest.raises(SettingError, match=says):
        AlphaZeroConfig(**change)


def test_what_cannot_be_trained_is_refused(tmp_path):
    config = dataclasses.replace(SMALL, start="search:fresh:1")
    with pytest.raises(SettingError, match="choose a network that can be trained"):
        alphazero_folder.train_in(tmp_path / "a", config)
    with pytest.raises(SettingError, match="tic_tac_toe has no material"):
        alphazero_folder.train_in(tmp_path / "b", dataclasses.replace(SMALL, adjudicate=True))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["othello", "gardner_chess"])
def test_larger_games_train_too(name, tmp_path):
    tiny = dataclasses.replace(
        SMALL, game=name, iterations=1, simulations=1, lanes=2, plies=2, window=1, batch=4,
        reuse=1, random_plies=0, snapshots=(),
    )  # fmt: skip
    alphazero_folder.train_in(tmp_path / "out", tiny)
    model = spelled.load_network(f"ckpt:{tmp_path / 'out'}", name)
    fresh = spelled.load_network("fresh:0", name, "nano")
    moved = jax.tree.map(lambda a, b: bool((a != b).any()), model.params, fresh.params)
    assert any(jax.tree.leaves(moved))


@pytest.mark.slow
def test_it_learns_tic_tac_toe(tmp_path):
    config = AlphaZeroConfig(
        game="tic_tac_toe", network="nano", iterations=60, lanes=64, plies=16, random_plies=2,
        learning_rate=5e-3, batch=128, snapshots=(),
    )  # fmt: skip
    alphazero_folder.train_in(tmp_path / "out", config)
    model = spelled.load_network(f"ckpt:{tmp_path / 'out'}", "tic_tac_toe")
    game, state = games.make("tic_tac_toe"), games.make("tic_tac_toe").init(200)
    # As the first player it never loses to a random mover.
    for ply in range(9):
        legal = game.legal(state)
        own = sampling.greedy(model.at(game, state).logits, legal)
        uniform = jax.random.uniform(jax.random.key(ply), (200,))
        state = game.step(state, own if ply % 2 == 0 else sampling.uniform_legal(uniform, legal))
    assert float((game.result(state) < 0).mean()) <= 0.02
