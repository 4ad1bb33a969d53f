"""Updates, objectives and the window."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sandwich_jax import finetune, games, nets
from sandwich_jax.finetune import Batch
from sandwich_jax.types import Rollout

GAME = games.make("tic_tac_toe")
NET = nets.make("tiny", GAME.heads)
TRAINER = finetune.make_trainer(GAME, NET)
STATE = TRAINER.init(NET.init(jax.random.key(0)))
LR = jnp.float32(1e-3)


def _batch(size: int) -> Batch:
    positions = jax.random.bernoulli(jax.random.key(1), 0.3, (size, 3, 3, 2))
    value = jnp.where(jnp.arange(size) % 2 == 0, 1.0, -1.0)
    return Batch(positions, jnp.arange(size) % 9, jnp.ones(size), value, jnp.ones(size))


def _rollout(plies=4, count=6) -> Rollout:
    shape = (plies, count)
    played = jnp.ones(shape, bool).at[-1, 0].set(False)
    first = jnp.arange(count) % 2 == 0
    assisted = (jnp.arange(plies)[:, None] % 2 == 0) == first
    return Rollout(
        opening=jnp.zeros(count, jnp.int32),
        assisted_first=first,
        moves=jnp.arange(plies * count, dtype=jnp.int16).reshape(shape) % 9,
        played=played,
        assisted=assisted & played,
        own=jnp.full(shape, -1, jnp.int16),
        asked=assisted & played,
        advice=jnp.zeros(shape, jnp.int16),
        followed=assisted & played,
        advised_value=jnp.zeros(shape),
        notes=(),
        result=jnp.asarray([1.0, 1.0, -1.0, -1.0, 0.0, 0.0]),
        finished=jnp.asarray([True, True, True, True, True, False]),
        positions=jax.random.bernoulli(jax.random.key(2), 0.5, (*shape, 3, 3, 2)),
    )


def test_imitate_weighs_every_move_of_the_assisted_side():
    rollout = _rollout()
    weight = np.asarray(finetune.imitate(rollout))
    np.testing.assert_array_equal(weight, np.asarray(rollout.assisted))


def test_imitate_wins_weighs_only_games_that_the_assisted_side_won():
    # Games 0 (assisted first, first player won) and 3 (assisted second, second player won).
    weight = np.asarray(finetune.imitate_wins(_rollout()))
    assert weight[:, [0, 3]].any(axis=0).all() and not weight[:, [1, 2, 4, 5]].any()


def test_window_keeps_the_last_rounds_and_judges_by_the_mover():
    rollout = _rollout()
    window = finetune.empty_window(GAME, 2 * 24)
    for index in range(3):
        moves = jnp.full_like(rollout.moves, index)
        window = finetune.push(window, rollout._replace(moves=moves), jnp.int32(index), "imitate")
    assert np.unique(window.moves[:24]).tolist() == [2]
    assert np.unique(window.moves[24:]).tolist() == [1]
    target = np.asarray(window.value_target[:24]).reshape(4, 6)
    assert target[0].tolist() == [1, 1, -1, -1, 0, 0] and target[1].tolist() == [-1, -1, 1, 1, 0, 0]
    weight = np.asarray(window.value_weight[:24]).reshape(4, 6)
    assert weight[:, :5].any() and not weight[:, 5].any()  # the unfinished game has no result


def test_pieces_of_a_batch_give_the_gradient_of_the_whole(monkeypatch):
    batch = _batch(256)
    pieces, m1 = TRAINER.update(STATE, batch, LR)
    monkeypatch.setattr(finetune, "CPU_CHUNK", 10**9)
    whole, m2 = TRAINER.update(STATE, batch, LR)
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


def test_only_weighted_samples_are_drawn():
    """Samples of weight 0 may hold anything: here, NaN in place of a value target."""
    window = finetune.push(finetune.empty_window(GAME, 24), _rollout(), jnp.int32(0), "imitate")
    poisoned = window._replace(
        value_target=jnp.where(window.policy_weight > 0, window.value_target, jnp.nan)
    )
    state, metrics = _jitted()(jax.random.key(0), STATE, poisoned, LR)
    assert bool(metrics.finite) and int(state.step) == 5 and int(metrics.bad_step) == -1


def test_an_empty_window_leaves_the_network_alone():
    state, _ = _jitted()(jax.random.key(0), STATE, finetune.empty_window(GAME, 24), LR)
    jax.tree.map(np.testing.assert_array_equal, state, STATE)


def test_a_loss_that_is_not_finite_is_told_with_its_step():
    window = finetune.push(finetune.empty_window(GAME, 24), _rollout(), jnp.int32(0), "imitate")
    bad = jax.tree.map(lambda x: x * jnp.nan, STATE.params)
    _, metrics = _jitted()(jax.random.key(0), STATE._replace(params=bad), window, LR)
    assert not bool(metrics.finite) and int(metrics.bad_step) == 0
