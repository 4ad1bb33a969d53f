"""From packed words to the arrays a network takes: one entry for each square, move or plane."""

import jax
import jax.numpy as jnp
import numpy as np

from . import geometry as g
from .staging import batch_first, stage


def _iota(shape: tuple, axis: int) -> jax.Array:
    return jax.lax.broadcasted_iota(jnp.uint32, shape, axis)


def _rows(words: jax.Array) -> jax.Array:
    """[B, 2, N] from [N, 2, B]: batch first and the sets side by side, as the results are.

    The inner loop then shifts neighbouring words by one number. This and the shape of the final
    stage (no reshape within it, a long last axis) are what makes XLA's CPU code run over vectors.
    """
    return stage(lambda w: jnp.transpose(w, (2, 1, 0)), words)


def spread(words: jax.Array) -> jax.Array:
    """uint32[N, 2, B] sets to bool[B, 64, N]: whether each square is in each set."""

    def bits(rows):
        return ((rows[:, :, None, :] >> _iota((1, 1, 32, 1), 2)) & np.uint32(1)).astype(jnp.bool_)

    return stage(bits, _rows(words)).reshape(words.shape[-1], g.SQUARES, words.shape[0])


def paint(words: jax.Array, scale: jax.Array, picture: bool = False) -> jax.Array:
    """float32[B, 8, 8, N] planes: in each set its scale, 0 elsewhere.

    Args:
        words: uint32[N, 2, B] sets.
        scale: float32[N, B].
        picture: axes [rank from the top, file], as a printed board, instead of [file, rank].
    """
    n, batch = words.shape[0], words.shape[-1]
    rows, scale = _rows(words), stage(lambda x: x.T, scale)

    def planes(rows, scale, shift):
        bits = (rows >> shift) & np.uint32(1)
        return bits.astype(jnp.int32).astype(jnp.float32) * scale

    if picture:
        shape = (1, 8, 1, 4, 1)
        shift = np.uint32(8) * _iota(shape, 3) + (np.uint32(7) - _iota(shape, 1))
        out = stage(planes, rows[:, None, :, None, :], scale[:, None, None, None, :], shift)
    else:
        # The eight ranks of a file first, so that the last axis is eight times as long.
        ranks = stage(lambda r: r[:, :, None, :] >> _iota((1, 1, 8, 1), 2), rows)
        ranks = ranks.reshape(batch, 2, 1, 8 * n)
        scale = stage(lambda s: jnp.repeat(s[:, None, :], 8, 1), scale).reshape(batch, 1, 1, 8 * n)
        out = stage(planes, ranks, scale, np.uint32(8) * _iota((1, 1, 4, 1), 2))
    return out.reshape(batch, 8, 8, n)


@batch_first
def expand(words: jax.Array) -> jax.Array:
    """bool[B, 4672]: which labels are legal, from uint32[73, 2, B] packed legal moves."""
    return spread(words).reshape(words.shape[-1], g.LABELS)


@batch_first
def board_codes(board: jax.Array) -> jax.Array:
    """int8[B, 64]: the piece on each square, from uint32[4, 2, B] bit planes.

    1..6 are the mover's pawn, knight, bishop, rook, queen and king, negative numbers the
    opponent's, 0 an empty square; squares in the mover's view, as in pgx.
    """
    digits = spread(board).astype(jnp.int8)
    code = digits[..., 0] + 2 * digits[..., 1] + 4 * digits[..., 2]
    return code * (2 * digits[..., 3] - 1)
