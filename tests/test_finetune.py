"""Updates, and the rounds of them."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import games_of_four

from sandwich_jax import finetune, games, losses, nets, objectives
from sandwich_jax.finetune import Guide, LossConfig
from sandwich_jax.types import Window

GAME = games.make("tic_tac_toe")
NET = nets.make("nano", GAME.heads)
TRAINER = finetune.make_trainer(GAME, NET)
STATE = TRAINER.init(NET.init(jax.random.key(0)))
LR = jnp.float32(1e-3)


def _batch(size: int) -> Window:
    positions = jax.random.bernoulli(jax.random.key(1), 0.3, (size, 3, 3, 2))
    value = jnp.where(jnp.arange(size) % 2 == 0, 1.0, -1.0)
    return Window(positions, jnp.arange(size) % 9, jnp.ones(size), value, jnp.ones(size))


def _window(samples: int = 24) -> Window:
    """The window of a round of `games_of_four`."""
    rollout = games_of_four()
    targets = objectives.imitate(rollout, None, {})
    window = objectives.empty_window(GAME, samples)
    return objectives.push(window, rollout.positions, targets, jnp.int32(0))


@functools.cache
def _by_pieces(piece):
    update = jax.jit(finetune.make_trainer(GAME, NET, piece=piece).update)
    return update(STATE, _batch(256), LR)


@pytest.mark.parametrize("piece", [None, 32])
def test_pieces_of_a_batch_give_the_gradient_of_the_whole(piece):
    (pieces, m1), (whole, m2) = _by_pieces(piece), _by_pieces(256)
    assert float(m1.policy_loss) == pytest.approx(float(m2.policy_loss), rel=1e-5)
    first = jax.tree.leaves(pieces.optimizer)
    for a, b in zip(first, jax.tree.leaves(whole.optimizer), strict=True):
        np.testing.assert_allclose(a, b, atol=2e-6)


def test_a_small_set_is_learnt_by_heart():
    batch = _batch(9)
    positions = jnp.zeros((9, 3, 3, 2), bool).at[jnp.arange(9), jnp.arange(9) // 3].set(True)
    positions = positions.at[jnp.arange(9), :, jnp.arange(9) % 3, 0].set(True)
    batch = batch._replace(positions=positions)

    @jax.jit
    def train(state):
        def one(state, _):
            return TRAINER.update(state, batch, jnp.float32(3e-3))

        return jax.lax.scan(one, state, None, length=300)

    state, _ = train(STATE)
    outputs = NET.apply(state.params, GAME.decode(positions))
    assert (outputs.logits.argmax(-1) == batch.moves).all()
    np.testing.assert_allclose(outputs.value, batch.value_target, atol=0.2)


@functools.cache
def _jitted():
    return jax.jit(
        lambda key, state, window, lr: finetune.finetune(key, TRAINER, state, window, lr, 5, 32)
    )


def test_the_learning_rate_rises_and_falls_once_in_a_round_or_over_the_run():
    whole = finetune.annealing(40)
    parts = jnp.concatenate([finetune.annealing(10, 4, index) for index in range(4)])
    np.testing.assert_allclose(parts, whole, rtol=1e-6)
    assert whole.argmax() == 4 and (jnp.diff(whole[4:]) < 0).all() and 0 < whole[-1] < 0.01


def test_every_update_has_its_own_learning_rate():
    window, key = _window(), jax.random.key(0)
    run = functools.partial(finetune.finetune, key, TRAINER, STATE, window, LR, 5, 32)
    given = jax.jit(lambda shares: run(shares=shares)[0])
    told, own = given(finetune.annealing(5)), jax.jit(run)()[0]
    # Two programs: sums in another order, of which Adam makes as much as of any small gradient.
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, 1e-5, 1e-3 * LR), told, own)
    still = given(jnp.zeros(5))
    jax.tree.map(np.testing.assert_array_equal, still.params, STATE.params)


def test_only_weighted_samples_are_drawn():
    """Samples of weight 0 may hold anything: here, NaN in place of a value target."""
    window = _window()
    poisoned = window._replace(
        value_target=jnp.where(window.policy_weight > 0, window.value_target, jnp.nan)
    )
    state, metrics = _jitted()(jax.random.key(0), STATE, poisoned, LR)
    assert bool(metrics.finite) and int(state.step) == 5 and int(metrics.bad_step) == -1


def test_without_a_move_to_learn_the_network_stays_whatever_the_values():
    window = _window()
    window = window._replace(policy_weight=jnp.zeros_like(window.policy_weight))
    assert (window.value_weight > 0).any()
    state, _ = _jitted()(jax.random.key(0), STATE, window, LR)
    jax.tree.map(np.testing.assert_array_equal, state, STATE)


def test_an_empty_window_leaves_the_network_alone():
    state, _ = _jitted()(jax.random.key(0), STATE, objectives.empty_window(GAME, 24), LR)
    jax.tree.map(np.testing.assert_array_equal, state, STATE)


def test_a_loss_that_is_not_finite_is_told_with_its_step():
    window = _window()
    bad = jax.tree.map(lambda x: x * jnp.nan, STATE.params)
    _, metrics = _jitted()(jax.random.key(0), STATE._replace(params=bad), window, LR)
    assert not bool(metrics.finite) and int(metrics.bad_step) == 0


def _tuned(loss: LossConfig, kl: float):
    """The network after 100 updates on random labels, by a loss."""
    trainer = finetune.make_trainer(GAME, NET, weight_decay=0.0, loss=loss)
    batch, guide = _batch(32), Guide(STATE.params, {"kl": jnp.float32(kl)})

    @jax.jit
    def train(state):
        def one(state, _):
            return trainer.update(state, batch, jnp.float32(1e-3), guide)

        return jax.lax.scan(one, state, None, length=100)

    state, _ = train(STATE)
    features = GAME.decode(batch.positions)
    before, after = (NET.apply(p, features).logits for p in (STATE.params, state.params))
    return float(losses.divergence(after, before).mean())


def test_a_large_weight_of_the_divergence_keeps_the_policy_still():
    free, held = _tuned(LossConfig(), 0.0), _tuned(LossConfig(anchored=True), 300.0)
    assert free > 0.1 and held < 0.01 * free


def test_an_anchor_of_weight_0_is_none():
    batch, guide = _batch(32), Guide(STATE.params, {"kl": jnp.float32(0.0)})
    anchored = finetune.make_trainer(GAME, NET, loss=LossConfig(anchored=True))
    one = jax.jit(TRAINER.update)(STATE, batch, LR)[0].params
    other = jax.jit(anchored.update)(STATE, batch, LR, guide)[0].params
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        np.testing.assert_allclose(a, b, atol=2e-5)


def test_labels_are_learnt_among_legal_moves_where_positions_tell_them():
    game = games.make("chess")
    net = nets.make("nano", game.heads)
    state = game.after(jnp.asarray(game.openings("train")[:8]))
    moves = game.moves(state)[:, 0]
    window = Window(game.encode(state), moves, jnp.ones(8), jnp.zeros(8), jnp.zeros(8))
    params = net.init(jax.random.key(0))

    def loss(params, config):
        return finetune._loss(game, net, config, None, params, window)[0]

    among = functools.partial(loss, config=LossConfig(legal=True))
    logits = np.asarray(net.apply(params, game.features(state)).logits, np.float64)
    chances = np.where(game.legal(state), np.exp(logits), 0.0)
    own = chances[np.arange(8), moves] / chances.sum(1)
    assert float(among(params)) == pytest.approx(-np.log(own).mean(), rel=1e-5)
    assert float(loss(params, LossConfig())) > float(among(params))


def test_where_positions_do_not_tell_legal_moves_labels_are_learnt_among_all():
    assert GAME.legal_of is None
    params, batch = NET.init(jax.random.key(0)), _batch(8)
    found = [finetune._loss(GAME, NET, LossConfig(legal=x), None, params, batch)[0] for x in (0, 1)]
    assert float(found[0]) == float(found[1])
