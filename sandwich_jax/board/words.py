"""Sets of squares as two 32-bit words, so that 64-bit types stay off.

A `Squares` holds one set of squares for each lane of a batch. Bit s of the 64 is square
s = 8 * file + rank: the low word has files a to d, the high word files e to h, and each byte is
one file (see `geometry` for the picture). All operations are elementwise over the batch.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

WORD = 32
FULL = np.uint32(0xFFFFFFFF)


def _rank_mask(dr: int) -> np.uint32:
    """The ranks from which a step of `dr` ranks stays on the board, repeated for four files."""
    byte = (0xFF >> dr) if dr >= 0 else (0xFF << -dr) & 0xFF
    return np.uint32(byte * 0x01010101)


class Squares(NamedTuple):
    """A set of squares for each lane: `lo` files a-d, `hi` files e-h; uint32 arrays."""

    lo: jax.Array
    hi: jax.Array

    def __and__(self, other: "Squares") -> "Squares":
        return Squares(self.lo & other.lo, self.hi & other.hi)

    def __or__(self, other: "Squares") -> "Squares":
        return Squares(self.lo | other.lo, self.hi | other.hi)

    def __xor__(self, other: "Squares") -> "Squares":
        return Squares(self.lo ^ other.lo, self.hi ^ other.hi)

    def __invert__(self) -> "Squares":
        return Squares(~self.lo, ~self.hi)

    def shift(self, df: int, dr: int, guard: bool = True) -> "Squares":
        """Every square moved by `df` files and `dr` ranks; squares that leave the board vanish.

        Without `guard` the ranks are not masked: only for sets that are known to stay on the board.
        """
        lo, hi = self
        if guard and dr:
            mask = _rank_mask(dr)
            lo, hi = lo & mask, hi & mask
        n = 8 * df + dr
        if n == 0:
            return Squares(lo, hi)
        if n >= WORD:
            return Squares(jnp.zeros_like(lo), lo << np.uint32(n - WORD) if n > WORD else lo)
        if n > 0:
            return Squares(lo << np.uint32(n), (hi << np.uint32(n)) | (lo >> np.uint32(WORD - n)))
        n = -n
        if n >= WORD:
            return Squares(hi >> np.uint32(n - WORD) if n > WORD else hi, jnp.zeros_like(hi))
        return Squares((lo >> np.uint32(n)) | (hi << np.uint32(WORD - n)), hi >> np.uint32(n))

    def any(self) -> jax.Array:
        """bool: whether the set holds a square."""
        return (self.lo | self.hi) != 0

    def count(self) -> jax.Array:
        """int32: the number of squares in the set."""
        return (jax.lax.population_count(self.lo) + jax.lax.population_count(self.hi)).astype(
            jnp.int32
        )

    def where(self, keep: jax.Array) -> "Squares":
        """The set where `keep` holds, the empty set elsewhere."""
        mask = jnp.where(keep, FULL, np.uint32(0))
        return Squares(self.lo & mask, self.hi & mask)

    def mirror(self) -> "Squares":
        """The board seen by the other side: ranks reversed, files kept (bits within each byte)."""
        return Squares(_mirror_word(self.lo), _mirror_word(self.hi))


def _mirror_word(x: jax.Array) -> jax.Array:
    for n, mask in ((1, 0x55555555), (2, 0x33333333), (4, 0x0F0F0F0F)):
        m = np.uint32(mask)
        x = ((x >> np.uint32(n)) & m) | ((x & m) << np.uint32(n))
    return x


def union(sets) -> Squares:
    """The union of several sets."""
    sets = list(sets)
    out = sets[0]
    for s in sets[1:]:
        out = out | s
    return out


def square(index: jax.Array) -> Squares:
    """The set holding one square (int32 in 0..63); the empty set where the index is negative."""
    one = jnp.where(index >= 0, np.uint32(1), np.uint32(0)) << (index & 31).astype(jnp.uint32)
    high = index >= WORD
    return Squares(jnp.where(high, np.uint32(0), one), jnp.where(high, one, np.uint32(0)))


def constant(squares) -> Squares:
    """A fixed set, from a list of square numbers: numpy scalars that broadcast over lanes."""
    bits = sum(1 << int(s) for s in squares)
    words: Any = np.uint32(bits & 0xFFFFFFFF), np.uint32(bits >> 32)
    return Squares(*words)
