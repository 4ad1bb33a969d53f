"""The networks of this project, on plain pytrees; the only file with flax.

A residual tower with squeeze-and-excitation. There is no batch statistic anywhere, so members of
a population never see one another, and a network answers the same alone and in a batch.
"""

from __future__ import annotations

import dataclasses
import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float

from sandwich_jax.nets.convolution import convolve
from sandwich_jax.nets.network import Network, chunked, compute_type
from sandwich_jax.types import Heads, Outputs, Params, PRNGKey, SettingError


@dataclasses.dataclass(frozen=True)
class NetConfig:
    """Static shape of a network."""

    width: int = 32
    """Channels of the tower."""
    blocks: int = 4
    """Residual blocks of two 3 x 3 convolutions."""
    squeeze: int = 8
    """Hidden units of squeeze-and-excitation."""
    value_channels: int = 4
    value_hidden: int = 32


SIZES = {
    "nano": NetConfig(width=8, blocks=1, squeeze=4, value_channels=2, value_hidden=8),
    "mini": NetConfig(blocks=2),
    "tiny": NetConfig(),
    "base": NetConfig(width=64, blocks=6, squeeze=16, value_channels=8, value_hidden=64),
    "large": NetConfig(width=192, blocks=15, squeeze=32, value_channels=16, value_hidden=128),
}


class Conv3x3(nnx.Module):
    """3 x 3 convolution, in the form that is fast on this machine (see `forms.convolution`)."""

    def __init__(self, cin: int, cout: int, rngs: nnx.Rngs, scale: float = 1.0):
        std = scale * math.sqrt(2.0 / (9 * cin))
        kernel = std * jax.random.normal(rngs.params(), (3, cin, 3, cout))
        self.kernel = nnx.Param(kernel)  # [file tap, cin, rank tap, cout]
        self.bias = nnx.Param(jnp.zeros(cout))

    def __call__(self, x: Float[Array, "B H W C"]) -> Float[Array, "B H W O"]:
        return convolve(x, self.kernel[...].astype(x.dtype)) + self.bias[...].astype(x.dtype)


class Dense(nnx.Module):
    """A dense layer on the last axis."""

    def __init__(self, cin: int, cout: int, rngs: nnx.Rngs, scale: float = 1.0):
        std = scale * math.sqrt(2.0 / cin)
        self.kernel = nnx.Param(std * jax.random.normal(rngs.params(), (cin, cout)))
        self.bias = nnx.Param(jnp.zeros(cout))

    def __call__(self, x: Float[Array, "... I"]) -> Float[Array, "... O"]:
        return x @ self.kernel[...].astype(x.dtype) + self.bias[...].astype(x.dtype)


class Block(nnx.Module):
    """Two convolutions and squeeze-and-excitation that scales and shifts each channel.

    The excitation with a shift is that of Leela Chess Zero's networks.
    """

    def __init__(self, config: NetConfig, rngs: nnx.Rngs):
        width = config.width
        self.conv1 = Conv3x3(width, width, rngs)
        # A small second convolution starts each block near the identity, in place of a norm.
        self.conv2 = Conv3x3(width, width, rngs, scale=0.3)
        self.squeeze = Dense(width, config.squeeze, rngs)
        self.excite = Dense(config.squeeze, 2 * width, rngs, scale=0.3)

    def __call__(self, x: Float[Array, "B H W C"]) -> Float[Array, "B H W C"]:
        y = self.conv2(jax.nn.relu(self.conv1(x)))
        pooled = jax.nn.relu(self.squeeze(y.mean(axis=(1, 2))))
        gate, shift = jnp.split(self.excite(pooled), 2, axis=-1)
        y = y * jax.nn.sigmoid(gate)[:, None, None] * 2 + shift[:, None, None]
        return jax.nn.relu(x + y)


class Tower(nnx.Module):
    """Residual tower with a policy head over all action labels and a value head.

    Where labels are moves from a square to a square, the policy adds to a linear map of the
    source square the product of a query from the source and a key from the target, as in Leela
    Chess Zero's attention policy: a source square alone would have to know of every target.
    """

    def __init__(self, config: NetConfig, heads: Heads, rngs: nnx.Rngs):
        (height, width, channels), actions = heads.shape, heads.actions
        squares = height * width
        self.stem = Conv3x3(channels, config.width, rngs)
        self.blocks = nnx.List([Block(config, rngs) for _ in range(config.blocks)])
        # Labels laid out square by square (chess) need no dense layer over the whole board.
        self.per_square = actions % squares == 0
        policy_in = config.width if self.per_square else 2 * squares
        policy_out = actions // squares if self.per_square else actions
        if not self.per_square:
            self.policy_squeeze = Dense(config.width, 2, rngs)
        self.policy = Dense(policy_in, policy_out, rngs, scale=0.1)
        self.pairs = _pairs(heads.targets, squares)
        if self.pairs is not None:
            self.query = Dense(config.width, config.width, rngs, scale=0.5)
            self.key = Dense(config.width, config.width, rngs, scale=0.5)
        self.value_squeeze = Dense(config.width, config.value_channels, rngs)
        self.value_hidden = Dense(squares * config.value_channels, config.value_hidden, rngs)
        self.value_out = Dense(config.value_hidden, 1, rngs, scale=0.1)

    def __call__(self, x: Float[Array, "B H W C"]) -> tuple[Outputs, Float[Array, "B H W D"]]:
        x = jax.nn.relu(self.stem(x))
        for block in self.blocks:
            x = block(x)
        return self.heads(x), x

    def heads(self, x: Float[Array, "B H W D"]) -> Outputs:
        """Policy and value from the tower's output."""
        b = x.shape[0]
        policy = x if self.per_square else jax.nn.relu(self.policy_squeeze(x)).reshape(b, -1)
        logits = self.policy(policy).reshape(b, -1)
        if self.pairs is not None:
            logits = logits + self._source_to_target(x.reshape(b, -1, x.shape[-1]))
        value = jax.nn.relu(self.value_squeeze(x)).reshape(b, -1)
        value = self.value_out(jax.nn.relu(self.value_hidden(value)))[:, 0]
        return Outputs(logits.astype(jnp.float32), jnp.tanh(value.astype(jnp.float32)))

    def _source_to_target(self, x: Float[Array, "B S C"]) -> Float[Array, "B A"]:
        query, key = self.query(x), self.key(x)
        scores = jnp.einsum("bsc,btc->bst", query, key) / math.sqrt(x.shape[-1])
        # Pairs first, so that what is gathered, and added to in the gradient, are whole rows.
        rows = jnp.pad(scores.reshape(x.shape[0], -1).T, ((0, 1), (0, 0)))  # last: no target
        return rows[np.asarray(self.pairs)].T


def _pairs(targets: tuple[int, ...] | None, squares: int) -> tuple[int, ...] | None:
    """Index of each label among the source-target pairs; the one past the end if it has none."""
    if targets is None:
        return None
    planes = len(targets) // squares
    sources = [label // planes for label in range(len(targets))]
    return tuple(
        source * squares + target if target >= 0 else squares * squares
        for source, target in zip(sources, targets, strict=True)
    )


def make(size: str | NetConfig, heads: Heads) -> Network:
    """Builds a network for what `heads` says of a game; the very same for the same arguments.

    Compute is bfloat16 on accelerators and float32 on CPU; parameters are float32 everywhere.

    Raises:
        SettingError: `size` is not the name of a size.
    """
    if isinstance(size, str) and size not in SIZES:
        raise SettingError(f"Unknown network '{size}': choose one of {', '.join(SIZES)}.")
    return _network(SIZES[size] if isinstance(size, str) else size, heads)


@functools.cache
def _network(config: NetConfig, heads: Heads) -> Network:
    """One object for a shape, however it was spelled: programs are shared by equal networks."""

    def build(key: PRNGKey) -> Tower:
        return Tower(config, heads, nnx.Rngs(params=key))

    graph, abstract = nnx.split(nnx.eval_shape(build, jax.random.key(0)))

    def init(key: PRNGKey) -> Params:
        return nnx.to_pure_dict(nnx.state(build(key)))

    def forward(params: Params, features: Float[Array, "B H W C"]) -> tuple[Outputs, Array]:
        state = jax.tree.map(lambda x: x, abstract)
        nnx.replace_by_pure_dict(state, params)
        return nnx.merge(graph, state)(features.astype(compute_type()))

    def apply(params: Params, features: Float[Array, "B H W C"]) -> Outputs:
        return chunked(lambda x: forward(params, x)[0], features)

    def inspect(params: Params, features: Float[Array, "B H W C"]) -> tuple[Outputs, Array]:
        return chunked(lambda x: forward(params, x), features)

    count = sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(abstract))
    return Network(config, init, apply, count, inspect)
