"""bayes_gate: the fit against likelihoods, and what becomes of advice that is believed or not."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from protocol_games import play, same, same_games

from sandwich_jax.errors import SettingError
from sandwich_jax.oversight import belief, protocols
from sandwich_jax.oversight.protocols import ProtocolConfig

fit = jax.jit(belief.fit)


def _log_likelihood(doubt, ratio, weight):
    """Of a mixture of a with probability pi(a) and of any of n moves, but for a constant."""
    return (weight * np.log((1 - doubt) * ratio + doubt)).sum()


def test_belief_by_hand():
    """Half of all answers lies, two legal moves, and W would play this one with 3/4: 3/4 : 1/2."""
    assert belief.meant(0.5, 2 * 0.75) == pytest.approx(0.6)
    assert belief.meant(0.0, 0.1) == 1
    assert belief.meant(1.0, 100.0) == 0


@settings(max_examples=25, deadline=None)
@given(doubt=st.floats(0.1, 0.9), seed=st.integers(0, 2**31 - 1))
def test_the_fit_is_the_likeliest_share_of_lies_and_near_the_true_one(doubt, seed):
    """Of W's policies over seven moves that are sharp enough to tell the two kinds apart."""
    rng = np.random.default_rng(seed)
    policies = rng.dirichlet(np.full(7, 0.2), 4000)
    lies = rng.random(4000) < doubt
    meant = (policies.cumsum(1) > rng.random((4000, 1))).argmax(1)
    said = np.where(lies, rng.integers(0, 7, 4000), meant)
    ratio = np.maximum(7 * policies[np.arange(4000), said], 1e-6).astype(np.float32)
    weight = (rng.random(4000) < 0.8).astype(np.float32)
    found = float(fit(jnp.float32(0.5), ratio, weight))
    grid = np.linspace(0.001, 0.999, 999)
    best = grid[np.argmax([_log_likelihood(d, ratio, weight) for d in grid])]
    assert found == pytest.approx(best, abs=0.01)
    assert found == pytest.approx(doubt, abs=0.06)


def test_where_nothing_was_answered_w_believes_as_before():
    assert float(fit(jnp.float32(0.3), jnp.ones(4), jnp.zeros(4))) == pytest.approx(0.3)


PLAYING = (("plays", "advice"),)


def test_it_can_let_everything_through_or_nothing():
    follows, _ = play("always_follow", p=0.5)
    same(play("bayes_gate", p=0.5, sizes=PLAYING, trust=0.0)[0], follows)
    shut, _ = play("bayes_gate", p=0.5, sizes=PLAYING, trust=1.1)
    same_games(shut, play("never_ask")[0])
    assert not shut.followed.any()


def test_w_that_plays_its_own_moves_plays_the_games_of_never_asking():
    rollout, _ = play("bayes_gate", p=0.5)
    same_games(rollout, play("never_ask")[0])
    assert 0.05 < rollout.followed[rollout.asked].mean() < 0.95


def test_w_that_plays_what_it_believes_plays_exactly_that():
    rollout, _ = play("bayes_gate", p=0.5, sizes=PLAYING)
    taken = rollout.assisted & rollout.followed
    refused = rollout.assisted & rollout.played & ~rollout.followed
    np.testing.assert_array_equal(rollout.moves[taken], rollout.advice[taken])
    np.testing.assert_array_equal(rollout.moves[refused], rollout.own[refused])
    assert (rollout.advice != rollout.own)[taken].any()
    assert (rollout.advice != rollout.own)[refused].any()


@pytest.mark.parametrize("looks", [0, 8])
def test_moves_that_w_thinks_of_are_believed_more_often(looks):
    """Of random moves those are taken whose ratio is 1 or more: at first half are held for lies."""
    rollout, _ = play("bayes_gate", p=1.0, sizes=(("looks", looks),))
    asked, taken = rollout.asked, rollout.followed
    ratio = rollout.notes
    assert (ratio[asked] > 0).all() and ratio[asked].std() > 0.05
    np.testing.assert_array_equal(taken[asked], ratio[asked] >= 1)


def test_a_search_of_its_own_changes_what_w_thinks():
    plain, _ = play("bayes_gate", p=1.0)
    thought, _ = play("bayes_gate", p=1.0, sizes=(("looks", 8),))
    same_games(plain, thought)  # it plays its own moves either way
    asked = plain.asked
    assert (plain.notes != thought.notes)[asked].mean() > 0.5


@pytest.mark.parametrize("looks", [0, 8])
def test_w_as_it_was_judges_as_w_does_before_it_has_learnt(looks):
    now, _ = play("bayes_gate", p=1.0, sizes=(("looks", looks),))
    first, _ = play("bayes_gate", p=1.0, sizes=(("looks", looks), ("judge", "first")))
    same(now, first)
    np.testing.assert_array_equal(now.notes, first.notes)


def test_w_learns_from_what_it_was_told_and_from_nothing_else():
    protocol = protocols.make("bayes_gate")
    rollout, _ = play("bayes_gate", every=2, p=0.5)
    heard = rollout.asked & rollout.assisted
    assert 0 < heard.sum() < rollout.played.sum()
    learn = jax.jit(protocol.learn)
    found = float(learn(protocol.lore(), rollout, {}))
    wanted = float(fit(protocol.lore(), rollout.notes, heard.astype(np.float32)))
    assert found == pytest.approx(wanted, abs=1e-5)
    noisy = rollout._replace(notes=np.where(heard, rollout.notes, 1e6))
    assert float(learn(protocol.lore(), noisy, {})) == pytest.approx(found, abs=1e-5)


def test_what_it_may_be_told_is_checked():
    with pytest.raises(SettingError, match="looks is -1: it must be between 0 and 4,096"):
        protocols.make(ProtocolConfig("bayes_gate", looks=-1))
    with pytest.raises(SettingError, match="Unknown plays 'both': choose one of own, advice"):
        protocols.make(ProtocolConfig("bayes_gate", plays="both"))
