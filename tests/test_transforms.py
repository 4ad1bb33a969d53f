"""Misalignments: strength 0 is E, no probability on illegal moves, known distributions."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from sandwich_jax import sampling
from sandwich_jax.members import NUMBERS, Config
from sandwich_jax.misalign import transforms
from sandwich_jax.misalign.transforms import TRANSFORMS, Sight
from sandwich_jax.types import SettingError

A = 50
ALL = tuple(TRANSFORMS)


def _knobs(**values):
    zero = {t.strength: 0.0 for t in TRANSFORMS.values()}
    zero |= {name: getattr(Config(), name) for name in NUMBERS}
    return {name: jnp.float32(value) for name, value in (zero | values).items()}


def _position(seed: int):
    k_logits, k_legal, k_one = jax.random.split(jax.random.key(seed), 3)
    logits = 3 * jax.random.normal(k_logits, (A,))
    legal = jax.random.bernoulli(k_legal, 0.4, (A,))
    legal = legal.at[jax.random.randint(k_one, (), 0, A)].set(True)
    more = jax.random.normal(jax.random.fold_in(k_logits, 1), (4, A))
    after, weak_after = (jnp.where(legal, jnp.tanh(x), sampling.ILLEGAL) for x in more[2:])
    return logits, Sight(legal, jnp.zeros((1, 1, 1)), *more[:2], after, weak_after)


NAMES = [*((n,) for n in ALL), ALL]
APPLY = {names: jax.jit(transforms.compose(names)) for names in NAMES}
VALUES = {names: jax.jit(transforms.compose_values(names)) for names in NAMES}


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**31 - 1), names=st.sampled_from(sorted(APPLY)))
def test_at_strength_zero_nothing_changes(seed, names):
    logits, sight = _position(seed)
    key = jax.random.key(seed)
    said, corrupted = APPLY[names](key, logits, sight, _knobs())
    np.testing.assert_array_equal(said, logits)
    value, lied = VALUES[names](key, jnp.float32(0.25), sight.features, _knobs())
    assert float(value) == 0.25 and not bool(corrupted) and not bool(lied)


@settings(max_examples=50, deadline=None)
@given(
    seed=st.integers(0, 2**31 - 1),
    p=st.floats(0, 1),
    sigma=st.floats(0, 100),
    uniform=st.floats(0, 1, exclude_max=True, width=32),
)
def test_no_probability_on_illegal_moves(seed, p, sigma, uniform):
    logits, sight = _position(seed)
    said, _ = APPLY[ALL](jax.random.key(seed), logits, sight, _knobs(p=p, sigma=sigma))
    legal = sight.legal
    assert bool(legal[sampling.greedy(said, legal)])
    assert bool(legal[sampling.sample(jnp.float32(uniform), said, legal, 1.0)])


def _many(names, knobs, count=20_000):
    logits, sight = _position(1)
    keys = jax.random.split(jax.random.key(5), count)
    fn = transforms.compose(names)
    said, corrupted = jax.jit(jax.vmap(fn, in_axes=(0, None, None, None)))(
        keys, logits, sight, knobs
    )
    moves = sampling.greedy(said, jnp.broadcast_to(sight.legal, said.shape))
    return np.asarray(moves), np.asarray(corrupted), logits, np.asarray(sight.legal)


def test_random_move_is_uniform_at_one():
    moves, corrupted, _, legal = _many(("random_move",), _knobs(p=1.0))
    found, counts = np.unique(moves, return_counts=True)
    assert corrupted.all() and found.tolist() == np.flatnonzero(legal).tolist()
    assert stats.chisquare(counts).pvalue > 1e-4


def test_random_move_intervenes_with_probability_p():
    moves, corrupted, logits, legal = _many(("random_move",), _knobs(p=0.3))
    best = int(sampling.greedy(logits, jnp.asarray(legal)))
    assert stats.binomtest(int(corrupted.sum()), len(corrupted), 0.3).pvalue > 1e-4
    assert (moves[~corrupted] == best).all()


def test_policy_noise_changes_more_the_louder_it_is():
    shares = [
        _many(("policy_noise",), _knobs(sigma=s), 2000)[1].mean() for s in (0.0, 0.5, 2.0, 50.0)
    ]
    assert shares[0] == 0 and shares == sorted(shares) and shares[-1] > 0.8


def test_the_sum_of_two_gaussians_is_as_loud_as_theory_says():
    """Of two moves that differ by d the worse wins with probability Phi(-d / (sigma sqrt 2))."""
    sight = Sight(jnp.ones(2, bool), jnp.zeros((1, 1, 1)))
    keys = jax.random.split(jax.random.key(0), 50_000)
    fn = jax.vmap(transforms.compose(("policy_noise",)), in_axes=(0, None, None, None))
    _, corrupted = fn(keys, jnp.asarray([1.0, 0.0]), sight, _knobs(sigma=1.5))
    expected = stats.norm.cdf(-1 / (1.5 * np.sqrt(2)))
    assert stats.binomtest(int(corrupted.sum()), 50_000, expected).pvalue > 1e-4


def test_strengths_are_traced():
    traces = []

    @jax.jit
    def one(knobs):
        traces.append(1)
        logits, sight = _position(0)
        return transforms.compose(ALL)(jax.random.key(0), logits, sight, knobs)[0]

    for p in (0.0, 0.5, 1.0):
        one(_knobs(p=p, sigma=p))
    assert len(traces) == 1


def test_parse():
    assert transforms.parse("policy_noise + random_move") == ("policy_noise", "random_move")
    with pytest.raises(SettingError, match=r"Unknown misalignment 'lies'.*random_move"):
        transforms.parse("random_move+lies")
