"""A tree search in the place of a network: what it finds, and where it may stand."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sandwich_jax import Config, games, sampling
from sandwich_jax.misalign import assistant, lasting
from sandwich_jax.misalign.assistant import Asked, AssistantConfig
from sandwich_jax.models import Models
from sandwich_jax.players import spelled
from sandwich_jax.types import Query, SettingError

GAME = games.make("connect_four")
SIMULATIONS = 24


def _after():
    """Two positions that the side to move wins at once: the first player, and the second."""
    lines = [[0, 6, 1, 6, 2, 5, -1], [0, 6, 1, 6, 0, 6, 2]]
    state = GAME.after(jnp.asarray(lines)[:, :6])
    last = jnp.asarray(lines)[:, 6]
    return GAME.where(last >= 0, GAME.step(state, jnp.maximum(last, 0)), state)


@functools.cache
def _models():
    thinker = spelled.load_network("fresh:1", "connect_four", "nano")
    spec = f"search:fresh:1,simulations={SIMULATIONS}"
    return thinker, spelled.load_network(spec, "connect_four", "nano")


@functools.cache
def _looked():
    state = _after()
    _, searcher = _models()
    return state, jax.jit(lambda model, state: model.at(GAME, state))(searcher, state)


def test_it_finds_wins_of_either_side():
    state, found = _looked()
    best = sampling.greedy(found.logits, GAME.legal(state))
    np.testing.assert_array_equal(best, [3, 6])
    assert (np.asarray(found.value) > 0.1).all()


def test_its_policy_is_a_distribution_over_legal_moves():
    state, found = _looked()
    share = np.asarray(jax.nn.softmax(found.logits))
    np.testing.assert_allclose(share.sum(1), 1.0, rtol=1e-5)
    assert (share[~np.asarray(GAME.legal(state))] == 0).all()
    assert (np.abs(found.value) <= 1).all()


def test_an_honest_assistant_says_what_the_search_says():
    state, found = _looked()
    _, searcher = _models()
    made = assistant.make(GAME, AssistantConfig("random_move"))
    models = Models(searcher, _models()[0])
    legal, knobs = GAME.legal(state), {"p": jnp.float32(0), "by_values": jnp.float32(0)}
    asked = Asked(jax.random.key(0), models, state, legal, lasting.memory(2), knobs)
    query = Query(jnp.asarray([True, True]), ("move", "value"))
    consult = jax.jit(lambda key, asked: made.consult(key, asked, query))
    advice, reply, _ = consult(jax.random.key(1), asked)
    np.testing.assert_array_equal(advice.move[0], sampling.greedy(found.logits, legal))
    np.testing.assert_allclose(advice.value[0], found.value, rtol=1e-5)
    assert not bool(reply.corrupted.any())


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("search:fresh:1,simulations=0", "simulations is 0: it must be between 1 and 4096"),
        ("search:fresh:1,simulations=many", "spell a search by a network"),
        ("search:search:fresh:1", "spell a search by a network"),
        ("search:nobody", "Unknown player 'nobody'"),
        ("search:zoo:somebody", "No network 'somebody' in the zoo of connect_four"),
    ],
)
def test_searches_that_cannot_be_are_one_sentence(spec, says):
    with pytest.raises(SettingError, match=says) as caught:
        spelled.load_network(spec, "connect_four", "nano")
    assert "\n" not in str(caught.value)


def test_a_search_cannot_be_the_weak_model():
    thinker, searcher = _models()
    config = Config(game="connect_four", expert="fresh:1", weak="search:fresh:1", p=(0.0,))
    with pytest.raises(SettingError, match="weak is search:fresh:1: a search cannot be trained"):
        spelled.check(config, Models(thinker, searcher))
    spelled.check(config, Models(searcher, thinker))
    assert spelled.of_other_capacity(config, Models(searcher, thinker)) == ""


def test_recorded_positions_are_not_enough_for_it():
    _, searcher = _models()
    with pytest.raises(SettingError, match="A search plays on from a position of a game"):
        searcher.of_encoded(GAME, GAME.encode(GAME.init(1)))
