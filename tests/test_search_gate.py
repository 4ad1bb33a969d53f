"""search_gate: what it takes by W's own policy or search, and what becomes of it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from protocol_games import GAME, NET, play, same, same_games

from sandwich_jax import search
from sandwich_jax.errors import SettingError
from sandwich_jax.models import Model
from sandwich_jax.oversight import protocols
from sandwich_jax.oversight.interface import Memory, Own
from sandwich_jax.oversight.protocols import ProtocolConfig
from sandwich_jax.types import Advice

LOOKS = 4
PLAYING = (("plays", "advice"), ("looks", LOOKS))


def test_it_can_let_everything_through_or_nothing():
    same(play("search_gate", p=0.5, sizes=PLAYING, odds=0.0)[0], play("always_follow", p=0.5)[0])
    shut, _ = play("search_gate", p=0.5, sizes=PLAYING, odds=100.0)
    same_games(shut, play("never_ask")[0])
    assert not shut.followed.any()


def test_w_that_plays_its_own_moves_plays_the_games_of_never_asking():
    rollout, _ = play("search_gate", p=0.5, sizes=(("looks", LOOKS),), odds=1.0)
    same_games(rollout, play("never_ask")[0])
    assert 0.05 < rollout.followed[rollout.asked].mean() < 0.95


def test_w_that_plays_what_it_takes_plays_exactly_that():
    rollout, _ = play("search_gate", p=0.5, sizes=PLAYING, odds=1.0)
    taken = rollout.assisted & rollout.followed
    refused = rollout.assisted & rollout.played & ~rollout.followed
    np.testing.assert_array_equal(rollout.moves[taken], rollout.advice[taken])
    np.testing.assert_array_equal(rollout.moves[refused], rollout.own[refused])
    assert (rollout.advice != rollout.own)[taken].any()
    assert (rollout.advice != rollout.own)[refused].any()


@jax.jit
def _networks(seed):
    """W as it is, and as it was before the first round."""
    keys = jax.random.split(jax.random.key(seed))
    return [Model(NET, jax.tree.map(lambda x: 3.0 * x, NET.init(key))) for key in keys]


def _position(count):
    return GAME.after(jnp.asarray(GAME.openings("train")[[5] * count]))


def _decided(judge, looks, moves, odds, any_move=0.0, value=None):
    """Which of these moves W takes in a position, A saying `value` of it."""
    weak, first = _networks(7)
    state = _position(len(moves))
    legal, seen = GAME.legal(state), weak.at(GAME, state)
    batch, logits = jnp.zeros(len(moves)), jnp.where(legal, seen.logits, -1e30)
    own = Own(
        logits, legal, seen.value, batch, jnp.float32(1), batch.astype(int), GAME, state,
        lambda state: weak.at(GAME, state), None, lambda state: first.at(GAME, state),
    )  # fmt: skip
    claims = "unheard" if value is None else "weighed"
    protocol = protocols.make(
        ProtocolConfig("search_gate", judge=judge, looks=looks, claims=claims)
    )
    advice = Advice(jnp.ones(len(moves), bool), jnp.asarray(moves)[None])
    if value is not None:
        advice = advice._replace(value=jnp.full((1, len(moves)), value))
    numbers = {"odds": odds, "any_move": any_move, "claim_weight": 8.0}
    knobs = protocol.numbers({name: jnp.float32(x) for name, x in numbers.items()})
    decision, _ = protocol.decide(jax.random.key(0), own, advice, Memory((), ()), knobs)
    return np.asarray(decision.followed), np.asarray(decision.notes)


@pytest.mark.parametrize("judge", ["now", "first"])
@pytest.mark.parametrize("looks", [0, 8])
def test_it_takes_the_moves_that_the_judge_s_own_search_finds_likely(judge, looks):
    """All legal moves, by the policy that the same network's search, as a player, ends on."""
    legal = np.asarray(GAME.legal(_position(1))[0])
    moves = np.flatnonzero(legal)
    model = _networks(7)[0 if judge == "now" else 1]
    if looks:
        model = Model(search.network(model.net, GAME, looks), model.params)
    logits = np.asarray(jax.jit(lambda: model.at(GAME, _position(1)).logits)()[0])
    wanted = len(moves) * np.asarray(jax.nn.softmax(logits[moves]))
    limit = np.sort(wanted)[1:3].mean()
    taken, odds = _decided(judge, looks, moves, limit)
    np.testing.assert_allclose(odds, wanted, rtol=1e-3, atol=1e-5)
    np.testing.assert_array_equal(taken, wanted >= limit)
    assert taken.sum() == len(moves) - 2 > 1


def test_some_of_a_s_policy_may_be_any_move():
    moves = np.flatnonzero(np.asarray(GAME.legal(_position(1))[0]))
    _, plain = _decided("now", 0, moves, 1.0)
    _, half = _decided("now", 0, moves, 1.0, any_move=0.5)
    np.testing.assert_allclose(half, plain / 2 + 0.5, rtol=1e-5)
    assert (_decided("now", 0, moves, 1.0, any_move=1.0)[1] == 1).all()


@pytest.mark.parametrize("looks", [0, 8])
def test_a_claim_counts_for_the_advice_where_it_points_the_way_that_w_s_value_does(looks):
    moves = np.flatnonzero(np.asarray(GAME.legal(_position(1))[0]))
    model = _networks(7)[0]
    if looks:
        model = Model(search.network(model.net, GAME, looks), model.params)
    value = float(jax.jit(lambda: model.at(GAME, _position(1)).value)()[0])
    assert abs(value) > 0.01
    _, plain = _decided("now", looks, moves, 1.0)
    for claim in (-1.0, 0.3):
        _, odds = _decided("now", looks, moves, 1.0, value=claim)
        np.testing.assert_allclose(odds, plain * np.exp(8 * claim * value), rtol=1e-3, atol=1e-5)
    taken, _ = _decided("now", looks, moves, 1.0, any_move=1.0, value=np.sign(value))
    refused, _ = _decided("now", looks, moves, 1.0, any_move=1.0, value=-np.sign(value))
    assert taken.all() and not refused.any()


def test_claims_of_no_weight_change_nothing_but_what_is_asked():
    sizes = (("looks", LOOKS),)
    plain, _ = play("search_gate", p=0.5, sizes=sizes, odds=1.0)
    heard, _ = play(
        "search_gate", p=0.5, sizes=(*sizes, ("claims", "weighed")), odds=1.0, claim_weight=0.0
    )
    same_games(plain, heard)
    np.testing.assert_array_equal(plain.followed, heard.followed)
    assert np.asarray(heard.advised_value).any()


def test_what_it_may_be_told_is_checked():
    with pytest.raises(SettingError, match="looks is -1: it must be between 0 and 4,096"):
        protocols.make(ProtocolConfig("search_gate", looks=-1))
    with pytest.raises(SettingError, match="Unknown plays 'both': choose one of own, advice"):
        protocols.make(ProtocolConfig("search_gate", plays="both"))
    with pytest.raises(SettingError, match="Unknown claims 'true': choose one of unheard, weighed"):
        protocols.make(ProtocolConfig("search_gate", claims="true"))
    with pytest.raises(SettingError, match="Unknown judge 'you': choose one of now, first"):
        protocols.make(ProtocolConfig("search_gate", judge="you"))
