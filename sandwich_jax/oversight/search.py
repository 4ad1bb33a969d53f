"""Searches in which A gives one half of what a node says, and W the other.

Gumbel MuZero (Danihelka et al. 2022, "Policy improvement by planning with Gumbel",
https://openreview.net/forum?id=bERaNdoegnO) by mctx, over a compact list of the legal moves: the
`WIDTH` most likely by the prior. A is asked about every position that the search comes to.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import mctx as typed_mctx
from jaxtyping import Array, Float, Int, PyTree

from sandwich_jax import sampling
from sandwich_jax.games import Game
from sandwich_jax.oversight.interface import (
    Memory,
    Own,
    Protocol,
    Sized,
    ask_everywhere,
    if_any,
)
from sandwich_jax.settings import settings, size
from sandwich_jax.types import Advice, Decision, PRNGKey, Query, State

mctx: Any = typed_mctx
"""Its dataclasses are chex's, whose fields a type checker does not see."""
WIDTH = 64
"""Moves of a node that are looked at; positions of chess have about thirty, and 218 at most."""
Half = Literal["prior", "value"]
"""What A gives: the policy by which moves are tried first, or what positions are worth."""


@settings
class Search:
    """How far it goes."""

    simulations: int = size(16, "positions that the search looks at")


class _Node(NamedTuple):
    """What a search keeps of a position, batch first."""

    state: PyTree[Array]
    labels: Int[Array, "B W"]
    over: Array
    first: Array
    """The first player is to move."""


class _View(NamedTuple):
    logits: Float[Array, "B A"]
    value: Float[Array, "B"]


def search(advised: Half, says: str) -> Sized:
    """The search in which A gives `advised`."""

    def build(settings: Search) -> Protocol:
        def decide(
            key: PRNGKey, own: Own, advice: Advice, memory: Memory, knobs: Search
        ) -> tuple[Decision, Any]:
            found = if_any(
                advice.asked,
                lambda: _best_move(key, own, advice, advised, settings.simulations),
            )
            move = jnp.where(advice.asked, found, own.move)
            followed = advice.asked & (move == advice.move[0])
            return Decision(move, followed), memory.game

        answers = 1 + settings.simulations
        return Protocol(
            ask_everywhere,
            decide,
            of_games=True,
            wants=("move", "logits" if advised == "prior" else "value"),
            answers=answers,
            settings=settings,
            says=says,
            source="Gumbel MuZero, Danihelka et al. 2022, by mctx",
        )

    return Sized(Search, build)


def _best_move(
    key: PRNGKey, own: Own, advice: Advice, advised: Half, simulations: int
) -> Int[Array, "B"]:
    """The label that the search ends on."""
    game, batch = own.game, own.move.shape[0]
    axes = _batch_axes(game)
    view = _join(advised, advice, _View(own.logits, own.value))
    prior, root = _node(game, axes, own.state, view.logits)

    def recurrent(_: Any, key: PRNGKey, action: Int[Array, "B"], node: _Node) -> tuple[Any, _Node]:
        label = jnp.take_along_axis(node.labels, action[:, None], axis=1)[:, 0]
        state = game.step(_batch_where_it_was(axes, node.state), jnp.maximum(label, 0))
        outputs = own.think(state)
        query = Query(jnp.ones(batch, bool), ("logits",) if advised == "prior" else ("value",))
        view = _join(advised, own.ask(key, state, query), _View(*outputs))
        prior, after = _node(game, axes, state, view.logits)
        result = game.result(state)
        reward = jnp.where(node.first, result, -result)
        return mctx.RecurrentFnOutput(
            reward=jnp.where(after.over & ~node.over, reward, 0.0),
            discount=jnp.where(after.over, 0.0, -1.0),
            prior_logits=prior,
            value=view.value,
        ), after

    root_output = mctx.RootFnOutput(prior_logits=prior, value=view.value, embedding=root)
    found = mctx.gumbel_muzero_policy(
        (),
        key,
        root_output,
        recurrent,
        simulations,
        # A lane between games has no move: any will do.
        invalid_actions=(root.labels < 0) & (root.labels >= 0).any(-1, keepdims=True),
        gumbel_scale=0.0,
    )
    label = jnp.take_along_axis(root.labels, found.action[:, None], axis=1)[:, 0]
    return jnp.maximum(label, 0)


def _join(advised: Half, advice: Advice, own: _View) -> _View:
    """A's half and W's."""
    if advised == "prior":
        assert advice.logits is not None
        return own._replace(logits=advice.logits[0])
    assert advice.value is not None
    return own._replace(value=advice.value[0])


def _node(
    game: Game, axes: PyTree[int], state: State, logits: Float[Array, "B A"]
) -> tuple[Float[Array, "B W"], _Node]:
    """Log-priors of a position's most likely legal moves, and what the search keeps of it."""
    labels = game.moves(state)
    chosen = jnp.take_along_axis(logits, jnp.maximum(labels, 0), axis=1)
    chosen = jnp.where(labels >= 0, chosen, sampling.ILLEGAL)
    prior, place = jax.lax.top_k(chosen, min(WIDTH, labels.shape[1]))
    labels = jnp.take_along_axis(labels, place, axis=1)
    over, first = game.done(state), game.first_to_move(state)
    return prior, _Node(_batch_first(axes, state), labels, over, first)


# --- mctx wants the batch first, states of chess have it last -------------------------------------


def _batch_axes(game: Game) -> PyTree[int]:
    """The axis of every leaf of a state that is the batch."""
    two, three = (jax.eval_shape(lambda n=n: game.init(n)) for n in (2, 3))

    def axis(a: Any, b: Any) -> int:
        return next(i for i, (m, n) in enumerate(zip(a.shape, b.shape, strict=True)) if m != n)

    return jax.tree.map(axis, two, three)


def _batch_first(axes: PyTree[int], state: State) -> PyTree[Array]:
    return jax.tree.map(lambda i, x: jnp.moveaxis(x, i, 0), axes, state)


def _batch_where_it_was(axes: PyTree[int], state: PyTree[Array]) -> State:
    return jax.tree.map(lambda i, x: jnp.moveaxis(x, 0, i), axes, state)
