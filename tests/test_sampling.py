"""Exactness of the samplers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats
from scipy.spatial.distance import cdist

from sandwich_jax import sampling

DRAWS = 20_000


def _draws(fn):
    uniform = jax.random.uniform(jax.random.key(0), (DRAWS // 100, 100))
    return np.asarray(jax.jit(lambda u: jax.lax.map(jax.vmap(fn), u))(uniform)).ravel()


@pytest.mark.parametrize("temperature", [0.3, 1.0, 2.5])
def test_sample_follows_the_softmax(temperature):
    logits = jnp.asarray([0.3, 9.0, -1.2, 0.5, 1.4, -0.2])
    legal = jnp.asarray([True, False, True, True, True, False])
    drawn = _draws(lambda u: sampling.sample(u, logits, legal, temperature))
    counts = np.bincount(drawn, minlength=6)
    weight = np.where(legal, np.exp(np.asarray(logits, np.float64) / temperature), 0)
    expected = DRAWS * weight / weight.sum()
    assert counts[~np.asarray(legal)].sum() == 0
    keep = np.asarray(legal)
    assert stats.chisquare(counts[keep], expected[keep]).pvalue > 1e-4


def test_uniform_legal_is_uniform():
    legal = jnp.zeros(4672, bool).at[jnp.asarray([0, 7, 8, 100, 4000, 4671])].set(True)
    drawn = _draws(lambda u: sampling.uniform_legal(u, legal))
    found, counts = np.unique(drawn, return_counts=True)
    assert found.tolist() == [0, 7, 8, 100, 4000, 4671]
    assert stats.chisquare(counts).pvalue > 1e-4


def test_temperature_zero_is_greedy():
    logits = jax.random.normal(jax.random.key(1), (50, 100))
    legal = jax.random.bernoulli(jax.random.key(2), 0.3, (50, 100))
    uniform = jax.random.uniform(jax.random.key(3), (50,))
    np.testing.assert_array_equal(
        sampling.sample(uniform, logits, legal, 0.0), sampling.greedy(logits, legal)
    )


def test_the_ends_of_the_unit_interval_are_legal():
    logits = jnp.asarray([[5.0, 0.0, 1.0, 5.0]] * 2)
    legal = jnp.asarray([[False, True, True, False]] * 2)
    ends = jnp.asarray([0.0, np.nextafter(np.float32(1), np.float32(0))])
    assert sampling.sample(ends, logits, legal, 1.0).tolist() == [1, 2]
    assert sampling.uniform_legal(ends, legal).tolist() == [1, 2]


def test_no_legal_move_gives_zero():
    nothing = jnp.zeros((1, 9), bool)
    half, logits = jnp.asarray([0.5]), jnp.ones((1, 9))
    assert sampling.sample(half, logits, nothing, 1.0).tolist() == [0]
    assert sampling.uniform_legal(half, nothing).tolist() == [0]
    assert sampling.greedy(logits, nothing).tolist() == [0]


@settings(deadline=None, max_examples=50)
@given(shares=hnp.arrays(np.float32, (5, 3, 6), elements=st.floats(0, 1, width=16)))
def test_the_medoid_is_the_answer_that_is_nearest_to_the_others(shares):
    shares = (shares + 1e-3) / (shares + 1e-3).sum(-1, keepdims=True)
    found = np.asarray(sampling.medoid(jnp.asarray(shares)))
    for b in range(3):
        apart = cdist(shares[:, b], shares[:, b], "cityblock").sum(1)
        own = np.flatnonzero((shares[:, b] == found[b]).all(-1))
        assert own.size and apart[own].min() <= apart.min() + 1e-5


def test_what_two_of_five_say_alike_is_their_medoid():
    alike = np.asarray([0.5, 0.3, 0.2, 0, 0, 0], np.float32)
    answers = np.stack([np.eye(6, dtype=np.float32)[3], alike, np.eye(6)[4], alike, np.eye(6)[5]])
    np.testing.assert_array_equal(sampling.medoid(jnp.asarray(answers)[:, None])[0], alike)
