"""Tree search: Gumbel MuZero over the legal moves, and a search in the place of a network.

Danihelka et al. 2022, "Policy improvement by planning with Gumbel"
(https://openreview.net/forum?id=bERaNdoegnO), by mctx, over a compact list of the legal moves:
the `WIDTH` most likely by the prior.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import mctx as typed_mctx
from jaxtyping import Array, Float, Int, PyTree

from sandwich_jax import sampling
from sandwich_jax.errors import SettingError
from sandwich_jax.games import Game
from sandwich_jax.models import Model
from sandwich_jax.nets import Network
from sandwich_jax.types import Outputs, Params, PRNGKey, State
from sandwich_jax.words import MOST_SIMULATIONS

mctx: Any = typed_mctx
"""Its dataclasses are chex's, whose fields a type checker does not see."""
WIDTH = 64
"""Moves of a node that are looked at; positions of chess have about thirty, and 218 at most."""

Think = Callable[[PRNGKey, State], Outputs]
"""`(key, states) -> what is thought of them`: priors (as logits) and values of the tree's nodes."""


class Found(NamedTuple):
    """What a search says of its root."""

    move: Int[Array, "B"]
    """The label that it ends on; 0 where there is no legal move."""
    labels: Int[Array, "B W"]
    """Legal moves that were looked at, likeliest by the prior first; -1 after the last."""
    weights: Float[Array, "B W"]
    """Its improved policy over `labels`: softmax of prior logits plus completed Q. Sums to 1."""
    value: Float[Array, "B"]
    """Of the root for the side to move, in [-1, 1]: the mean over its simulations."""


class _Node(NamedTuple):
    """What a search keeps of a position, batch first."""

    state: PyTree[Array]
    labels: Int[Array, "B W"]
    over: Array
    first: Array
    """The first player is to move."""


def search(
    key: PRNGKey,
    game: Game,
    state: State,
    root: Outputs,
    think: Think,
    simulations: int,
    gumbel_scale: float = 0.0,
) -> Found:
    """Searches from B positions at once.

    Args:
        key: of Gumbel noise at the root, and handed to `think`.
        game: rules.
        state: the positions.
        root: what is thought of them; illegal labels may have any logits.
        think: what is thought of the positions that it comes to.
        simulations: positions that it looks at beyond the root.
        gumbel_scale: 0 plays the best move found; 1 explores, for training.
    """
    axes = _batch_axes(game)
    prior, node = _node(game, axes, state, root.logits)

    def recurrent(_: Any, key: PRNGKey, action: Int[Array, "B"], node: _Node) -> tuple[Any, _Node]:
        label = jnp.take_along_axis(node.labels, action[:, None], axis=1)[:, 0]
        state = game.step(_batch_where_it_was(axes, node.state), jnp.maximum(label, 0))
        thought = think(key, state)
        prior, after = _node(game, axes, state, thought.logits)
        result = game.result(state)
        reward = jnp.where(node.first, result, -result)
        return mctx.RecurrentFnOutput(
            reward=jnp.where(after.over & ~node.over, reward, 0.0),
            discount=jnp.where(after.over, 0.0, -1.0),
            prior_logits=prior,
            value=thought.value,
        ), after

    found = mctx.gumbel_muzero_policy(
        (),
        key,
        mctx.RootFnOutput(prior_logits=prior, value=root.value, embedding=node),
        recurrent,
        simulations,
        # A lane between games has no move: any will do.
        invalid_actions=(node.labels < 0) & (node.labels >= 0).any(-1, keepdims=True),
        gumbel_scale=gumbel_scale,
    )
    label = jnp.take_along_axis(node.labels, found.action[:, None], axis=1)[:, 0]
    value = found.search_tree.node_values[:, 0]
    return Found(jnp.maximum(label, 0), node.labels, found.action_weights, value)


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


# --- a search in the place of a network -----------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class SearchConfig:
    """Static: which network thinks, of which game, and for how long."""

    network: Any
    """The configuration of the network."""
    game: str
    simulations: int


@functools.cache
def network(thinker: Network, game: Game, simulations: int) -> Network:
    """A search by a network, in the place of one: the very same for the same arguments.

    Its policy is the search's improved policy and its value that of the root. What it sees of a
    position is the whole state, since it plays on from it.

    Raises:
        SettingError: the number of simulations is out of range, or an engine thinks.
    """
    if not 1 <= simulations <= MOST_SIMULATIONS:
        raise SettingError(
            f"simulations is {simulations}: it must be between 1 and {MOST_SIMULATIONS}."
        )
    if thinker.by_moves or thinker.sees is not None:
        raise SettingError("A search needs a network that thinks: no engine, and no other search.")
    axes = _batch_axes(game)

    def apply(params: Params, seen: PyTree[Array]) -> Outputs:
        state, model = _batch_where_it_was(axes, seen), Model(thinker, params)

        def think(_: PRNGKey, state: State) -> Outputs:
            return model.at(game, state)

        key = jax.random.key(0)  # without Gumbel noise nothing is drawn
        found = search(key, game, state, model.at(game, state), think, simulations)
        return Outputs(policy(game, found), found.value)

    def inspect(params: Params, seen: PyTree[Array]) -> tuple[Outputs, Array]:
        raise SettingError("A search has no layers to look into: choose a network.")

    return Network(
        SearchConfig(thinker.config, game.name, simulations),
        thinker.init,
        apply,
        thinker.num_params,
        inspect,
        looks_back=thinker.looks_back,
        sees=lambda game, state: _batch_first(axes, state),
    )


def policy(game: Game, found: Found) -> Float[Array, "B A"]:
    """Logarithms of the improved policy, `ILLEGAL` at labels that were not looked at."""
    rows = jnp.arange(found.move.shape[0])[:, None]
    place = jnp.where(found.labels >= 0, found.labels, game.num_actions)  # out of range: dropped
    logits = jnp.log(jnp.maximum(found.weights, jnp.finfo(jnp.float32).tiny))
    blank = jnp.full((found.move.shape[0], game.num_actions), sampling.ILLEGAL)
    return blank.at[rows, place].set(logits, mode="drop")
