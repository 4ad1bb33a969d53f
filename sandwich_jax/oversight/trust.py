"""learned_trust: a small network that foretells, from what W sees, whether advice turns out well.

It is trained after every round by logistic regression on the outcomes of the advice that was
followed, and starts at a probability of one half for everything: with `trust` at most 0.5 the
first round follows it all.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int, PyTree

from sandwich_jax.oversight.interface import (
    Memory,
    Own,
    Protocol,
    ask_everywhere,
    entropy,
    follow_if,
    log_prior,
)
from sandwich_jax.oversight.outcomes import outcomes
from sandwich_jax.oversight.reliability import Trust, lead
from sandwich_jax.types import Advice, Decision, PRNGKey, Rollout

FEATURES = 6
HIDDEN = 16
STEPS = 200
OPTIMIZER = optax.adam(1e-2)


class _Lore(NamedTuple):
    params: PyTree[Array]
    optimizer: PyTree[Array]


class _Notes(NamedTuple):
    seen: Float[Array, "B F"]
    value: Float[Array, "B"]


def _lore() -> _Lore:
    # The last layer begins at 0, so the seed only breaks the symmetry of the hidden units.
    first = jax.random.normal(jax.random.key(0), (FEATURES, HIDDEN)) / FEATURES**0.5
    zeros = jnp.zeros(HIDDEN)
    params = {"first": first, "bias": zeros, "last": zeros, "offset": jnp.float32(0)}
    return _Lore(params, OPTIMIZER.init(params))


def logit(params: PyTree[Array], seen: Float[Array, "*N F"]) -> Float[Array, "*N"]:
    """Log-odds that advice turns out well."""
    hidden = jnp.tanh(seen @ params["first"] + params["bias"])
    return hidden @ params["last"] + params["offset"]


def features(own: Own, advice: Advice, turn: Int[Array, "B"]) -> Float[Array, "B F"]:
    """What W sees of a piece of advice, each of about unit size; nothing of a second pass."""
    prior = log_prior(own, advice.move[0])
    columns = (
        prior / 3,
        log_prior(own, jnp.argmax(own.logits, axis=-1)) - prior,
        entropy(own),
        own.value,
        jnp.tanh(lead(own) / 5),
        turn / 20,
    )
    # Illegal labels, where nothing was asked, have priors without bound.
    return jnp.clip(jnp.stack(columns, axis=-1), -10.0, 10.0)


def _decide(
    key: PRNGKey, own: Own, advice: Advice, memory: Memory, knobs: Trust
) -> tuple[Decision, Any]:
    seen = features(own, advice, memory.game)
    good = jax.nn.sigmoid(logit(memory.lore.params, seen)) >= knobs.trust
    return follow_if(good, own, advice, _Notes(seen, own.value)), memory.game + 1


def _learn(lore: _Lore, rollout: Rollout, knobs: Trust) -> _Lore:
    notes: _Notes = rollout.notes
    good, seen = outcomes(rollout, notes.value)
    share = seen / jnp.maximum(seen.sum(), 1)

    def loss(params: PyTree[Array]) -> Float[Array, ""]:
        losses = optax.sigmoid_binary_cross_entropy(
            logit(params, notes.seen), good.astype(jnp.float32)
        )
        return (losses * share).sum()

    def step(lore: _Lore, _: None) -> tuple[_Lore, None]:
        updates, state = OPTIMIZER.update(jax.grad(loss)(lore.params), lore.optimizer)
        return _Lore(optax.apply_updates(lore.params, updates), state), None

    after, _ = jax.lax.scan(step, lore, None, length=STEPS)
    # A round in which nothing was followed teaches nothing.
    return jax.tree.map(lambda new, old: jnp.where(seen.any(), new, old), after, lore)


learned_trust = Protocol(
    ask_everywhere,
    _decide,
    memory=lambda batch: jnp.zeros(batch, jnp.int32),
    lore=_lore,
    learn=_learn,
    settings=Trust(),
    says="Follows where a small network foretells that advice turns out well.",
)
