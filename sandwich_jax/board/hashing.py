"""A 64-bit hash of a position, mixed straight from its words.

Each word goes through a step that is one-to-one in the 64-bit state, so two positions that differ
in one word never share a hash; others do so with probability about 2**-64.
"""

import jax
import jax.numpy as jnp
import numpy as np

_M1, _M2, _M3 = np.uint32(0x9E3779B1), np.uint32(0x85EBCA6B), np.uint32(0xC2B2AE35)
_SEEDS = np.uint32(0x243F6A88), np.uint32(0x85A308D3)


def _mix(a, b, word):
    """Fold one word in; for a fixed word, one-to-one in (a, b)."""
    a = (a ^ word) * _M1
    a = a ^ (a >> np.uint32(15))
    b = (b + a) * _M2
    b = b ^ (b >> np.uint32(13))
    return a + ((b << np.uint32(7)) | (b >> np.uint32(25))), b


def _finish(x):
    x = (x ^ (x >> np.uint32(16))) * _M2
    x = (x ^ (x >> np.uint32(13))) * _M3
    return x ^ (x >> np.uint32(16))


def hash_position(
    board: jax.Array, color: jax.Array, castling: jax.Array, en_passant: jax.Array
) -> jax.Array:
    """uint32[2, B] from pieces, side to move, castling rights and en-passant square.

    Args:
        board: uint32[4, 2, B].
        color: int32[B], 0 or 1.
        castling: uint32[B], four bits.
        en_passant: int32[B], the square if it counts towards the identity of the position, or -1.
    """
    rest = castling | (color.astype(jnp.uint32) << np.uint32(4))
    rest = rest | ((en_passant + 1).astype(jnp.uint32) << np.uint32(5))
    a, b = jnp.full_like(rest, _SEEDS[0]), jnp.full_like(rest, _SEEDS[1])
    for word in [*board.reshape(8, *board.shape[2:]), rest]:
        a, b = _mix(a, b, word)
    return jnp.stack([_finish(a + _M3 * b), _finish(b)])
