"""reliability: how often A's advice turns out well, by phase of the game and balance of material.

Thompson sampling on Beta-Bernoulli posteriors: one for each kind of position, from what W saw
become of the advice that it followed, in earlier rounds (lore) and in this game (memory). Thompson
(1933), "On the likelihood that one unknown probability exceeds another", Biometrika 25; Chapelle
and Li (2011), "An empirical evaluation of Thompson sampling".
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from sandwich_jax.oversight.interface import Memory, Own, Protocol, ask_everywhere, follow_if
from sandwich_jax.oversight.outcomes import outcomes
from sandwich_jax.settings import Knob, knob, settings
from sandwich_jax.types import Advice, Decision, PRNGKey, Rollout

PHASES = (8, 16)
"""W's turns in the game at which the second and the third phase begin."""
BALANCES = 3
"""Behind, level or ahead by at least a pawn; all are level where a game has no material."""
CELLS = (len(PHASES) + 1) * BALANCES


@settings
class Trust:
    """Of those that foretell how advice turns out."""

    trust: Knob = knob(0.5, 0.0, 2.0, "how likely advice must be to turn out well")


class _Game(NamedTuple):
    turn: Int[Array, "B"]
    cell: Int[Array, "B"]
    """Of the last turn, if its advice was followed; else -1."""
    value: Float[Array, "B"]
    """W's own on the last turn."""
    counts: Float[Array, "B C 2"]
    """Outcomes in this game, by cell: good, bad."""


class _Notes(NamedTuple):
    cell: Int[Array, "B"]
    value: Float[Array, "B"]


def _begin(batch: int) -> _Game:
    zeros = jnp.zeros(batch, jnp.int32)
    return _Game(zeros, zeros - 1, jnp.zeros(batch), jnp.zeros((batch, CELLS, 2)))


def _lore() -> Float[Array, "C 2"]:
    """Nothing is known: every rate is as likely as any other."""
    return jnp.ones((CELLS, 2))


def cell_of(own: Own, turn: Int[Array, "B"]) -> Int[Array, "B"]:
    """Which kind of position this is, in [0, CELLS)."""
    phase = sum((turn >= begin).astype(jnp.int32) for begin in PHASES)
    return phase * BALANCES + 1 + jnp.sign(lead(own)).astype(jnp.int32)


def lead(own: Own) -> Int[Array, "B"]:
    """W's lead in material; 0 where a game has no such thing."""
    if own.game.material is None:
        return jnp.zeros(own.move.shape, jnp.int32)
    material = own.game.material(own.state)
    return jnp.where(own.game.first_to_move(own.state), material, -material)


def _count(cell: Int[Array, "B"], good: Bool[Array, "B"]) -> Float[Array, "B C 2"]:
    """One outcome a lane, none where the cell is -1."""
    kind = jax.nn.one_hot(jnp.where(good, 0, 1), 2)
    return jax.nn.one_hot(cell, CELLS)[:, :, None] * kind[:, None]


def _decide(
    key: PRNGKey, own: Own, advice: Advice, memory: Memory, knobs: Trust
) -> tuple[Decision, Any]:
    game: _Game = memory.game
    counts = game.counts + _count(game.cell, own.value >= game.value)
    cell = cell_of(own, game.turn)
    good, bad = jnp.moveaxis(memory.lore[cell] + counts[jnp.arange(cell.size), cell], -1, 0)
    # A normal of the posterior's mean and variance: a draw from a Beta costs a loop.
    mean, total = good / (good + bad), good + bad
    spread = jnp.sqrt(mean * (1 - mean) / (total + 1))
    rate = jnp.clip(mean + spread * jax.random.normal(key, mean.shape), 0.0, 1.0)
    decision = follow_if(rate >= knobs.trust, own, advice, _Notes(cell, own.value))
    followed = jnp.where(decision.followed, cell, -1)
    return decision, _Game(game.turn + 1, followed, own.value, counts)


def _learn(lore: Float[Array, "C 2"], rollout: Rollout, knobs: Trust) -> Float[Array, "C 2"]:
    notes: _Notes = rollout.notes
    good, seen = outcomes(rollout, notes.value)
    cell = jnp.where(seen, notes.cell, -1).reshape(-1)
    return lore + _count(cell, good.reshape(-1)).sum(0)


reliability = Protocol(
    ask_everywhere,
    _decide,
    _begin,
    _lore,
    _learn,
    settings=Trust(),
    says="Follows while advice has turned out well in such positions.",
    source="Thompson sampling: Thompson 1933, Chapelle and Li 2011",
)
