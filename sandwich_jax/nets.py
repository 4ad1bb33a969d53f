"""Policy and value networks behind `init` and `apply` on plain pytrees; the only file with flax.

A residual tower with squeeze-and-excitation. There is no batch statistic anywhere, so members of
a population never see one another, and a network answers the same alone and in a batch.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Bool, Float, PyTree

from sandwich_jax import forms
from sandwich_jax.games import Game
from sandwich_jax.types import Heads, Outputs, Params, PRNGKey, SettingError, State


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
    "tiny": NetConfig(),
    "base": NetConfig(width=64, blocks=6, squeeze=16, value_channels=8, value_hidden=64),
    "large": NetConfig(width=192, blocks=15, squeeze=32, value_channels=16, value_hidden=128),
}


class Network(NamedTuple):
    """`init(key) -> params` and `apply(params, features [B, H, W, C]) -> Outputs [B]`."""

    config: NetConfig
    init: Callable[[PRNGKey], Params]
    apply: Callable[[Params, Float[Array, "B H W C"]], Outputs]
    num_params: int
    inspect: Callable[[Params, Float[Array, "B H W C"]], tuple[Outputs, Float[Array, "B H W D"]]]
    """`apply`, and what the tower makes of each square: what probes look at."""
    features: Callable[[State], Float[Array, "B H W C"]] | None = None
    """What it sees of the positions in a state; None: the game's own features."""
    decode: Callable[[Array], Float[Array, "B H W C"]] | None = None
    """The same of encoded positions."""
    by_moves: bool = False
    """It says one move and nothing of the others, at a price for every position: an engine. It is
    shown zeros in the place of positions that are not wanted."""

    def view(self, game: Game, state: State) -> Float[Array, "B H W C"]:
        """What it sees of the positions in `state`."""
        return game.features(state) if self.features is None else self.features(state)

    def decoded(self, game: Game, positions: Array) -> Float[Array, "B H W C"]:
        """What it sees of encoded positions, [B, ...]."""
        return game.decode(positions) if self.decode is None else self.decode(positions)


def _taps(x: Float[Array, "B H W C"], kernel: Float[Array, "3 C 3 O"]) -> Float[Array, "B H W O"]:
    """3 x 3 convolution, zeros beyond the edge, as shifted slices and one matrix product.

    Three rank shifts are laid side by side, one product makes the three file taps of every
    square, and these are added after a shift: a third of the memory moved by all nine slices.
    """
    b, h, w, cin = x.shape
    cout = kernel.shape[-1]
    padded = jnp.pad(x, ((0, 0), (1, 1), (0, 0), (0, 0)))
    files = jnp.concatenate([padded[:, i : i + h] for i in range(3)], axis=-1)
    taps = files.reshape(b * h * w, 3 * cin) @ kernel.reshape(3 * cin, 3 * cout)
    taps = jnp.pad(taps.reshape(b, h, w, 3, cout), ((0, 0), (0, 0), (1, 1), (0, 0), (0, 0)))
    return sum((taps[:, :, i : i + w, i] for i in range(1, 3)), taps[:, :, :w, 0])


def _native(x: Float[Array, "B H W C"], kernel: Float[Array, "3 C 3 O"]) -> Float[Array, "B H W O"]:
    """`_taps` by the compiler's own convolution."""
    layout = ("NHWC", "HWIO", "NHWC")
    hwio = kernel.transpose(0, 2, 1, 3)
    return jax.lax.conv_general_dilated(x, hwio, (1, 1), "SAME", dimension_numbers=layout)


_CONVOLUTIONS = {"taps": _taps, "native": _native}


def _in_form(compute: Callable[..., Any], gradient: bool) -> Callable[..., Any]:
    """`compute(convolution, x, kernel, ...)` with the convolution in the form that is fast here.

    On an accelerator, mapped over members with kernels of their own, it takes the form for that;
    mapped over positions alone, they are one larger batch.
    """

    def plain(mapped: bool, x: Array, kernel: Array, *more: Array) -> Any:
        form = forms.convolution(forms.here(), x.shape[0], mapped, gradient)
        return compute(_CONVOLUTIONS[form], x, kernel, *more)

    @jax.custom_batching.custom_vmap
    def mappable(x: Array, kernel: Array, *more: Array) -> Any:
        return plain(False, x, kernel, *more)

    @mappable.def_vmap
    def _(size: int, batched: list[bool], *args: Array) -> Any:
        if size == 1:
            alone = [x[0] if own else x for x, own in zip(args, batched, strict=True)]
            out = jax.tree.map(lambda x: x[None], mappable(*alone))
            return out, jax.tree.map(lambda _: True, out)
        if batched == [True, False]:  # one network on the positions of all members
            x, kernel = args
            out = mappable(x.reshape(-1, *x.shape[2:]), kernel)
            return out.reshape(size, -1, *out.shape[1:]), True
        axes = tuple(0 if own else None for own in batched)
        out = jax.vmap(functools.partial(plain, True), axes)(*args)
        return out, jax.tree.map(lambda _: True, out)

    def choose(*args: Array) -> Any:
        cpu = forms.here().platform == "cpu"
        return plain(False, *args) if cpu else mappable(*args)

    return choose


_forward = _in_form(lambda form, x, kernel: form(x, kernel), gradient=False)
_backward = _in_form(lambda form, x, kernel, g: jax.vjp(form, x, kernel)[1](g), gradient=True)


@jax.custom_vjp
def _convolve(
    x: Float[Array, "B H W C"], kernel: Float[Array, "3 C 3 O"]
) -> Float[Array, "B H W O"]:
    """3 x 3 convolution, zeros beyond the edge; both passes in the form that is fast here."""
    return _forward(x, kernel)


_convolve.defvjp(
    lambda x, kernel: (_forward(x, kernel), (x, kernel)),
    lambda kept, gradient: _backward(*kept, gradient),
)


class Conv3x3(nnx.Module):
    """3 x 3 convolution, in the form that is fast on this machine (see `forms.convolution`)."""

    def __init__(self, cin: int, cout: int, rngs: nnx.Rngs, scale: float = 1.0):
        std = scale * math.sqrt(2.0 / (9 * cin))
        kernel = std * jax.random.normal(rngs.params(), (3, cin, 3, cout))
        self.kernel = nnx.Param(kernel)  # [file tap, cin, rank tap, cout]
        self.bias = nnx.Param(jnp.zeros(cout))

    def __call__(self, x: Float[Array, "B H W C"]) -> Float[Array, "B H W O"]:
        return _convolve(x, self.kernel[...].astype(x.dtype)) + self.bias[...].astype(x.dtype)


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


@functools.cache
def make(size: str | NetConfig, heads: Heads) -> Network:
    """Builds a network for what `heads` says of a game; the very same for the same arguments.

    Compute is bfloat16 on accelerators and float32 on CPU; parameters are float32 everywhere.

    Raises:
        SettingError: `size` is not the name of a size.
    """
    if isinstance(size, str) and size not in SIZES:
        raise SettingError(f"Unknown network '{size}': choose one of {', '.join(SIZES)}.")
    config = SIZES[size] if isinstance(size, str) else size

    def build(key: PRNGKey) -> Tower:
        return Tower(config, heads, nnx.Rngs(params=key))

    graph, abstract = nnx.split(nnx.eval_shape(build, jax.random.key(0)))

    def init(key: PRNGKey) -> Params:
        return nnx.to_pure_dict(nnx.state(build(key)))

    def forward(params: Params, features: Float[Array, "B H W C"]) -> tuple[Outputs, Array]:
        state = jax.tree.map(lambda x: x, abstract)
        nnx.replace_by_pure_dict(state, params)
        return nnx.merge(graph, state)(features.astype(_compute_type()))

    def chunked(fn: Callable[[Array], Any], features: Float[Array, "B H W C"]) -> Any:
        chunk = forms.here().chunk
        return (
            _in_chunks(fn, features, chunk) if chunk and features.shape[0] > chunk else fn(features)
        )

    def apply(params: Params, features: Float[Array, "B H W C"]) -> Outputs:
        return chunked(lambda x: forward(params, x)[0], features)

    def inspect(params: Params, features: Float[Array, "B H W C"]) -> tuple[Outputs, Array]:
        return chunked(lambda x: forward(params, x), features)

    count = sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(abstract))
    return Network(config, init, apply, count, inspect)


def _compute_type() -> Any:
    return jnp.bfloat16 if forms.here().half_precision else jnp.float32


def cast(players: PyTree[Array]) -> PyTree[Array]:
    """Networks in the type that they compute in: cast once before a loop, not at every ply.

    Answers stay what they are, since a network casts what it is given. Single numbers, such as
    knobs beside a network, are left alone.
    """
    kind = _compute_type()
    real = lambda x: x.ndim > 0 and x.dtype == jnp.float32  # noqa: E731
    return jax.tree.map(lambda x: x.astype(kind) if real(x) else x, players)


def apply_where(
    net: Network, params: Params, features: Float[Array, "B H W C"], wanted: Bool[Array, "B"]
) -> Outputs:
    """What a network says of the rows that are wanted; of the others it is of no meaning.

    On a CPU the others are left out, up to whole chunks; an accelerator runs a whole batch as fast.
    """
    here = forms.here()
    if net.by_moves:
        return net.apply(params, jnp.where(wanted[:, None], features, jnp.zeros_like(features)))
    chunk = here.chunk if here.skip else None
    if chunk is None or features.shape[0] <= chunk:
        return net.apply(params, features)
    everything = lambda: net.apply(params, features)  # noqa: E731
    some = lambda: _of_wanted(net, params, features, wanted, chunk)  # noqa: E731
    return jax.lax.cond(wanted.all(), everything, some)


def _of_wanted(
    net: Network,
    params: Params,
    features: Float[Array, "B H W C"],
    wanted: Bool[Array, "B"],
    size: int,
) -> Outputs:
    """`net.apply`, chunk by chunk, of the rows that are wanted."""
    order = jnp.argsort(~wanted, stable=True)  # the wanted ones first
    padding = [(0, -features.shape[0] % size)] + [(0, 0)] * (features.ndim - 1)
    rows = jnp.pad(features[order], padding)
    shapes = jax.eval_shape(net.apply, params, rows)
    blank = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), shapes)

    def chunk(i: Array, found: Outputs) -> Outputs:
        start = i * size
        part = jax.lax.dynamic_slice_in_dim(rows, start, size)
        outputs = net.apply(params, part)
        write = jax.lax.dynamic_update_slice_in_dim
        return jax.tree.map(lambda old, new: write(old, new, start, 0), found, outputs)

    found = jax.lax.fori_loop(0, -(-wanted.sum() // size), chunk, blank)
    back = jnp.argsort(order)
    return jax.tree.map(lambda x: x[back], found)


def _in_chunks(fn: Callable[[Array], Any], features: Float[Array, "B H W C"], chunk: int) -> Any:
    """`fn` over `chunk` rows at a time; the last chunk is padded with zeros."""
    batch = features.shape[0]
    count = -(-batch // chunk)
    padding = [(0, count * chunk - batch)] + [(0, 0)] * (features.ndim - 1)
    chunks = jnp.pad(features, padding).reshape(count, chunk, *features.shape[1:])
    outputs = jax.lax.map(fn, chunks)
    return jax.tree.map(lambda x: x.reshape(count * chunk, *x.shape[2:])[:batch], outputs)
