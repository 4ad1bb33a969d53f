"""An M as a network: it imitates a policy that is known on a bank of positions.

So that what looks one ply ahead, or asks an engine, can be borrowed in jitted runs.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float

from sandwich_jax.finetune import annealing
from sandwich_jax.games import Game
from sandwich_jax.models import Model
from sandwich_jax.training.saboteur_training import SaboteurConfig, Tables, check_finite, log_policy
from sandwich_jax.types import Params, Saver


def distil(
    game: Game,
    start: Model,
    data: Tables,
    target: Float[np.ndarray, "N M"],
    config: SaboteurConfig,
    saver: Saver,
    report: Callable[[int, float], None] = lambda index, loss: None,
) -> Params:
    """A network that imitates a policy known on a bank: a closed form, or an engine's choices.

    Args:
        game: its rules.
        start: the network to begin with.
        data: of the bank.
        target: probability of each move; positions where all are 0 are left out.
        config: `rounds`, `updates`, `batch`, `learning_rate` and `seed` of it.
        saver: where checkpoints go, one a round; the last one is gone on from.
        report: told the round and its mean cross-entropy.

    Raises:
        SettingError: the loss was not finite.
    """
    method = optax.chain(optax.clip_by_global_norm(1.0), optax.scale_by_adam())
    known = np.flatnonzero(target.sum(1) > 0)
    chances = jnp.asarray(target[known], jnp.float32)
    whole = (jax.tree.map(lambda x: x[known], data._replace(views=())), chances)

    def loss(params: Params, pool: Any, filled: Any, part: tuple) -> tuple[Array, Array]:
        rows, wanted = part
        logp = log_policy(game, start.net, params, rows.positions, rows.labels)
        value = -jnp.where(wanted > 0, wanted * logp, 0.0).sum(-1).mean()
        return value, value

    def update(whole: tuple, carry: tuple, step: tuple) -> tuple:
        (params, state), (k, share) = carry, step
        index = jax.random.randint(k, (config.batch,), 0, len(whole[1]))
        part = jax.tree.map(lambda x: x[index], whole)
        grads, value = jax.grad(loss, has_aux=True)(params, None, None, part)
        updates, state = method.update(grads, state, params)
        rate = -config.learning_rate * share
        moved = optax.apply_updates(params, jax.tree.map(lambda u: rate * u, updates))
        return (moved, state), value

    @jax.jit
    def one_round(carry: tuple, whole: tuple, key: Array) -> tuple:
        steps = (jax.random.split(key, config.updates), annealing(config.updates))
        return jax.lax.scan(functools.partial(update, whole), carry, steps)

    first = jax.tree.map(jnp.asarray, start.params)
    carry = (first, method.init(first))
    done, carry = saver.latest(carry) or (0, carry)
    for index in range(done, config.rounds):
        key = jax.random.fold_in(jax.random.key(config.seed), index)
        carry, losses = one_round(carry, whole, key)
        check_finite(index, float(losses.mean()), config)
        saver.save(index + 1, carry)
        report(index + 1, float(losses.mean()))
    return carry[0]
