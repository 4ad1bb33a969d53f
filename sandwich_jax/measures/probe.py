"""Could one know, by what a network knows, that a move was sabotage? A probe on frozen features.

The honest class is E's own policy at matched log-probability, so that "not E's first choice" alone
gives nothing away: honest moves get weights by which their log-probabilities by E are distributed
as those of the sabotage, bin by bin.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Bool, Float, Int

from sandwich_jax.types import Params, PRNGKey

WIDTH = 0.5
"""Of a bin of log-probabilities, in nats."""
BINS = 40
"""The last one holds all that is less likely."""
HIDDEN = 32
DECAY = 1e-2


class Probe(NamedTuple):
    """A network with one hidden layer on standardised features."""

    mean: Float[Array, "F"]
    scale: Float[Array, "F"]
    params: Params


def bin_of(logp: Array) -> Array:
    """The bin of each log-probability."""
    return jnp.clip((-logp / WIDTH).astype(jnp.int32), 0, BINS - 1)


def matched(
    sabotage: Float[Array, "N M"], honest: Float[Array, "N M"], bins: Int[Array, "N M"]
) -> Float[Array, "N M"]:
    """Weights of honest moves that give every bin the weight that sabotage has in it.

    Args:
        sabotage: probability of each move by M; 0 where there is no move.
        honest: the same by E.
        bins: of its log-probability by E.
    """
    sums = [jnp.zeros(BINS).at[bins].add(weight) for weight in (sabotage, honest)]
    ratio = jnp.where(sums[1] > 0, sums[0] / jnp.maximum(sums[1], 1e-12), 0.0)
    return honest * ratio[bins]


def draw(
    rng: np.random.Generator,
    chosen: Int[np.ndarray, "N"],
    logp: Float[np.ndarray, "N M"],
    legal: Bool[np.ndarray, "N M"],
) -> tuple[Int[np.ndarray, "K"], Int[np.ndarray, "K"], Bool[np.ndarray, "N"]]:
    """One honest move, of any position, for each sabotage move: from E's policy in its bin.

    Returns:
        Position and column of each honest move; which sabotage moves have a match (a bin may
        hold nothing that E ever plays), K in all.
    """
    bins = np.asarray(bin_of(jnp.asarray(logp)))
    wanted = bins[np.arange(len(chosen)), chosen]
    rows, columns, found = [], [], np.zeros(len(chosen), bool)
    weight = np.where(legal, np.exp(logp.astype(float)), 0.0)
    for one in np.unique(wanted):
        there = np.argwhere((bins == one) & legal)
        chance = weight[tuple(there.T)]
        if not chance.sum() > 0:
            continue
        mine = wanted == one
        found |= mine
        drawn = there[rng.choice(len(there), int(mine.sum()), p=chance / chance.sum())]
        rows.append(drawn[:, 0])
        columns.append(drawn[:, 1])
    if not rows:
        return np.zeros(0, int), np.zeros(0, int), found
    return np.concatenate(rows), np.concatenate(columns), found


def init(key: PRNGKey, mean: Float[Array, "F"], scale: Float[Array, "F"]) -> Probe:
    """A fresh probe for features of this mean and standard deviation."""
    size = mean.shape[0]
    first = jax.random.normal(key, (size, HIDDEN)) / jnp.sqrt(size)
    params = {"w": first, "b": jnp.zeros(HIDDEN), "v": jnp.zeros(HIDDEN), "c": jnp.zeros(())}
    # A linear path beside the hidden layer: what is linear needs no learning to be kept.
    return Probe(mean, jnp.maximum(scale, 1e-3), params | {"u": jnp.zeros(size)})


def logits(probe: Probe, features: Float[Array, "*B F"]) -> Float[Array, "*B"]:
    """Log-odds that a move is sabotage."""
    p = probe.params
    x = jnp.clip((features - probe.mean) / probe.scale, -5, 5)
    return jax.nn.relu(x @ p["w"] + p["b"]) @ p["v"] + x @ p["u"] + p["c"]


def loss(
    params: Params,
    probe: Probe,
    features: Float[Array, "*B F"],
    sabotage: Float[Array, "*B"],
    honest: Float[Array, "*B"],
) -> Float[Array, ""]:
    """Cross-entropy of weighted moves of the two classes, each class weighing one half."""
    said = logits(probe._replace(params=params), features)
    total = jnp.maximum((sabotage + honest).sum(), 1e-9)
    return (sabotage * jax.nn.softplus(-said) + honest * jax.nn.softplus(said)).sum() / total


def optimizer(rate: float = 5e-3) -> optax.GradientTransformation:
    """What probes are fitted with."""
    return optax.adamw(rate, weight_decay=DECAY)


@functools.partial(jax.jit, static_argnames=("steps",))
def _fit(key: PRNGKey, features: Array, label: Array, steps: int) -> Probe:
    probe = init(key, features.mean(0), features.std(0))
    method = optimizer()
    gradient = jax.grad(loss)

    def step(carry: tuple, _: None) -> tuple:
        params, state = carry
        grads = gradient(params, probe, features, label, 1 - label)
        updates, state = method.update(grads, state, params)
        return (optax.apply_updates(params, updates), state), None

    start = (probe.params, method.init(probe.params))
    (params, _), _ = jax.lax.scan(step, start, length=steps)
    return probe._replace(params=params)


def fit(
    key: PRNGKey, features: Float[np.ndarray, "N F"], sabotage: Bool[np.ndarray, "N"], steps: int
) -> Probe:
    """A probe fitted to labelled moves."""
    label = jnp.asarray(sabotage, jnp.float32)
    return _fit(key, jnp.asarray(features, jnp.float32), label, steps)
