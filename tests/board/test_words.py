"""Sets of squares against Python's own integers."""

import hypothesis
import jax.numpy as jnp
import numpy as np
from hypothesis import strategies as st

from sandwich_jax.board.geometry import turn_over
from sandwich_jax.board.words import Squares, constant, square, union

WORDS = st.integers(0, 2**64 - 1)


def of(x: int) -> Squares:
    return Squares(jnp.uint32([x & 0xFFFFFFFF]), jnp.uint32([x >> 32]))


def to_int(s: Squares) -> int:
    return int(np.asarray(s.lo).ravel()[0]) | int(np.asarray(s.hi).ravel()[0]) << 32


def members(x: int) -> set[int]:
    return {i for i in range(64) if x >> i & 1}


@hypothesis.settings(max_examples=40, deadline=None)
@hypothesis.given(WORDS, st.integers(-7, 7), st.integers(-7, 7))
def test_shift_moves_each_square_and_drops_those_that_leave(x, df, dr):
    moved = set()
    for s in members(x):
        file, rank = s // 8 + df, s % 8 + dr
        if 0 <= file < 8 and 0 <= rank < 8:
            moved.add(8 * file + rank)
    assert members(to_int(of(x).shift(df, dr))) == moved


@hypothesis.settings(max_examples=20, deadline=None)
@hypothesis.given(WORDS, WORDS)
def test_set_algebra(x, y):
    a, b = of(x), of(y)
    assert to_int(a & b) == x & y
    assert to_int(a | b) == x | y == to_int(union([a, b]))
    assert to_int(a ^ b) == x ^ y
    assert to_int(~a) == x ^ (2**64 - 1)
    assert int(a.count()[0]) == bin(x).count("1")
    assert bool(a.any()[0]) == (x != 0)
    assert members(to_int(a.mirror())) == {turn_over(s) for s in members(x)}
    assert to_int(a.where(jnp.array([True]))) == x
    assert to_int(a.where(jnp.array([False]))) == 0


def test_single_squares():
    got = square(jnp.arange(-1, 64))
    for i, (lo, hi) in enumerate(zip(np.asarray(got.lo), np.asarray(got.hi), strict=True)):
        assert int(lo) | int(hi) << 32 == (1 << (i - 1) if i else 0)
    assert members(to_int(constant([0, 31, 32, 63]))) == {0, 31, 32, 63}
