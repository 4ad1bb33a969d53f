"""What keeps the board fast: the size of its programs, and a benchmark that runs."""

import jax
import pytest

from sandwich_jax import board
from sandwich_jax.board.bench import VARIANTS, bench, pack

from .positions import FENS


def lines(function, *args):
    """The size of a compiled program, and how often it computes with whole words."""
    return jax.jit(function).lower(*args).compile().as_text().count("\n")


def rollout(state, key):
    def body(state, key):
        uniform = jax.random.uniform(key, state.ply.shape)
        after = board.step(state, board.sample_uniform(uniform, state.words, state.count))
        return board.reset(after, after.reason > 0), after.reason

    return jax.lax.scan(body, state, jax.random.split(key, 10))


def test_programs_stay_small():
    """Without stages each of 146 outputs repeats the whole work: several hundred thousand lines."""
    if jax.default_backend() != "cpu":
        pytest.skip("the stages are for CPUs")
    state = board.init(64)
    assert lines(board.step, state, jax.numpy.zeros(64, int)) < 27_000
    assert lines(rollout, state, jax.random.key(0)) < 32_000
    assert lines(board.features, state) < 3_000


def test_pack_is_the_inverse_of_expand():
    words = board.from_fen(FENS).words
    assert (pack(board.expand(words)) == words).all()


def test_bench_gives_its_rows():
    rows = list(bench((8,), ("compact features",), repeats=1, seconds=0.01, peer=False))
    assert [row["what"] for row in rows] == ["compact features", "compile, compact features"]
    for row in rows:
        assert set(row) == {"what", "batch", "ours", "peer", "ratio", "unit", "device"}
        assert row["ours"] > 0 and row["peer"] is None and row["batch"] == 8
    with pytest.raises(ValueError, match="unknown variant 'x'"):
        next(bench((8,), ("x",)))
    assert VARIANTS == ("packed masks", "compact features", "119 planes")
