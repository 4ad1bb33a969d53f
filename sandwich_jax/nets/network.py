"""What every network looks like to the rest of the package, whatever its architecture."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PyTree

from sandwich_jax import forms
from sandwich_jax.games import Game
from sandwich_jax.types import Outputs, Params, PRNGKey, SettingError, State


class Network(NamedTuple):
    """`init(key) -> params` and `apply(params, features [B, H, W, C]) -> Outputs [B]`."""

    config: Any
    """Static and hashable; two networks with equal ones are the same function."""
    init: Callable[[PRNGKey], Params]
    apply: Callable[[Params, Float[Array, "B H W C"]], Outputs]
    num_params: int
    inspect: Callable[[Params, Float[Array, "B H W C"]], tuple[Outputs, Float[Array, "B H W D"]]]
    """`apply`, and what the tower makes of each square: what probes look at."""
    decode: Callable[[Array], Float[Array, "B H W C"]] | None = None
    """What it sees of encoded positions [B, ...]; None: the game's own features."""
    by_moves: bool = False
    """It says one move and nothing of the others, at a price for every position: an engine. It is
    shown zeros in the place of positions that are not wanted."""

    looks_back: bool = False
    """It sees past positions: its game must keep them, as `games.past` does."""
    sees: Callable[[Game, State], PyTree[Array]] | None = None
    """What it sees of states, batch first, where encoded positions are not enough: a search."""
    of_several: bool = False
    """It is the mean of networks."""

    @property
    def judges_all_moves(self) -> bool:
        """Whether it has an opinion of every move in a position that stands alone."""
        return not (self.by_moves or self.looks_back or self.sees is not None)

    @property
    def learns(self) -> bool:
        """Whether it can be trained and stored: an engine has nothing to train, a search is no
        function, and a mean is of networks that stay what they are."""
        return not (self.by_moves or self.of_several or self.sees is not None)

    @property
    def sees_as_game(self) -> bool:
        """Whether it sees the game's own features."""
        return self.decode is None and self.sees is None

    def view(self, game: Game, state: State) -> PyTree[Array]:
        """What it sees of the positions in `state`, [B, ...]: features, unless it is a search."""
        if self.sees is not None:
            return self.sees(game, state)
        return self.decoded(game, game.encode(state))

    def decoded(self, game: Game, positions: Array) -> Float[Array, "B H W C"]:
        """What it sees of encoded positions, [B, ...].

        Raises:
            SettingError: they are not enough for it.
        """
        if self.sees is not None:
            raise SettingError(
                "A search plays on from a position of a game, and what is recorded of one is not"
                " enough: choose a network."
            )
        return game.decode(positions) if self.decode is None else self.decode(positions)


def compute_type() -> Any:
    """Type of what networks compute here: bfloat16 on accelerators, float32 on a CPU."""
    return jnp.bfloat16 if forms.here().half_precision else jnp.float32


def cast(players: PyTree[Array]) -> PyTree[Array]:
    """Networks in the type that they compute in: cast once before a loop, not at every ply.

    Answers stay what they are, since a network casts what it is given. Single numbers, such as
    knobs beside a network, are left alone.
    """
    kind = compute_type()
    real = lambda x: x.ndim > 0 and x.dtype == jnp.float32  # noqa: E731
    return jax.tree.map(lambda x: x.astype(kind) if real(x) else x, players)


def apply_where(
    net: Network, params: Params, features: PyTree[Array], wanted: Bool[Array, "B"]
) -> Outputs:
    """What a network says of the rows that are wanted; of the others it is of no meaning.

    On a CPU the others are left out, up to whole chunks; an accelerator runs a whole batch as fast.
    """
    here = forms.here()
    if net.by_moves:
        return net.apply(params, jnp.where(wanted[:, None], features, jnp.zeros_like(features)))
    chunk = here.chunk if here.skip else None
    if chunk is None or wanted.shape[0] <= chunk:
        return net.apply(params, features)
    everything = lambda: net.apply(params, features)  # noqa: E731
    some = lambda: _of_wanted(net, params, features, wanted, chunk)  # noqa: E731
    return jax.lax.cond(wanted.all(), everything, some)


def _of_wanted(
    net: Network,
    params: Params,
    features: PyTree[Array],
    wanted: Bool[Array, "B"],
    size: int,
) -> Outputs:
    """`net.apply`, chunk by chunk, of the rows that are wanted."""
    order = jnp.argsort(~wanted, stable=True)  # the wanted ones first
    whole = jnp.pad(order, (0, -wanted.shape[0] % size), mode="edge")
    rows = jax.tree.map(lambda x: x[whole], features)
    shapes = jax.eval_shape(net.apply, params, rows)
    blank = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), shapes)

    def chunk(i: Array, found: Outputs) -> Outputs:
        start = i * size
        cut = functools.partial(jax.lax.dynamic_slice_in_dim, start_index=start, slice_size=size)
        outputs = net.apply(params, jax.tree.map(cut, rows))
        write = jax.lax.dynamic_update_slice_in_dim
        return jax.tree.map(lambda old, new: write(old, new, start, 0), found, outputs)

    found = jax.lax.fori_loop(0, -(-wanted.sum() // size), chunk, blank)
    back = jnp.argsort(order)
    return jax.tree.map(lambda x: x[back], found)


def chunked(fn: Callable[[Array], Any], features: Float[Array, "B H W C"]) -> Any:
    """`fn` of the features; on a CPU, of a few positions at a time."""
    chunk = forms.here().chunk
    if not chunk or features.shape[0] <= chunk:
        return fn(features)
    return _in_chunks(fn, features, chunk)


def _in_chunks(fn: Callable[[Array], Any], features: Float[Array, "B H W C"], chunk: int) -> Any:
    """`fn` over `chunk` rows at a time; the last chunk is padded with zeros."""
    batch = features.shape[0]
    count = -(-batch // chunk)
    padding = [(0, count * chunk - batch)] + [(0, 0)] * (features.ndim - 1)
    chunks = jnp.pad(features, padding).reshape(count, chunk, *features.shape[1:])
    outputs = jax.lax.map(fn, chunks)
    return jax.tree.map(lambda x: x.reshape(count * chunk, *x.shape[2:])[:batch], outputs)
