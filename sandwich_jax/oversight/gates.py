"""Protocols that follow advice only where W's own judgement lets it through, or ask only where W
is unsure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from sandwich_jax import lookahead, sampling
from sandwich_jax.games import Game
from sandwich_jax.oversight.interface import (
    Memory,
    Own,
    Protocol,
    Sized,
    ask_everywhere,
    entropy,
    follow_if,
    log_prior,
)
from sandwich_jax.settings import Knob, knob, settings, size
from sandwich_jax.types import Advice, Decision, Outputs, PRNGKey, Query, State


def _everything(own: Own) -> Bool[Array, "B"]:
    return jnp.ones(own.move.shape, bool)


# --- ask_when_unsure: memory is how many queries a game had ---------------------------------------


@settings
class AskWhenUnsure:
    """It asks where one of both holds."""

    unsure: Knob = knob(1.5, 0.0, 100.0, "entropy of W's policy, in nats, from which on it asks")
    close: Knob = knob(0.0, 0.0, 2.0, "size of W's own value under which it asks")
    budget: Knob = knob(10.0, 0.0, 1e6, "queries a game at most", whole=True)


def _plan_unsure(own: Own, memory: Memory, knobs: AskWhenUnsure) -> Query:
    unsure = (entropy(own) >= knobs.unsure) | (jnp.abs(own.value) < knobs.close)
    return Query(unsure & (memory.game + 1 <= knobs.budget))


def _decide_unsure(
    key: PRNGKey, own: Own, advice: Advice, memory: Memory, knobs: AskWhenUnsure
) -> tuple[Decision, Any]:
    return follow_if(_everything(own), own, advice), memory.game + advice.asked


ask_when_unsure = Protocol(
    _plan_unsure,
    _decide_unsure,
    memory=lambda batch: jnp.zeros(batch, jnp.int32),
    settings=AskWhenUnsure(),
    says="Asks, and then follows, where W is unsure, so many times a game at most.",
    source="asking under a budget, after Torrey and Taylor 2013",
)


# --- prior_gate -----------------------------------------------------------------------------------


@settings
class PriorGate:
    """What W must think of a move itself."""

    tau: Knob = knob(0.05, 0.0, 2.0, "least probability by W of a move that it follows")


def _decide_prior(
    key: PRNGKey, own: Own, advice: Advice, memory: Memory, knobs: PriorGate
) -> tuple[Decision, Any]:
    likely = jnp.exp(log_prior(own, advice.move[0])) >= knobs.tau
    return follow_if(likely, own, advice), memory.game


prior_gate = Protocol(
    ask_everywhere,
    _decide_prior,
    settings=PriorGate(),
    says="Follows a move that W itself gives a probability of at least tau.",
)


# --- value gates ----------------------------------------------------------------------------------


@settings
class ValueGate:
    """What W must think of where a move leads."""

    delta: Knob = knob(0.1, -2.0, 2.0, "how much worse than its best a move may be, of 2")


@settings
class ShallowSearchGate(ValueGate):
    """The same after some plies of thought."""

    depth: int = size(2, "plies that W plays on in its head before it values a position")


def _value_gate(
    evaluate: Callable[[Own], Callable[[State], Float[Array, "N"]]], settings: ValueGate, says: str
) -> Protocol:
    """Follows where the advised move is worth nearly as much as W's own by `evaluate(own)`."""

    def decide(
        key: PRNGKey, own: Own, advice: Advice, memory: Memory, knobs: ValueGate
    ) -> tuple[Decision, Any]:
        labels = jnp.stack([own.move, advice.move[0]], axis=-1)
        differs = advice.asked & (own.move != advice.move[0])  # equals need no thought
        worth = lookahead.values_where(own.game, evaluate(own), own.state, labels, differs)
        good = worth[:, 1] >= worth.max(-1) - knobs.delta
        return follow_if(good, own, advice), memory.game

    return Protocol(ask_everywhere, decide, of_games=True, settings=settings, says=says)


value_gate = _value_gate(
    lambda own: lambda state: own.think(state).value,
    ValueGate(),
    "Follows a move after which W's value is nearly as good as after its own.",
)


def _shallow(settings: ShallowSearchGate) -> Protocol:
    """`value_gate` on what W's values become after `depth` plies of W's best moves."""
    return _value_gate(
        lambda own: _played_on(own.game, own.think, settings.depth),
        settings,
        "The same, with W's value after some plies of its likeliest moves.",
    )


shallow_search_gate = Sized(ShallowSearchGate, _shallow)


def _played_on(
    game: Game, think: Callable[[State], Outputs], depth: int
) -> Callable[[State], Float[Array, "N"]]:
    """A position's value for its mover: W's own after `depth` plies of its most likely moves, or
    the result if the game ends before."""

    def evaluate(state: State) -> Float[Array, "N"]:
        def ply(_: int, state: State) -> State:
            return game.step(state, sampling.greedy(think(state).logits, game.legal(state)))

        end = jax.lax.fori_loop(0, depth, ply, state)
        result = game.result(end)
        result = jnp.where(game.first_to_move(state), result, -result)
        return jnp.where(game.done(end), result, think(end).value * (-1.0) ** depth)

    return evaluate
