"""Networks of Leela Chess Zero, such as the Maias, as networks of this project.

Labels are this project's own. lc0 writes a move as a plane of 80 on its source square: eight
directions by seven distances, eight jumps of a knight, and nine promotions to queen, bishop and
rook; a pawn's plain move to the last rank is its promotion to a knight, and castling is the king
taking its rook. The kernel of the last convolution is put in the order of this project's planes;
what is left to do is an exchange where a pawn promotes, and one on a king's square before castling.

Without history a network sees every older position as the present one (lc0 does so after a FEN,
other than that of the initial position): its kernels are summed over the eight positions, and run
on 20 planes. With history it sees the 112 planes of `games.past`.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import pathlib
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, UInt

from sandwich_jax import board
from sandwich_jax.board import geometry
from sandwich_jax.games import past
from sandwich_jax.nets import lc0_file
from sandwich_jax.nets.convolution import convolve
from sandwich_jax.nets.network import Network, chunked, compute_type
from sandwich_jax.types import Outputs, Params, PRNGKey

PLANES = 20
"""Of `decode`."""
_SQUARES = 64
_POSITION = 13
"""lc0's planes of one position."""
_THEIR_PAWNS = 6
_RIGHTS, _BLACK, _CLOCK, _ONES = 104, 108, 109, 111
"""Where lc0's other planes are."""


@dataclasses.dataclass(frozen=True)
class Lc0Config:
    """Static shape of a network of Leela Chess Zero; the defaults are the Maias'."""

    width: int = 64
    """Channels of the tower."""
    blocks: int = 6
    """Residual blocks of two 3 x 3 convolutions."""
    squeeze: int = 8
    """Hidden units of squeeze-and-excitation."""
    policy_width: int = 64
    """Channels between the two convolutions of the policy."""
    value_channels: int = 32
    value_hidden: int = 128
    history: bool = False
    """It sees the last eight positions, not the present one alone."""


def load(path: pathlib.Path, history: bool = False) -> tuple[Network, Params]:
    """The network in a file of lc0, and its parameters.

    Args:
        path: a `.pb` or `.pb.gz` file.
        history: see `Lc0Config`; wants the states of `games.past`.

    Raises:
        SettingError: the file cannot be read or holds a network of another kind.
    """
    weights = lc0_file.read(path)
    return make(config_of(weights, history)), params_of(weights, history)


def config_of(weights: lc0_file.Weights, history: bool = False) -> Lc0Config:
    """The shape of the network that has these weights."""
    return Lc0Config(
        width=len(weights.stem.bias),
        blocks=len(weights.blocks),
        squeeze=len(weights.blocks[0].squeeze.bias),
        policy_width=len(weights.policy_hidden.bias),
        value_channels=len(weights.value_squeeze.bias),
        value_hidden=len(weights.value_hidden.bias),
        history=history,
    )


@functools.cache
def make(config: Lc0Config) -> Network:
    """The network of this shape, for chess; parameters are those of `params_of`, or random.

    Values are wins minus losses in [-1, 1], for the mover. Compute is bfloat16 on accelerators and
    float32 on CPU; parameters are float32.
    """

    def apply(params: Params, features: Float[Array, "B 8 8 C"]) -> Outputs:
        return chunked(lambda x: _forward(params, x)[0], features)

    def inspect(params: Params, features: Float[Array, "B 8 8 C"]) -> tuple[Outputs, Array]:
        return chunked(lambda x: _forward(params, x), features)

    def init(key: PRNGKey) -> Params:
        return _init(config, key)

    shapes = jax.eval_shape(init, jax.random.key(0))
    count = sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(shapes))
    sees = past.observe if config.history else decode
    return Network(config, init, apply, count, inspect, sees, looks_back=config.history)


# --- what it sees -------------------------------------------------------------------------------


def decode(encoded: UInt[Array, "B W"]) -> Float[Array, "B 8 8 20"]:
    """What a network without history sees, [file, rank] in the mover's view.

    0-5 own pawns, knights, bishops, rooks, queens, king; 6-11 the opponent's; 12, 13 own right to
    castle queen side, king side; 14, 15 the opponent's; 16 the pawn that could be taken en passant,
    1 where it came from and -1 where it stands; 17 the halfmove clock, up to 255; 18 Black to move;
    19 ones.

    Args:
        encoded: positions by `board.encode`, whatever words follow.
    """
    encoded = past.present(encoded)
    planes = board.decode(encoded)
    passed = jnp.pad(planes[..., 16:17], ((0, 0), (0, 0), (1, 1), (0, 0)))
    moved = passed[:, :, :-2] - passed[:, :, 2:]
    clock, color = board.clock_of(encoded), board.color_of(encoded)
    numbers = jnp.stack([clock, color, jnp.ones_like(color)], -1).astype(jnp.float32)
    numbers = jnp.broadcast_to(numbers[:, None, None], (*planes.shape[:3], 3))
    return jnp.concatenate([planes[..., :16], moved, numbers], -1)


# --- the pass -----------------------------------------------------------------------------------


def _forward(params: Params, x: Float[Array, "B 8 8 C"]) -> tuple[Outputs, Float[Array, "B 8 8 D"]]:
    """Outputs and the tower's last layer."""
    kind = compute_type()
    params = jax.tree.map(lambda leaf: leaf.astype(kind), params)
    seen = x.astype(kind)
    y = jax.nn.relu(_conv(params["stem"], seen))
    for block in params["blocks"]:
        y = _block(block, y)
    outputs = Outputs(_policy(params, y, seen), _value(params, y))
    return jax.tree.map(lambda out: out.astype(jnp.float32), outputs), y


def _conv(layer: Params, x: Float[Array, "B 8 8 C"]) -> Float[Array, "B 8 8 O"]:
    return convolve(x, layer["kernel"]) + layer["bias"]


def _dense(layer: Params, x: Float[Array, "... I"]) -> Float[Array, "... O"]:
    return x @ layer["kernel"] + layer["bias"]


def _block(layers: Params, x: Float[Array, "B 8 8 C"]) -> Float[Array, "B 8 8 C"]:
    y = _conv(layers["second"], jax.nn.relu(_conv(layers["first"], x)))
    pooled = jax.nn.relu(_dense(layers["squeeze"], y.mean(axis=(1, 2))))
    gate, shift = jnp.split(_dense(layers["excite"], pooled), 2, axis=-1)
    return jax.nn.relu(x + y * jax.nn.sigmoid(gate)[:, None, None] + shift[:, None, None])


def _value(params: Params, x: Float[Array, "B 8 8 C"]) -> Float[Array, "B"]:
    y = jax.nn.relu(_dense(params["value_squeeze"], x)).reshape(x.shape[0], -1)
    y = _dense(params["value_out"], jax.nn.relu(_dense(params["value_hidden"], y)))
    win, _, loss = jnp.moveaxis(jax.nn.softmax(y.astype(jnp.float32)), -1, 0)
    return win - loss


def _policy(
    params: Params, x: Float[Array, "B 8 8 C"], seen: Float[Array, "B 8 8 I"]
) -> Float[Array, "B A"]:
    """Logits of all labels; those of labels that are not legal are of no meaning."""
    planes = _conv(params["policy"], jax.nn.relu(_conv(params["policy_hidden"], x)))
    own_pawns, own_king = seen[..., 0], seen[:, 4, 0, 5]
    promotes = (own_pawns > 0) & (np.arange(8) == 6)
    planes = jnp.where(promotes[..., None], planes[..., _PROMOTING], planes)
    castles = jnp.zeros((8, 8, 1), bool).at[4, 0].set(True) & (own_king > 0)[:, None, None, None]
    planes = jnp.where(castles, planes[..., _CASTLING], planes)
    return planes.reshape(x.shape[0], -1)


# --- the order of planes ------------------------------------------------------------------------


def _knight_planes() -> dict[tuple[int, int], int]:
    """This project's planes of promotion to a knight, by the pawn's step."""
    first = len(geometry.WAYS) * geometry.UNDERPROMOTIONS.index(geometry.KNIGHT)
    return {way: first + i for i, way in enumerate(geometry.WAYS)}


def _source_planes() -> np.ndarray:
    """lc0's plane for each of this project's 73.

    The planes of promotion to a knight hold lc0's promotion to a queen, until a pawn is known to
    stand there (`_PROMOTING`).
    """
    directions = ((0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1), (-1, 0), (-1, 1))
    jumps = ((1, 2), (2, 1), (2, -1), (1, -2), (-1, -2), (-2, -1), (-2, 1), (-1, 2))
    steps = [(df * n, dr * n) for df, dr in directions for n in range(1, 8)] + list(jumps)
    pieces = (geometry.ROOK, geometry.BISHOP, geometry.QUEEN)
    promotions = [(way, piece) for way in ((-1, 1), (0, 1), (1, 1)) for piece in pieces]
    found = []
    for plane, step in enumerate(geometry.STEPS):
        if plane >= geometry.FIRST_LINE:
            found.append(steps.index(step))
            continue
        piece = geometry.UNDERPROMOTIONS[plane // len(geometry.WAYS)]
        stored = geometry.QUEEN if piece == geometry.KNIGHT else piece
        found.append(len(steps) + promotions.index((step, stored)))
    return np.array(found)


def _exchanged(pairs: dict[int, int]) -> np.ndarray:
    order = np.arange(geometry.PLANES)
    for one, other in pairs.items():
        order[one], order[other] = other, one
    return order


_SOURCE = _source_planes()
# A promotion to a queen is here a plain step, and one to a knight is a plain step in lc0.
_PROMOTING = _exchanged(
    {plane: geometry.LINE_PLANE[way] for way, plane in _knight_planes().items()}
)
# The king goes two files here, and in lc0 to its rook.
_CASTLING = _exchanged(
    {geometry.LINE_PLANE[s, 0]: geometry.LINE_PLANE[t, 0] for s, t in ((2, 3), (-2, -4))}
)


# --- parameters ---------------------------------------------------------------------------------


def params_of(weights: lc0_file.Weights, history: bool = False) -> Params:
    """Weights of a file as parameters for `make`: the same numbers in other orders, and sums."""
    stem = weights.stem if history else _without_history(weights.stem)
    planes = lc0_file.Convolution(weights.policy.kernel[_SOURCE], weights.policy.bias[_SOURCE])
    hidden = weights.value_hidden
    squares = hidden.kernel.reshape(len(hidden.bias), -1, 8, 8)  # [out, channel, rank, file]
    squares = squares.transpose(0, 3, 2, 1).reshape(len(hidden.bias), -1)
    value = weights.value_squeeze
    params = {
        "stem": _conv_params(stem),
        "blocks": [_block_params(block) for block in weights.blocks],
        "policy_hidden": _conv_params(weights.policy_hidden),
        "policy": _conv_params(planes),
        "value_squeeze": _dense_params(lc0_file.Dense(value.kernel[:, :, 0, 0], value.bias)),
        "value_hidden": _dense_params(lc0_file.Dense(squares, hidden.bias)),
        "value_out": _dense_params(weights.value_out),
    }
    return jax.tree.map(lambda x: jnp.asarray(x, jnp.float32), params)


def _without_history(stem: lc0_file.Convolution) -> lc0_file.Convolution:
    """The first convolution on the planes of `decode`."""
    kernel = stem.kernel.astype(np.float64)
    positions = kernel[:, :_RIGHTS].reshape(len(kernel), -1, _POSITION, *kernel.shape[2:])
    pieces = positions[:, :, : _POSITION - 1].sum(1)
    pawn = positions[:, 1:, _THEIR_PAWNS].sum(1)[:, None]
    others = kernel[:, [_CLOCK, _BLACK, _ONES]]
    rights = kernel[:, _RIGHTS:_BLACK]
    summed = np.concatenate([pieces, rights, pawn, others], 1)
    return lc0_file.Convolution(summed.astype(np.float32), stem.bias)


def _conv_params(layer: lc0_file.Convolution) -> dict[str, Any]:
    # [out, in, rank, file] to [file, in, rank, out], as `convolve` has it.
    return {"kernel": layer.kernel.transpose(3, 1, 2, 0), "bias": layer.bias}


def _dense_params(layer: lc0_file.Dense) -> dict[str, Any]:
    return {"kernel": layer.kernel.T, "bias": layer.bias}


def _block_params(block: lc0_file.Block) -> dict[str, Any]:
    return {
        "first": _conv_params(block.first),
        "second": _conv_params(block.second),
        "squeeze": _dense_params(block.squeeze),
        "excite": _dense_params(block.excite),
    }


def _init(config: Lc0Config, key: PRNGKey) -> Params:
    """Random parameters; blocks begin near the identity."""
    width, planes = config.width, past.OBSERVED if config.history else PLANES
    keys = iter(jax.random.split(key, 6 + 4 * config.blocks))

    def conv(cin: int, cout: int, scale: float = 1.0) -> dict[str, Array]:
        kernel = scale * math.sqrt(2 / (9 * cin)) * jax.random.normal(next(keys), (3, cin, 3, cout))
        return {"kernel": kernel, "bias": jnp.zeros(cout)}

    def dense(cin: int, cout: int, scale: float = 1.0) -> dict[str, Array]:
        kernel = scale * math.sqrt(2 / cin) * jax.random.normal(next(keys), (cin, cout))
        return {"kernel": kernel, "bias": jnp.zeros(cout)}

    def block() -> dict[str, Any]:
        return {
            "first": conv(width, width),
            "second": conv(width, width, 0.3),
            "squeeze": dense(width, config.squeeze),
            "excite": dense(config.squeeze, 2 * width, 0.3),
        }

    return {
        "stem": conv(planes, width),
        "blocks": [block() for _ in range(config.blocks)],
        "policy_hidden": conv(width, config.policy_width),
        "policy": conv(config.policy_width, geometry.PLANES, 0.1),
        "value_squeeze": dense(width, config.value_channels),
        "value_hidden": dense(_SQUARES * config.value_channels, config.value_hidden),
        "value_out": dense(config.value_hidden, 3, 0.1),
    }
