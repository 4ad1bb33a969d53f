"""Samples -> W': the update that every training here makes, and the updates of a round."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Int, PyTree

from sandwich_jax import forms, losses, nets, objectives, sampling
from sandwich_jax.games import Game
from sandwich_jax.nets import Network
from sandwich_jax.types import (
    Behaviour,
    Knobs,
    Metrics,
    Params,
    PRNGKey,
    SoftPolicy,
    TrainState,
    Window,
)
from sandwich_jax.words import NoiseLoss

VALUE_WEIGHT = 0.5
"""Weight of the value loss beside the policy loss."""


@dataclasses.dataclass(frozen=True)
class LossConfig:
    """Static settings of the loss."""

    noise: NoiseLoss = "none"
    """What takes the place of the cross-entropy."""
    clipped: bool = False
    """The policy loss is PPO's; samples then hold their `behaviour`."""
    anchored: bool = False
    """Adds the divergence from a reference network; without, it costs nothing."""
    soft: bool = False
    """Samples hold whole distributions, as their `behaviour`."""
    legal: bool = False
    """W's policy is learnt among legal moves, where samples tell which they are: what it says of
    other labels, which are never played, is left as it is."""
    value_weight: float = VALUE_WEIGHT
    """Weight of the value loss beside the policy loss."""


class Guide(NamedTuple):
    """What the loss needs beside samples, where `LossConfig` says that it needs it."""

    reference: Params
    knobs: Knobs
    """`kl`; `clip` and `temperature` of PPO."""


class Trainer(NamedTuple):
    """`init(params) -> TrainState` and `update(state, batch, learning_rate, guide=None)`."""

    init: Callable[[Params], TrainState]
    update: Callable[..., tuple[TrainState, Metrics]]
    """Of a state that `enter` gave."""
    enter: Callable[[TrainState], TrainState]
    """The state in the form in which a loop of updates carries it ..."""
    leave: Callable[[TrainState], TrainState]
    """... and back: what is kept has one form, whatever machine it was trained on."""


def make_trainer(
    game: Game,
    net: Network,
    weight_decay: float = 1e-4,
    axis: str | None = None,
    loss: LossConfig = LossConfig(),
    piece: int | None = None,
    b2: float = 0.999,
) -> Trainer:
    """AdamW (decoupled weight decay) with gradients clipped at a norm of 1.

    The learning rate is an argument of `update`, so that it can be swept and scheduled. Under
    `jax.shard_map`, gradients and losses are averaged over the mesh axis `axis`. `piece`: see
    `mean_gradient`. `b2` is Adam's decay of squared gradients.
    """
    optimizer = adamw(weight_decay, b2)
    flat = _Flat(net) if forms.here().flat_updates else None

    def init(params: Params) -> TrainState:
        return TrainState(params, optimizer.init(params), jnp.int32(0))

    def update(
        state: TrainState,
        batch: Window,
        learning_rate: Float[Array, ""],
        guide: Guide | None = None,
    ) -> tuple[TrainState, Metrics]:
        def loss_of(params: Params, batch: Window) -> tuple[Array, tuple[Array, Array]]:
            whole = params if flat is None else flat.tree(nets.cast(params))
            return _loss(game, net, loss, guide, whole, batch)

        blank = (jnp.float32(0), jnp.float32(0))
        grads, (policy, value) = mean_gradient(loss_of, state.params, batch, blank, piece)
        if axis is not None:
            grads, policy, value = _mean_over(axis, (grads, policy, value))
        updates, optimizer_state = optimizer.update(grads, state.optimizer, state.params)
        updates = jax.tree.map(lambda u: -learning_rate * u, updates)
        finite = jnp.isfinite(policy + value)
        bad_step = jnp.where(finite, -1, state.step)
        metrics = Metrics(policy, value, finite, bad_step)
        params = optax.apply_updates(state.params, updates)
        return TrainState(params, optimizer_state, state.step + 1), metrics

    if flat is None:
        return Trainer(init, update, lambda state: state, lambda state: state)
    return Trainer(init, update, flat.enter, flat.leave)


def adamw(weight_decay: float, b2: float = 0.999) -> optax.GradientTransformation:
    """AdamW (Loshchilov & Hutter 2019) of gradients clipped at a norm of 1; updates still lack
    the factor -learning_rate."""
    return optax.chain(
        optax.clip_by_global_norm(1.0),
        optax.scale_by_adam(b2=b2),
        optax.add_decayed_weights(weight_decay),
    )


class _Flat:
    """All parameters of a network, and the optimiser's copies of them, as one vector each.

    A kernel then updates them all, where a GPU would launch some for each of a hundred leaves.
    """

    def __init__(self, net: Network):
        leaves, self.structure = jax.tree.flatten(jax.eval_shape(net.init, jax.random.key(0)))
        self.shapes = [leaf.shape for leaf in leaves]
        self.ends = np.cumsum([leaf.size for leaf in leaves])

    def vector(self, tree: PyTree[Array]) -> Float[Array, "N"]:
        """The vector of a tree like the parameters."""
        return jnp.concatenate([leaf.reshape(-1) for leaf in jax.tree.leaves(tree)])

    def tree(self, vector: Float[Array, "N"]) -> PyTree[Array]:
        """And back."""
        parts = zip(jnp.split(vector, self.ends[:-1]), self.shapes, strict=True)
        return jax.tree.unflatten(self.structure, [part.reshape(shape) for part, shape in parts])

    def enter(self, state: TrainState) -> TrainState:
        """See `Trainer`."""
        whole = lambda node: jax.tree.structure(node) == self.structure  # noqa: E731
        one = lambda node: self.vector(node) if whole(node) else node  # noqa: E731
        return jax.tree.map(one, state, is_leaf=whole)

    def leave(self, state: TrainState) -> TrainState:
        """See `Trainer`."""
        one = lambda leaf: self.tree(leaf) if leaf.shape == (self.ends[-1],) else leaf  # noqa: E731
        return jax.tree.map(one, state)


def _mean_over(axis: str, tree: PyTree[Array]) -> PyTree[Array]:
    """Mean over devices; on CPU in one order, however they are shared out among processes."""
    if forms.here().platform != "cpu":
        return jax.lax.pmean(tree, axis)
    return jax.tree.map(lambda x: jax.lax.all_gather(x, axis).mean(axis=0), tree)


def _loss(
    game: Game,
    net: Network,
    config: LossConfig,
    guide: Guide | None,
    params: Params,
    batch: Window,
) -> tuple[Array, tuple[Array, Array]]:
    """The mean loss of a batch; its parts from the policy and the value head."""
    features = net.decoded(game, batch.positions)
    among = _among_legal(game, batch) if config.legal else lambda logits: logits
    outputs = net.apply(params, features)
    outputs = outputs._replace(logits=among(outputs.logits))
    if config.soft:
        assert isinstance(batch.behaviour, SoftPolicy)
        told = batch.behaviour
        soft = losses.soft_cross_entropy(outputs.logits, told.labels, told.weights)
        policy = (soft * batch.policy_weight).mean()
    elif config.clipped:
        policy = _clipped(game, guide, outputs.logits, batch).mean()
    else:
        cross_entropy = optax.softmax_cross_entropy_with_integer_labels(
            outputs.logits, batch.moves.astype(jnp.int32)
        )
        policy = (losses.NOISE_LOSSES[config.noise](cross_entropy) * batch.policy_weight).mean()
    value = (jnp.square(outputs.value - batch.value_target) * batch.value_weight).mean()
    total = policy + config.value_weight * value
    if config.anchored:
        assert guide is not None
        reference = among(net.apply(guide.reference, features).logits)
        total += guide.knobs["kl"] * losses.divergence(outputs.logits, reference).mean()
    return total, (policy, value)


def _among_legal(game: Game, batch: Window) -> Callable[[Array], Array]:
    """Logits to those of legal moves, in the positions of a batch, as far as it tells them."""
    bits = batch.behaviour.legal if isinstance(batch.behaviour, SoftPolicy) else ()
    if game.legal_of is None and isinstance(bits, tuple):
        return lambda logits: logits
    legal = objectives.legal_in(game, batch.positions, bits)
    return lambda logits: sampling.mask_logits(logits, legal)


def _clipped(
    game: Game, guide: Guide | None, logits: Float[Array, "N A"], batch: Window
) -> Float[Array, "N"]:
    """PPO's loss of every sample, of the policy that plays: legal moves, at its temperature."""
    assert guide is not None and isinstance(batch.behaviour, Behaviour)
    was, knobs = batch.behaviour, guide.knobs
    legal = objectives.legal_in(game, batch.positions, was.legal)
    log_prob = losses.log_prob_of(logits, legal, batch.moves, knobs["temperature"])
    clipped = losses.clipped_surrogate(log_prob, was.log_prob, was.advantage, knobs["clip"])
    return clipped * batch.policy_weight


def mean_gradient(
    loss: Callable[..., tuple[Array, PyTree[Array]]],
    params: Params,
    batch: PyTree[Array],
    blank: PyTree[Array],
    piece: int | None = None,
) -> tuple[Params, PyTree[Array]]:
    """Gradient of a mean loss, and the means that come with it, summed over pieces of the batch.

    A piece's activations fit into a CPU's cache, or beside those of other members into an
    accelerator's memory. A batch that pieces do not divide is taken whole.

    Args:
        loss: `(params, batch) -> mean loss, further means`.
        params: its first argument.
        batch: its second; leaves with leading axis N.
        blank: zeros in the shape of the further means.
        piece: samples; by default those that suit a CPU, and the whole batch elsewhere.
    """
    gradient = jax.grad(loss, has_aux=True)
    size = jax.tree.leaves(batch)[0].shape[0]
    piece = piece or forms.here().chunk or size
    if size <= piece or size % piece:
        return gradient(params, batch)
    count = size // piece
    pieces = jax.tree.map(lambda x: x.reshape(count, piece, *x.shape[1:]), batch)

    def add(total: PyTree[Array], part: PyTree[Array]) -> tuple[PyTree[Array], None]:
        return jax.tree.map(jnp.add, total, gradient(params, part)), None

    zero = jax.tree.map(jnp.zeros_like, params), blank
    total, _ = jax.lax.scan(add, zero, pieces)
    return jax.tree.map(lambda x: x / count, total)


def piece_of(net: Network, batch: int, members: int = 1) -> int | None:
    """Samples of a member's gradient at a time, so that those of all members fit into memory.

    The largest divisor of `batch` that does; None where the machine has its own rule.
    """
    limit = forms.here().channels_at_once
    if limit is None:
        return None
    members = 1 if forms.in_turn(forms.here(), batch) else members
    fitting = limit // (net.config.width * net.config.blocks * members)
    return max(n for n in range(1, batch + 1) if batch % n == 0 and n <= max(fitting, 1))


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


def finetune(
    key: PRNGKey,
    trainer: Trainer,
    state: TrainState,
    window: Window,
    learning_rate: Float[Array, ""],
    updates: int,
    batch: int,
    guide: Guide | None = None,
    shares: Float[Array, "S"] | None = None,
) -> tuple[TrainState, Metrics]:
    """`updates` updates of `batch` samples drawn uniformly from the window's weighted ones.

    `learning_rate` is its peak, and `shares` how much of it each update has; where None, as in
    `annealing`. With no move to learn in the window (no game was won, say) the network stays as it
    is. `guide` is what the trainer's loss needs beside samples.
    """
    run = functools.partial(_updates, trainer, updates, batch)
    if forms.in_turn(forms.here(), batch):
        run = jax.custom_batching.sequential_vmap(run)
    rates = learning_rate * (annealing(updates) if shares is None else shares)
    return run(key, state, window, rates, guide)


def _updates(
    trainer: Trainer,
    updates: int,
    batch: int,
    key: PRNGKey,
    state: TrainState,
    window: Window,
    rates: Float[Array, "S"],
    guide: Guide | None,
) -> tuple[TrainState, Metrics]:
    """The updates of one member, see `finetune`."""
    to_play = window.policy_weight > 0
    cumulative = jnp.cumsum(to_play | (window.value_weight > 0))
    total = jnp.where(to_play.any(), cumulative[-1], 0)
    # A loop within the loop would cost a GPU four launches a turn.
    method = "scan" if forms.here().platform == "cpu" else "scan_unrolled"

    def one(state: TrainState, step: tuple[PRNGKey, Array]) -> tuple[TrainState, Metrics]:
        key, rate = step
        rank = jax.random.randint(key, (batch,), 1, jnp.maximum(total, 1) + 1)
        index = jnp.searchsorted(cumulative, rank, method=method)
        samples = jax.tree.map(lambda x: x[index], window)
        return trainer.update(state, samples, rate, guide)

    steps = (jax.random.split(key, updates), rates)
    after, metrics = jax.lax.scan(one, trainer.enter(state), steps)
    kept = jax.tree.map(lambda a, b: jnp.where(total > 0, a, b), trainer.leave(after), state)
    return kept, average(metrics)


def annealing(updates: int, rounds: int = 1, index: int | Int[Array, ""] = 0) -> Float[Array, "S"]:
    """Share of the peak learning rate at each update of a round, in (0, 1].

    Rises linearly over the first tenth and falls along a cosine: what plays after the round is the
    network at rest, not one that the last few batches have just pushed about.

    Args:
        updates: of one round.
        rounds: that it rises and falls over, once.
        index: of the round, from 0.
    """
    step, whole = index * updates + jnp.arange(updates) + 0.5, rounds * updates
    warm = jnp.minimum(1.0, step / max(1.0, 0.1 * whole))
    return warm * 0.5 * (1.0 + jnp.cos(jnp.pi * step / whole))
