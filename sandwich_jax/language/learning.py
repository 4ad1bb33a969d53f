"""Rows of text to a tuned network: the update that every training of text makes."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from sandwich_jax import finetune, losses
from sandwich_jax.language.packing import Rows, targets
from sandwich_jax.nets.transformer import TextNetwork
from sandwich_jax.training.shared_batch import AXIS, SHARED, WHOLE, on
from sandwich_jax.types import Params, SettingError, TrainState

CHUNK = 10
"""Updates of one jitted call."""


class Batch(NamedTuple):
    """Rows to learn from; on host or device."""

    tokens: Any
    """[B, T]"""
    labels: Any
    """[B, T]; what is to be said after each token."""
    weight: Any
    """[B, T]; of each label, 0 where there is none."""
    log_prob: Any = ()
    """[B, T]; of each label, when it was drawn; kept for a policy gradient only."""
    advantage: Any = ()
    """[B, T]; likewise."""

    def take(self, rows: np.ndarray) -> Batch:
        """Some rows, on the host; more leading axes where `rows` has them."""
        return Batch(*(part[rows] if len(part) else () for part in self))


@dataclasses.dataclass(frozen=True)
class Objective:
    """Static: what an update minimises."""

    clipped: bool = False
    """PPO's clipped surrogate in place of the cross-entropy."""
    anchored: bool = False
    """Adds `kl` times the divergence from a reference network."""


class Guide(NamedTuple):
    """What a loss needs beside rows."""

    learning_rate: Any = ()
    """[S] of each update; at 0 there is none."""
    kl: Any = np.float32(0.0)
    clip: Any = np.float32(0.2)
    reference: Params = ()


_NO_GUIDE = Guide()


def batch_of(rows: Rows) -> Batch:
    """Rows whose every document is to be learnt, its end included."""
    labels = np.asarray(_targets(rows.tokens))
    return Batch(rows.tokens, labels, (rows.document >= 0).astype(np.float32))


def _targets(tokens: np.ndarray) -> np.ndarray:
    with jax.default_device(jax.local_devices(backend="cpu")[0]):
        return np.asarray(targets(jnp.asarray(tokens)))


def log_probs(
    net: TextNetwork, params: Params, tokens: Int[Array, "B T"], labels: Int[Array, "B T"]
) -> tuple[Float[Array, "B T"], Float[Array, "B T V"]]:
    """Log-probability of each label, in nats, and the logits that say so."""
    logits = net.logits(params, tokens)
    chosen = jnp.take_along_axis(logits, jnp.maximum(labels, 0)[..., None], axis=-1)[..., 0]
    return chosen - jax.nn.logsumexp(logits, axis=-1), logits


def loss(
    net: TextNetwork, objective: Objective, guide: Guide, params: Params, batch: Batch
) -> Float[Array, ""]:
    """The mean over labels, by their weights."""
    log_prob, logits = log_probs(net, params, batch.tokens, batch.labels)
    each = -log_prob
    if objective.clipped:
        each = losses.clipped_surrogate(log_prob, batch.log_prob, batch.advantage, guide.clip)
    if objective.anchored:
        reference = jax.lax.stop_gradient(net.logits(guide.reference, batch.tokens))
        each = each + guide.kl * losses.divergence(logits, reference)
    return (each * batch.weight).sum() / jnp.maximum(batch.weight.sum(), 1.0)


def fresh(params: Params) -> TrainState:
    """A state before its first update; a copy, since updates overwrite their argument."""
    return TrainState(jax.tree.map(jnp.copy, params), _OPTIMIZER.init(params), jnp.int32(0))


_OPTIMIZER = finetune.adamw(0.01)


@functools.cache
def updates(
    net: TextNetwork, objective: Objective = Objective(), mesh: Any = None
) -> Callable[[TrainState, Batch, Guide], tuple[TrainState, Float[Array, "S"]]]:
    """Jitted updates on batches with a leading axis S: the state after them, and each loss.

    AdamW, gradients clipped at a norm of 1; over a mesh the rows of a batch are shared, as in
    pretraining.
    """

    def one(guide: Guide, state: TrainState, part: tuple[Batch, Array]) -> tuple[TrainState, Array]:
        no_more = lambda state, part: (state, jnp.float32(0))  # noqa: E731
        return jax.lax.cond(part[1] > 0, functools.partial(real, guide), no_more, state, part)

    def real(
        guide: Guide, state: TrainState, part: tuple[Batch, Array]
    ) -> tuple[TrainState, Array]:
        batch, rate = part
        of = functools.partial(loss, net, objective, guide)
        found, grads = jax.value_and_grad(of)(state.params, batch)
        if mesh is not None:
            found, grads = jax.lax.pmean((found, grads), AXIS)
        changes, optimizer = _OPTIMIZER.update(grads, state.optimizer, state.params)
        params = jax.tree.map(lambda p, u: p - rate * u, state.params, changes)
        return TrainState(params, optimizer, state.step + 1), found

    def run(state: TrainState, batches: Batch, guide: Guide) -> tuple[TrainState, Array]:
        parts = (batches, guide.learning_rate)
        return jax.lax.scan(functools.partial(one, guide), state, parts)

    if mesh is not None:
        specs = (WHOLE, SHARED, WHOLE)
        run = jax.shard_map(run, mesh=mesh, in_specs=specs, out_specs=WHOLE, check_vma=False)
    return jax.jit(run, donate_argnums=0)


class Plan(NamedTuple):
    """Which rows each update learns from, and how fast."""

    order: Sequence[np.ndarray]
    """Row numbers of each update."""
    rates: Float[np.ndarray, "S"]
    """Learning rate of each update, above 0."""


def learn(
    net: TextNetwork,
    state: TrainState,
    data: Batch,
    plan: Plan,
    who: str,
    objective: Objective = Objective(),
    guide: Guide = _NO_GUIDE,
    mesh: Any = None,
) -> Iterator[tuple[TrainState, Float[np.ndarray, "C"]]]:
    """The state after every `CHUNK` updates, and the losses of these.

    Args:
        net: the network.
        state: before them; it is overwritten.
        data: rows, on the host.
        plan: of the updates.
        who: learns, for a sentence.
        objective: what is minimised.
        guide: what the loss needs besides.
        mesh: devices that share every batch.

    Raises:
        SettingError: a loss was not finite.
    """
    run = updates(net, objective, mesh)
    for first in range(0, len(plan.order), CHUNK):
        rows = np.stack(plan.order[first : first + CHUNK])
        count = len(rows)
        # Always as many, so that one program is compiled: those at a rate of 0 are left out.
        rows = np.concatenate([rows, np.repeat(rows[:1], CHUNK - count, axis=0)])
        own = np.zeros(CHUNK, np.float32)
        own[:count] = plan.rates[first : first + count]
        batch, told = on(mesh, data.take(rows), SHARED), guide._replace(learning_rate=own)
        state, losses = run(state, batch, on(mesh, told))
        found = np.asarray(losses)[:count]
        stop_if_not_finite(found, who)
        yield state, found


def stop_if_not_finite(found: Float[np.ndarray, "S"], who: str) -> None:
    """Raises SettingError for a loss that was not finite."""
    if not np.isfinite(np.asarray(found)).all():
        raise SettingError(
            f"The loss of {who} was not finite; what was saved before is kept. Lower learning_rate."
        )


@functools.cache
def scorer(net: TextNetwork) -> Callable[..., tuple[Float[Array, "B T"], Float[Array, "B T"]]]:
    """Jitted `(params, tokens, labels) -> log-probability of each label, entropy there`, nats."""

    def run(params: Params, tokens: Array, labels: Array) -> tuple[Array, Array]:
        log_prob, logits = log_probs(net, params, tokens, labels)
        logs = jax.nn.log_softmax(logits)
        return log_prob, -(jnp.exp(logs) * logs).sum(-1)

    return jax.jit(run)


SCORED = 32
"""Rows that are scored at a time."""


def score(
    net: TextNetwork, params: Params, tokens: np.ndarray, labels: np.ndarray
) -> tuple[Float[np.ndarray, "R T"], Float[np.ndarray, "R T"]]:
    """Log-probability of each label of rows, and the network's entropy there, in nats."""
    run, parts = scorer(net), []
    for first in range(0, len(tokens), SCORED):
        # Always as many rows, so that one program is compiled: the first come over again.
        rows = np.arange(first, first + SCORED) % len(tokens)
        found = run(params, jnp.asarray(tokens[rows]), jnp.asarray(labels[rows]))
        parts.append([np.asarray(x)[: len(tokens) - first] for x in found])
    log_prob, entropy = (np.concatenate(x) for x in zip(*parts, strict=True))
    return log_prob, entropy
