"""Detectors: separable data are found out, what is matched gives nothing away."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sandwich_jax import sampling
from sandwich_jax.measures import advice, probe


def _area(x, y, held, truth):
    fitted = probe.fit(jax.random.key(0), x, y, 150)
    score = -np.asarray(probe.logits(fitted, jnp.asarray(held)))
    return advice.auc(advice.Answers(np.arange(len(held)), truth, score)).value


def _halves(seed, make):
    rng = np.random.default_rng(seed)
    sets = []
    for _ in range(2):
        label = np.arange(600) % 2 == 0
        sets += [make(rng, label).astype(np.float32), label]
    return sets


def test_a_probe_finds_what_is_linear_and_what_is_not():
    def linear(rng, label):
        x = rng.normal(size=(len(label), 5))
        x[:, 2] += 4 * label
        return x

    def ring(rng, label):
        x = rng.normal(size=(len(label), 5))
        x[:, 0] = np.where(label, 3.0, 0.3) * np.sign(x[:, 0])
        return x

    assert _area(*_halves(0, linear)) > 0.98
    assert _area(*_halves(0, ring)) > 0.95


def test_a_probe_finds_nothing_where_there_is_nothing():
    found = _area(*_halves(1, lambda rng, label: rng.normal(size=(len(label), 5))))
    assert 0.4 < found < 0.6


def _policies(seed=0, count=400, moves=12):
    rng = np.random.default_rng(seed)
    legal = rng.random((count, moves)) < 0.8
    legal[:, 0] = True
    logits = np.where(legal, 2 * rng.normal(size=legal.shape), sampling.ILLEGAL)
    logp = np.asarray(jax.nn.log_softmax(jnp.asarray(logits, jnp.float32)))
    return rng, legal, np.where(legal, logp, sampling.ILLEGAL).astype(np.float32)


def test_weights_match_the_distribution_of_log_probabilities():
    rng, legal, logp = _policies()
    expert = np.where(legal, np.exp(logp), 0)
    sabotage = np.where(legal, rng.random(legal.shape), 0)
    sabotage /= sabotage.sum(1, keepdims=True)
    bins = np.asarray(probe.bin_of(jnp.asarray(logp)))
    weights = np.asarray(probe.matched(jnp.asarray(sabotage), jnp.asarray(expert), bins))
    for one in np.unique(bins[legal]):
        there = bins == one
        assert weights[there].sum() == pytest.approx(sabotage[there].sum(), rel=1e-3, abs=1e-4)
        # Within a bin they are E's own policy.
        share = weights[there & legal] / weights[there].sum()
        assert share == pytest.approx(expert[there & legal] / expert[there].sum(), rel=1e-3)


def test_drawn_moves_are_of_the_same_log_probability_and_legal():
    rng, legal, logp = _policies()
    chosen = np.where(legal, logp, np.inf).argmin(1)  # E's least likely moves
    rows, columns, found = probe.draw(rng, chosen, logp, legal)
    assert found.all() and len(rows) == len(chosen) and legal[rows, columns].all()
    bins = np.asarray(probe.bin_of(jnp.asarray(logp)))
    mine = np.sort(bins[np.arange(len(chosen)), chosen])
    assert np.sort(bins[rows, columns]).tolist() == mine.tolist()
    assert len(np.unique(rows)) > len(rows) / 4  # of many positions
