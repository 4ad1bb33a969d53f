"""Losses by hand-worked values and by formulas written out in full."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sandwich_jax import losses, sampling


def test_symmetric_is_cross_entropy_and_its_reverse():
    """Wang et al. 2019, written out over a whole distribution."""
    p = np.asarray([0.2, 0.5, 0.3])
    alpha, beta, log_zero = losses.SYMMETRIC
    for label in range(3):
        one_hot = np.eye(3)[label]
        reverse = -(p * np.where(one_hot > 0, 0.0, log_zero)).sum()
        wanted = alpha * -np.log(p[label]) + beta * reverse
        got = losses.symmetric(jnp.asarray([-np.log(p[label])]))
        np.testing.assert_allclose(got, [wanted], rtol=1e-6)


def test_truncated_by_hand():
    q, k = losses.TRUNCATED
    p = jnp.asarray([1.0, 0.5, k, k / 10])
    wanted = [0.0, (1 - 0.5**q) / q, (1 - k**q) / q, (1 - k**q) / q]
    np.testing.assert_allclose(losses.truncated(-jnp.log(p)), wanted, rtol=1e-5)


def test_truncated_gives_up_on_unlikely_labels_and_learns_the_others_less_than_cross_entropy():
    gradient = jax.vmap(jax.grad(lambda x: losses.truncated(x[None])[0]))
    p = jnp.asarray([0.9, 0.1, losses.TRUNCATED[1] / 2, 0.0])
    slope = np.asarray(gradient(-jnp.log(p)))
    # d L_q / d CE = p^q.
    np.testing.assert_allclose(slope[:2], np.asarray(p[:2]) ** losses.TRUNCATED[0], rtol=1e-5)
    assert slope[2] == 0 and slope[3] == 0


def test_symmetric_is_bounded_but_for_its_share_of_cross_entropy():
    far = losses.symmetric(jnp.asarray([50.0, 60.0]))
    assert float(far[1] - far[0]) == pytest.approx(10 * losses.SYMMETRIC[0], rel=1e-5)


@pytest.mark.parametrize(
    ("ratio", "advantage", "wanted"),
    [
        (1.0, 2.0, -2.0),
        (1.5, 1.0, -1.2),  # a good move gains no more than the clip allows
        (0.5, 1.0, -0.5),
        (1.5, -1.0, 1.5),  # a bad one that got likelier costs all of it
        (0.5, -1.0, 0.8),
    ],
)
def test_clipped_surrogate_by_hand(ratio, advantage, wanted):
    log_prob, was = jnp.log(jnp.asarray([0.3 * ratio])), jnp.log(jnp.asarray([0.3]))
    got = losses.clipped_surrogate(log_prob, was, jnp.asarray([advantage]), 0.2)
    np.testing.assert_allclose(got, [wanted], rtol=1e-5)


def test_clipped_surrogate_is_finite_for_any_ratio():
    far = jnp.asarray([300.0, -300.0])
    for advantage in (1.0, -1.0):
        loss = losses.clipped_surrogate(far, -far, jnp.full(2, advantage), 0.2)
        assert jnp.isfinite(loss).all()


def test_log_prob_is_of_the_policy_that_is_sampled():
    """Against frequencies of `sampling.sample` at the same temperature."""
    logits = jnp.asarray([[0.3, 1.2, -0.4, 2.0, 0.0]])
    legal = jnp.asarray([[True, True, False, True, False]])
    count = 20_000
    uniform = (jnp.arange(count) + 0.5) / count
    tile = lambda x: jnp.broadcast_to(x, (count, 5))  # noqa: E731
    drawn = np.asarray(sampling.sample(uniform, tile(logits), tile(legal), 0.5))
    share = np.bincount(drawn, minlength=5) / count
    labels = jnp.asarray([0, 1, 3])
    log_prob = losses.log_prob_of(jnp.tile(logits, (3, 1)), jnp.tile(legal, (3, 1)), labels, 0.5)
    np.testing.assert_allclose(np.exp(log_prob), share[[0, 1, 3]], atol=2e-4)
    assert np.exp(log_prob).sum() == pytest.approx(1.0, abs=1e-6)


def test_divergence_by_hand():
    p, q = np.asarray([0.5, 0.25, 0.25]), np.asarray([0.25, 0.25, 0.5])
    wanted = (p * np.log(p / q)).sum()
    got = losses.divergence(jnp.log(p)[None] + 3.0, jnp.log(q)[None] - 1.0)
    np.testing.assert_allclose(got, [wanted], rtol=1e-5)
    np.testing.assert_allclose(losses.divergence(jnp.log(p)[None], jnp.log(p)[None]), [0.0])
