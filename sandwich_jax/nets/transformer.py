"""A decoder-only transformer for text, on plain pytrees.

Pre-norm blocks with RMS norms (Zhang & Sennrich 2019), squared ReLU (So et al. 2021), learnt
positions and an embedding that is also the output layer (Press & Wolf 2017). Rows hold whole
documents one behind another; a token looks back as far as its own document begins, so a document
is worth the same alone and in company.

Axis letters here: B row or lane, T token of a row, S place in the cache, V token of the vocabulary,
L layer, D width, H head, E width of a head.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Int

from sandwich_jax.nets.network import compute_type
from sandwich_jax.types import Params, PRNGKey, SettingError

MARK = 0
"""The token that begins a document, and so ends the one before it."""
BLANK = -1
"""Where a row holds nothing."""
_FAR = -1e9


@dataclasses.dataclass(frozen=True)
class TextConfig:
    """Static shape of a network of text."""

    vocabulary: int = 1024
    context: int = 96
    """Tokens of the longest document, its mark included."""
    width: int = 128
    layers: int = 3
    heads: int = 4
    hidden: int = 384
    """Units between the two matrices of a block."""


TEXT_SIZES = {
    "nano": TextConfig(context=32, width=32, layers=1, heads=2, hidden=64),
    "mini": TextConfig(context=32, width=64, layers=2, heads=2, hidden=192),
    "tiny": TextConfig(),
    "10m": TextConfig(context=256, width=320, layers=8, heads=5, hidden=1280),
    "100m": TextConfig(context=512, width=768, layers=14, heads=12, hidden=3072),
}
"""Shapes by name; the vocabulary is the tokeniser's."""


class Cache(NamedTuple):
    """What a lane remembers of the document that it is at."""

    keys: tuple[Float[Array, "B H E S"], ...]
    """Of every layer: a ring, laid out so that both products run along their last axis."""
    values: tuple[Float[Array, "B H S E"], ...]
    time: Int[Array, ""]
    """Tokens seen, of whatever documents."""
    place: Int[Array, "B"]
    """Of the next token in its document."""


class TextNetwork(NamedTuple):
    """A network of text; every function is pure."""

    config: TextConfig
    init: Callable[[PRNGKey], Params]
    logits: Callable[[Params, Int[Array, "B T"]], Float[Array, "B T V"]]
    """Of the token that comes next, everywhere in rows of documents."""
    start: Callable[[int], Cache]
    """An empty cache for so many lanes."""
    step: Callable[[Params, Cache, Int[Array, "B"]], tuple[Float[Array, "B V"], Cache]]
    """`logits` after one more token a lane; a `MARK` begins a document anew."""
    num_params: int


class Decoder(nnx.Module):
    """The parameters; those of the layers are stacked, leading axis L."""

    def __init__(self, config: TextConfig, rngs: nnx.Rngs):
        c, deep = config, config.layers

        def normal(*shape: int, scale: float) -> nnx.Param:
            return nnx.Param(scale * jax.random.normal(rngs.params(), shape))

        into, out = c.width**-0.5, (2 * deep) ** -0.5
        self.embedding = normal(c.vocabulary, c.width, scale=0.02)
        self.places = normal(c.context, c.width, scale=0.02)
        self.attend = normal(deep, c.width, 3 * c.width, scale=into)
        self.gather = normal(deep, c.width, c.width, scale=into * out)
        self.widen = normal(deep, c.width, c.hidden, scale=into)
        self.narrow = normal(deep, c.hidden, c.width, scale=c.hidden**-0.5 * out)
        self.norms = nnx.Param(jnp.ones((deep, 2, c.width)))
        self.norm = nnx.Param(jnp.ones(c.width))


class _Layer(NamedTuple):
    attend: Array
    gather: Array
    widen: Array
    narrow: Array
    norms: Array


def _norm(x: Float[Array, "... D"], scale: Float[Array, "D"]) -> Float[Array, "... D"]:
    size = jnp.square(x.astype(jnp.float32)).mean(-1, keepdims=True)
    return (x * jax.lax.rsqrt(size + 1e-6).astype(x.dtype)) * scale


def _mix(layer: _Layer, x: Array, heard: Array) -> Array:
    """The rest of a block, after attention."""
    x = x + heard @ layer.gather
    inner = jnp.square(jax.nn.relu(_norm(x, layer.norms[1]) @ layer.widen))
    return x + inner @ layer.narrow


def segments(tokens: Int[Array, "B T"]) -> tuple[Int[Array, "B T"], Int[Array, "B T"]]:
    """Which document of its row each token is of, from 1, and its place in it, from 0."""
    begins = tokens == MARK
    index = jnp.arange(tokens.shape[1])
    start = jax.lax.cummax(jnp.where(begins, index, 0), axis=1)
    return jnp.cumsum(begins, axis=1), index - start


def make(size: str | TextConfig, vocabulary: int | None = None) -> TextNetwork:
    """The network of a shape; the very same for the same arguments.

    Compute is bfloat16 on accelerators and float32 on a CPU; parameters are float32 everywhere.

    Args:
        size: a shape, or its name among `TEXT_SIZES`.
        vocabulary: tokens, where the shape does not say it.

    Raises:
        SettingError: `size` is not the name of a shape.
    """
    if isinstance(size, str):
        if size not in TEXT_SIZES:
            raise SettingError(f"Unknown network '{size}': choose one of {', '.join(TEXT_SIZES)}.")
        size = TEXT_SIZES[size]
    if vocabulary is not None:
        size = dataclasses.replace(size, vocabulary=vocabulary)
    return _network(size)


@functools.cache
def _network(config: TextConfig) -> TextNetwork:
    def build(key: PRNGKey) -> Decoder:
        return Decoder(config, nnx.Rngs(params=key))

    def init(key: PRNGKey) -> Params:
        return nnx.to_pure_dict(nnx.state(build(key)))

    made = _Made(config)
    shapes = jax.eval_shape(init, jax.random.key(0))
    count = sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(shapes))
    return TextNetwork(config, init, made.logits, made.start, made.step, count)


class _Made:
    """A network's functions for one shape."""

    def __init__(self, config: TextConfig):
        self.config = config

    def logits(self, params: Params, tokens: Int[Array, "B T"]) -> Float[Array, "B T V"]:
        """See `TextNetwork`."""
        params = _cast(params)
        which, place = segments(tokens)
        rows = which[:, :, None] == which[:, None, :]
        sees = rows & jnp.tril(jnp.ones(rows.shape[1:], bool))
        bias = jnp.where(sees, 0.0, _FAR)[:, None]
        place = jnp.minimum(place, self.config.context - 1)
        x = params["embedding"][jnp.maximum(tokens, 0)] + params["places"][place]

        def block(x: Array, layer: _Layer) -> tuple[Array, None]:
            return _mix(layer, x, self._attention(layer, x, bias)), None

        x, _ = jax.lax.scan(block, x, _layers(params))
        return self._out(params, x)

    def start(self, lanes: int) -> Cache:
        """See `TextNetwork`."""
        c = self.config
        shape = (lanes, c.heads, c.width // c.heads, c.context)
        keys = tuple(jnp.zeros(shape, compute_type()) for _ in range(c.layers))
        values = tuple(k.swapaxes(2, 3) for k in keys)
        return Cache(keys, values, jnp.int32(0), jnp.zeros(lanes, jnp.int32))

    def step(
        self, params: Params, cache: Cache, tokens: Int[Array, "B"]
    ) -> tuple[Float[Array, "B V"], Cache]:
        """See `TextNetwork`."""
        params, size = _cast(params), self.config.context
        place = jnp.where(tokens == MARK, 0, cache.place)
        slot = cache.time % size
        age = (cache.time - jnp.arange(size)) % size
        bias = jnp.where(age <= place[:, None], 0.0, _FAR)
        x = params["embedding"][jnp.maximum(tokens, 0)]
        x = x + params["places"][jnp.minimum(place, size - 1)]
        layers, keys, values = _layers(params), [], []
        for i in range(self.config.layers):
            layer = jax.tree.map(lambda leaf, i=i: leaf[i], layers)
            q, k, v = self._heads(_norm(x, layer.norms[0]) @ layer.attend)
            keys.append(jax.lax.dynamic_update_slice_in_dim(cache.keys[i], k[..., None], slot, 3))
            new = v[:, :, None]
            values.append(jax.lax.dynamic_update_slice_in_dim(cache.values[i], new, slot, 2))
            scores = jnp.einsum("bhe,bhes->bhs", q, keys[-1])
            heard = jnp.einsum("bhs,bhse->bhe", _weights(scores, bias[:, None], q), values[-1])
            x = _mix(layer, x, heard.reshape(x.shape))
        after = Cache(tuple(keys), tuple(values), cache.time + 1, place + 1)
        return self._out(params, x), after

    def _attention(self, layer: _Layer, x: Array, bias: Array) -> Array:
        q, k, v = self._heads(_norm(x, layer.norms[0]) @ layer.attend)
        weights = _weights(jnp.einsum("bthe,bshe->bhts", q, k), bias, q)
        return jnp.einsum("bhts,bshe->bthe", weights, v).reshape(x.shape)

    def _heads(self, x: Float[Array, "... 3D"]) -> list[Float[Array, "... H E"]]:
        """Queries, keys and values, head by head."""
        parts = jnp.split(x, 3, axis=-1)
        return [part.reshape(*part.shape[:-1], self.config.heads, -1) for part in parts]

    def _out(self, params: Params, x: Array) -> Array:
        return (_norm(x, params["norm"]) @ params["embedding"].T).astype(jnp.float32)


def _layers(params: Params) -> _Layer:
    return _Layer(*(params[name] for name in _Layer._fields))


def _cast(params: Params) -> Params:
    return jax.tree.map(lambda x: x.astype(compute_type()), params)


def _weights(scores: Array, bias: Array, query: Array) -> Array:
    """Attention over the last axis (Vaswani et al. 2017, equation 1)."""
    scaled = scores.astype(jnp.float32) * query.shape[-1] ** -0.5
    return jax.nn.softmax(scaled + bias).astype(query.dtype)
