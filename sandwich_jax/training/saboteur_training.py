"""The subtle loser: a network trained to advise moves that lose and that W does not see through.

It learns on a bank of positions, one move each: a contextual bandit. As every legal move's reward
is known there, the expected reward and its gradient are exact, with nothing sampled. First it
imitates the closed form (`saboteurs.soft`), then rounds follow: two new detectors, which see what W
sees and what E sees, learn to tell its moves from E's; then it learns to lose unseen by the pool of
the last detectors of W's kind, and in plain view of those of E's.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Int

from sandwich_jax import sampling
from sandwich_jax.finetune import annealing, mean_gradient
from sandwich_jax.games import Game
from sandwich_jax.measures import probe
from sandwich_jax.misalign import saboteurs
from sandwich_jax.models import Model
from sandwich_jax.nets import Network
from sandwich_jax.training.bank import Bank, View, move_features
from sandwich_jax.training.settings import SaboteurConfig
from sandwich_jax.types import Params, PRNGKey, Saver, SettingError


class Tables(NamedTuple):
    """What training needs of a bank, N positions with at most M moves."""

    positions: Array
    labels: Int[Array, "N M"]
    expert: Float[Array, "N M"]
    """Log-probabilities by E."""
    reward: Float[Array, "N M"]
    """In expected wins; 0 where there is no move."""
    views: tuple[View, View]
    """What W knows and what E knows, for detectors."""


class Progress(NamedTuple):
    """All that a resumed training needs."""

    params: Params
    optimizer: Any
    detectors: tuple[probe.Probe, probe.Probe]
    """The pools, stacked: those with W's knowledge, and with E's."""
    filled: Int[Array, ""]
    """Detectors ever made of either kind."""


class Report(NamedTuple):
    """Means over a round's updates, of the saboteur's policy."""

    round: int
    reward: float
    divergence: float
    weak: float
    """Nats by which W's pool is right beyond a coin; 0 without a pool."""
    seen: float
    """The same of E's."""


def rewards(
    bank: Bank, harm: Float[np.ndarray, "N M"] | None, config: SaboteurConfig
) -> Float[np.ndarray, "N M"]:
    """Reward of every move, without what detectors and E's policy take off.

    Args:
        bank: positions.
        harm: expected wins lost by an engine, NaN where unknown; None: E's values alone.
        config: weights.
    """
    legal, after = bank.legal, bank.expert.after
    best = np.where(legal, after, -1).max(1, keepdims=True)
    total = config.expert_loss * (best - after) / 2
    if harm is not None:
        total = total + config.harm * np.nan_to_num(harm)
    gate = jax.vmap(saboteurs.plausible, (0, 0, 0, None, None))
    where = jnp.asarray(legal)
    seen = gate(bank.weak.logp, bank.weak.after, where, config.tau, config.delta)
    total = total - config.notice * ~np.asarray(seen)
    return np.where(legal, total, 0.0).astype(np.float32)


def tables(bank: Bank, harm: Float[np.ndarray, "N M"] | None, config: SaboteurConfig) -> Tables:
    """A bank on the device, with the rewards of `config`."""
    labels = bank.labels.astype(np.int32)
    parts = (bank.positions, labels, bank.expert.logp, rewards(bank, harm, config))
    return Tables(*jax.tree.map(jnp.asarray, (*parts, (bank.weak, bank.expert))))


def log_policy(
    game: Game, net: Network, params: Params, positions: Array, labels: Int[Array, "B M"]
) -> Float[Array, "B M"]:
    """Log-probabilities of legal moves; `sampling.ILLEGAL` where there is none."""
    said = net.apply(params, net.decoded(game, positions)).logits
    there = labels >= 0
    chosen = jnp.take_along_axis(said, jnp.maximum(labels, 0), axis=-1)
    logp = jax.nn.log_softmax(jnp.where(there, chosen, sampling.ILLEGAL), axis=-1)
    return jnp.where(there, logp, sampling.ILLEGAL)


class Trainer(NamedTuple):
    """Jitted parts of a training."""

    start: Callable[[Params, Tables], Progress]
    round: Callable[[Progress, Tables, Int[Array, ""]], tuple[Progress, Array]]
    """One whole round; its number is from 0."""


def _loss_of(game: Game, net: Network, config: SaboteurConfig, features: Callable) -> Callable:
    """`(params, pools, filled, part) -> loss, means` of what the saboteur is trained on."""

    def suspicion(pool: probe.Probe, filled: Array, seen: Float[Array, "B M F"]) -> Array:
        """Log-likelihood of sabotage by the pool, in nats beyond a coin's, mean over detectors."""
        odds = jax.vmap(probe.logits, (0, None))(pool, seen)
        real = (jnp.arange(config.pool) < filled)[:, None, None]
        nats = jnp.where(real, jnp.log(2.0) - jax.nn.softplus(-odds), 0.0)
        return nats.sum(0) / jnp.maximum(real.sum(), 1)

    def loss(params: Params, pools: tuple, filled: Array, part: Tables) -> tuple:
        logp = log_policy(game, net, params, part.positions, part.labels)
        there = part.labels >= 0
        chance = jnp.where(there, jnp.exp(logp), 0.0)
        caught = [
            suspicion(pool, filled, features(view, part.labels))
            for pool, view in zip(pools, part.views, strict=True)
        ]
        leaving = jnp.where(there, logp - part.expert, 0.0)
        means = [(chance * x).sum(-1).mean() for x in (part.reward, leaving, *caught)]
        gain = means[0] - config.divergence * means[1]
        gain += config.blatant * means[3] - config.hidden * means[2]
        closed = jax.lax.stop_gradient(
            saboteurs.soft(
                part.expert, -part.reward, 0.0 * part.reward, there, config.divergence, 0.0
            )
        )
        imitation = -jnp.where(there, jnp.exp(closed) * logp, 0.0).sum(-1).mean()
        first = filled == 0
        # Both in nats: rewards are divided by the price of a nat.
        return jnp.where(first, imitation, -gain / config.divergence), jnp.stack(means)

    return loss


def _detectors_of(game: Game, net: Network, config: SaboteurConfig, features: Callable) -> Callable:
    """`(key, params, data) -> probes`: two new detectors, trained against the saboteur."""
    detecting = probe.optimizer()

    def new_detectors(key: PRNGKey, params: Params, data: Tables) -> tuple:
        """Learn to tell the saboteur's moves from E's at matched log-probability."""
        chance = jnp.exp(_whole_policy(game, net, params, data))
        honest = probe.matched(chance, jnp.exp(data.expert), probe.bin_of(data.expert))
        k_init, k_steps = jax.random.split(key)
        fresh = tuple(_fresh_probe(k_init, features, view, data) for view in data.views)

        def loss_of(params: tuple, index: Array) -> Array:
            views, labels = jax.tree.map(lambda x: x[index], (data.views, data.labels))
            return sum(
                probe.loss(p, one, features(view, labels), chance[index], honest[index])
                for p, one, view in zip(params, fresh, views, strict=True)
            )  # pyright: ignore

        def step(carry: tuple, k: PRNGKey) -> tuple:
            params, state = carry
            index = jax.random.randint(k, (config.batch,), 0, len(data.labels))
            grads = jax.grad(loss_of)(params, index)
            updates, state = detecting.update(grads, state, params)
            return (optax.apply_updates(params, updates), state), None

        keys = jax.random.split(k_steps, config.detector_updates)
        first = tuple(one.params for one in fresh)
        (learnt, _), _ = jax.lax.scan(step, (first, detecting.init(first)), keys)
        return tuple(one._replace(params=p) for one, p in zip(fresh, learnt, strict=True))

    return new_detectors


def make_trainer(game: Game, net: Network, config: SaboteurConfig) -> Trainer:
    """The rounds of one configuration."""
    method = optax.chain(optax.clip_by_global_norm(1.0), optax.scale_by_adam())
    features = functools.partial(move_features, targets=game.targets)
    loss = _loss_of(game, net, config, features)
    new_detectors = _detectors_of(game, net, config, features)

    def start(params: Params, data: Tables) -> Progress:
        blank = tuple(_fresh_probe(jax.random.key(0), features, v, data) for v in data.views)
        pools = jax.tree.map(lambda x: jnp.stack([jnp.zeros_like(x)] * config.pool), blank)
        return Progress(params, method.init(params), pools, jnp.int32(0))

    def update(data: Tables, pools: tuple, filled: Array, carry: tuple, step: tuple) -> tuple:
        params, state = carry
        index, share = step
        part = jax.tree.map(lambda x: x[index], data)
        of_pools = lambda params, part: loss(params, pools, filled, part)  # noqa: E731
        grads, means = mean_gradient(of_pools, params, part, jnp.zeros(4))
        updates, state = method.update(grads, state, params)
        rate = -config.learning_rate * share
        return (
            optax.apply_updates(params, jax.tree.map(lambda u: rate * u, updates)),
            state,
        ), means

    def one_round(progress: Progress, data: Tables, index: Array) -> tuple[Progress, Array]:
        key = jax.random.fold_in(jax.random.key(config.seed), index)
        k_detector, k_order = jax.random.split(key)
        params, state, pools, filled = progress

        def add() -> tuple:
            made = new_detectors(k_detector, params, data)
            place = filled % config.pool
            return jax.tree.map(lambda x, y: x.at[place].set(y), pools, made), filled + 1

        pools, filled = jax.lax.cond(index >= config.imitation, add, lambda: (pools, filled))
        shape = (config.updates, config.batch)
        order = jax.random.randint(k_order, shape, 0, len(data.labels))
        step = functools.partial(update, data, pools, filled)
        (params, state), means = jax.lax.scan(
            step, (params, state), (order, annealing(config.updates))
        )
        return Progress(params, state, pools, filled), means.mean(0)

    return Trainer(jax.jit(start), jax.jit(one_round))


def _fresh_probe(key: PRNGKey, features: Callable, view: View, data: Tables) -> probe.Probe:
    """For features with the mean and standard deviation that they have over some positions."""
    count = min(512, len(data.labels))
    view, labels = jax.tree.map(lambda x: x[:count], (view, data.labels))
    seen, there = features(view, labels), (labels >= 0)[..., None]
    total = there.sum()
    mean = (seen * there).sum((0, 1)) / total
    spread = jnp.sqrt((jnp.square(seen - mean) * there).sum((0, 1)) / total)
    return probe.init(key, mean, spread)


def _whole_policy(game: Game, net: Network, params: Params, data: Tables) -> Float[Array, "N M"]:
    """The saboteur's log-probabilities on the whole bank, some positions at a time."""
    one = lambda part: log_policy(game, net, params, part[0][None], part[1][None])[0]  # noqa: E731
    return jax.lax.map(one, (data.positions, data.labels), batch_size=64)


def train(
    game: Game,
    start: Model,
    data: Tables,
    config: SaboteurConfig,
    saver: Saver,
    report: Callable[[Report], None] = lambda report: None,
) -> Params:
    """Trains a saboteur; goes on from the last checkpoint if there is one.

    Args:
        game: its rules.
        start: the network to begin with: E, or a saboteur.
        data: of the bank, see `tables`.
        config: static settings.
        saver: where checkpoints go, one a round.
        report: called after every round.

    Raises:
        SettingError: the loss was not finite.
    """
    trainer = make_trainer(game, start.net, config)
    progress = trainer.start(jax.tree.map(jnp.asarray, start.params), data)
    done, progress = saver.latest(progress) or (0, progress)
    for index in range(done, config.rounds):
        progress, means = trainer.round(progress, data, jnp.int32(index))
        found = Report(index + 1, *(float(x) for x in means))
        check_finite(index, sum(found), config)
        saver.save(index + 1, progress)
        report(found)
    return progress.params


def check_finite(index: int, number: float, config: SaboteurConfig) -> None:
    """Raises SettingError where round `index` (from 0) ended with a number that is not finite."""
    if not np.isfinite(number):
        raise SettingError(
            f"The loss was not finite in round {index + 1}; the last checkpoint is kept. Lower"
            f" learning_rate (now {config.learning_rate})."
        )
