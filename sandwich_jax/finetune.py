"""Rollout -> W': the update that every training here makes, and the objectives of fine-tuning."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int, PyTree

from sandwich_jax.games import Game
from sandwich_jax.nets import CPU_CHUNK, Network
from sandwich_jax.types import Metrics, Params, PRNGKey, Rollout, TrainState, Window

VALUE_WEIGHT = 0.5
"""Weight of the value loss beside the policy loss."""


class Batch(NamedTuple):
    """Samples of one update, N of them."""

    positions: Array
    moves: Int[Array, "N"]
    policy_weight: Float[Array, "N"]
    value_target: Float[Array, "N"]
    """Result for the side to move, in [-1, 1]."""
    value_weight: Float[Array, "N"]


class Trainer(NamedTuple):
    """`init(params) -> TrainState` and `update(state, batch, learning_rate)`."""

    init: Callable[[Params], TrainState]
    update: Callable[[TrainState, Batch, Float[Array, ""]], tuple[TrainState, Metrics]]


def make_trainer(
    game: Game, net: Network, weight_decay: float = 1e-4, axis: str | None = None
) -> Trainer:
    """AdamW (decoupled weight decay) with gradients clipped at a norm of 1.

    The learning rate is an argument of `update`, so that it can be swept and scheduled. Under
    `jax.shard_map`, gradients and losses are averaged over the mesh axis `axis`.
    """
    optimizer = optax.chain(
        optax.clip_by_global_norm(1.0),
        optax.scale_by_adam(),
        optax.add_decayed_weights(weight_decay),
    )

    def init(params: Params) -> TrainState:
        return TrainState(params, optimizer.init(params), jnp.int32(0))

    def loss_of(params: Params, batch: Batch) -> tuple[Array, tuple[Array, Array]]:
        outputs = net.apply(params, game.decode(batch.positions))
        cross_entropy = optax.softmax_cross_entropy_with_integer_labels(
            outputs.logits, batch.moves.astype(jnp.int32)
        )
        policy = (cross_entropy * batch.policy_weight).mean()
        value = (jnp.square(outputs.value - batch.value_target) * batch.value_weight).mean()
        return policy + VALUE_WEIGHT * value, (policy, value)

    def update(
        state: TrainState, batch: Batch, learning_rate: Float[Array, ""]
    ) -> tuple[TrainState, Metrics]:
        grads, (policy, value) = _mean_gradient(loss_of, state.params, batch)
        if axis is not None:
            grads, policy, value = _mean_over(axis, (grads, policy, value))
        updates, optimizer_state = optimizer.update(grads, state.optimizer, state.params)
        updates = jax.tree.map(lambda u: -learning_rate * u, updates)
        finite = jnp.isfinite(policy + value)
        bad_step = jnp.where(finite, -1, state.step)
        metrics = Metrics(policy, value, finite, bad_step)
        params = optax.apply_updates(state.params, updates)
        return TrainState(params, optimizer_state, state.step + 1), metrics

    return Trainer(init, update)


def _mean_over(axis: str, tree: PyTree[Array]) -> PyTree[Array]:
    """Mean over devices; on CPU in one order, however they are shared out among processes."""
    if jax.default_backend() != "cpu":
        return jax.lax.pmean(tree, axis)
    return jax.tree.map(lambda x: jax.lax.all_gather(x, axis).mean(axis=0), tree)


def _mean_gradient(
    loss_of: Callable, params: Params, batch: Batch
) -> tuple[Params, tuple[Array, Array]]:
    """Gradient of the mean loss; on CPU summed over pieces whose activations fit in the cache."""
    gradient = jax.grad(loss_of, has_aux=True)
    size = batch.moves.shape[0]
    if jax.default_backend() != "cpu" or size <= CPU_CHUNK or size % CPU_CHUNK:
        return gradient(params, batch)
    count = size // CPU_CHUNK
    pieces = jax.tree.map(lambda x: x.reshape(count, CPU_CHUNK, *x.shape[1:]), batch)

    def add(total: Params, piece: Batch) -> tuple[Params, None]:
        return jax.tree.map(jnp.add, total, gradient(params, piece)), None

    zero = jax.tree.map(jnp.zeros_like, (params, (jnp.float32(0), jnp.float32(0))))
    total, _ = jax.lax.scan(add, zero, pieces)
    return jax.tree.map(lambda x: x / count, total)


def average(metrics: Metrics) -> Metrics:
    """One `Metrics` of a stacked one, over its leading axis."""
    first_bad = jnp.where(metrics.finite, jnp.iinfo(jnp.int32).max, metrics.bad_step).min()
    finite = metrics.finite.all()
    return Metrics(
        metrics.policy_loss.mean(),
        metrics.value_loss.mean(),
        finite,
        jnp.where(finite, -1, first_bad),
    )


# --- objectives ---------------------------------------------------------------------------------
# An objective gives each move of a rollout its weight in the policy loss, [T, B].


def imitate(rollout: Rollout) -> Float[Array, "T B"]:
    """Every move of the side that had the assistant (Tao Lin's proposal)."""
    return (rollout.played & rollout.assisted).astype(jnp.float32)


def imitate_wins(rollout: Rollout) -> Float[Array, "T B"]:
    """Only the moves of games that the assisted side won by the rules."""
    side = jnp.where(rollout.assisted_first, 1.0, -1.0)
    return imitate(rollout) * (rollout.result * side > 0)


OBJECTIVES: dict[str, Callable[[Rollout], Float[Array, "T B"]]] = {
    "imitate": imitate,
    "imitate_wins": imitate_wins,
}


def empty_window(game: Game, samples: int) -> Window:
    """A window for so many samples of `game`, with nothing in it."""
    code = jax.eval_shape(lambda: game.encode(game.init(1)))
    return Window(
        positions=jnp.zeros((samples, *code.shape[1:]), code.dtype),
        moves=jnp.zeros(samples, jnp.int16),
        policy_weight=jnp.zeros(samples),
        value_target=jnp.zeros(samples),
        value_weight=jnp.zeros(samples),
    )


def push(window: Window, rollout: Rollout, round_index: Int[Array, ""], objective: str) -> Window:
    """Overwrites the oldest round of the window with the samples of `rollout`.

    The value target is the result by the rules for the mover; games that the ply cap cut off have
    none.
    """
    plies, games = rollout.moves.shape
    size = plies * games
    rounds = window.moves.shape[0] // size
    weight = OBJECTIVES[objective](rollout)
    first_to_move = jnp.arange(plies) % 2 == 0
    target = jnp.where(first_to_move[:, None], rollout.result, -rollout.result)
    fresh = Window(
        positions=rollout.positions,
        moves=rollout.moves,
        policy_weight=weight,
        value_target=target,
        value_weight=weight * rollout.finished,
    )

    def write(old: Array, new: Array) -> Array:
        flat = new.reshape(size, *new.shape[2:]).astype(old.dtype)
        start = (round_index % rounds) * size
        return jax.lax.dynamic_update_slice_in_dim(old, flat, start, axis=0)

    return jax.tree.map(write, window, fresh)


def finetune(
    key: PRNGKey,
    trainer: Trainer,
    state: TrainState,
    window: Window,
    learning_rate: Float[Array, ""],
    updates: int,
    batch: int,
) -> tuple[TrainState, Metrics]:
    """`updates` updates of `batch` samples drawn uniformly from the window's weighted ones.

    `learning_rate` is its peak (see `annealing`). With nothing in the window (no game was won,
    say) the network stays as it is.
    """
    cumulative = jnp.cumsum(window.policy_weight > 0)
    total = cumulative[-1]

    def one(state: TrainState, step: tuple[PRNGKey, Array]) -> tuple[TrainState, Metrics]:
        key, share = step
        rank = jax.random.randint(key, (batch,), 1, jnp.maximum(total, 1) + 1)
        index = jnp.searchsorted(cumulative, rank)
        samples = Batch(*(x[index] for x in window))
        after, metrics = trainer.update(state, samples, share * learning_rate)
        kept = jax.tree.map(lambda a, b: jnp.where(total > 0, a, b), after, state)
        return kept, metrics

    steps = (jax.random.split(key, updates), annealing(updates))
    state, metrics = jax.lax.scan(one, state, steps)
    return state, average(metrics)


def annealing(updates: int) -> Float[Array, "S"]:
    """Share of the peak learning rate at each update of a round, in (0, 1].

    Rises linearly over the first tenth and falls along a cosine: what plays after the round is the
    network at rest, not one that the last few batches have just pushed about.
    """
    step = jnp.arange(updates) + 0.5
    warm = jnp.minimum(1.0, step / max(1.0, 0.1 * updates))
    return warm * 0.5 * (1.0 + jnp.cos(jnp.pi * step / updates))
