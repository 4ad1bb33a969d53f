"""reliability and learned_trust learn toys with a known answer; a search finds wins in one."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from protocol_games import NET, play

from sandwich_jax import games
from sandwich_jax.oversight import protocols, reliability, trust
from sandwich_jax.oversight.interface import Memory, Own
from sandwich_jax.oversight.outcomes import outcomes
from sandwich_jax.oversight.protocols import ProtocolConfig
from sandwich_jax.types import Advice, Outputs, Rollout

PLIES, GAMES = 12, 64


def _rollout(value, followed, notes, finished=False, result=0.0, plies=PLIES):
    """Games in which the first player is advised and `value` is W's own on its turns."""
    turns = np.arange(plies) % 2 == 0
    played = jnp.ones((plies, value.shape[1]), bool)
    count = value.shape[1]
    nothing = jnp.zeros((plies, count))
    return Rollout(
        opening=jnp.zeros(count, jnp.int32),
        assisted_first=jnp.ones(count, bool),
        moves=nothing.astype(jnp.int16),
        played=played,
        assisted=played & turns[:, None],
        own=nothing.astype(jnp.int16),
        asked=played & turns[:, None],
        advice=nothing.astype(jnp.int16),
        followed=jnp.asarray(followed) & turns[:, None],
        advised_value=nothing,
        notes=notes,
        result=jnp.full(count, result),
        finished=jnp.full(count, finished),
        positions=nothing,
    )


def test_outcomes_by_hand():
    """W's own value goes 0, 0.4, 0.1 on its turns, and it then wins (or the ply cap comes)."""
    value = jnp.asarray([[0.0], [9.0], [0.4], [9.0], [0.1], [9.0]])
    yes = np.ones((6, 1), bool)
    won = outcomes(_rollout(value, yes, (), True, 1.0, plies=6), value)
    assert won.seen[:, 0].tolist() == [True, False] * 3
    assert won.good[::2, 0].tolist() == [True, False, True]
    lost = outcomes(_rollout(value, yes, (), True, -1.0, plies=6), value)
    assert lost.good[::2, 0].tolist() == [True, False, False]
    capped = outcomes(_rollout(value, yes, (), plies=6), value)
    assert capped.seen[:, 0].tolist() == [True, False, True, False, False, False]
    refused = outcomes(_rollout(value, ~yes, (), True, 1.0, plies=6), value)
    assert not refused.seen.any()


def _own(value, logits=None, turns=0) -> Own:
    """W's view of the start of tic-tac-toe; only what these protocols look at is there."""
    game = games.make("tic_tac_toe")
    batch = len(value)
    state = game.init(batch)
    logits = jnp.zeros((batch, 9)) if logits is None else logits
    unused = None
    return Own(
        logits,
        game.legal(state),
        jnp.asarray(value),
        jnp.zeros(batch),
        jnp.float32(1),
        jnp.zeros(batch, jnp.int32),
        game,
        state,
        *(unused,) * 3,
    )


def _advice(batch, move=1) -> Advice:
    return Advice(jnp.ones(batch, bool), jnp.full((1, batch), move))


def test_reliability_finds_the_phase_in_which_a_is_to_be_trusted():
    """Good advice raises W's own value, and A gives it in the first phase only."""
    notes = reliability._Notes(
        cell=jnp.where(jnp.arange(PLIES)[:, None] < 6, 1, 4) * jnp.ones((1, GAMES), jnp.int32),
        value=jnp.cumsum(jnp.where(jnp.arange(PLIES)[:, None] < 7, 0.1, -0.1), 0)
        * jnp.ones((1, GAMES)),
    )
    protocol = protocols.make("reliability")
    followed = np.ones((PLIES, GAMES), bool)
    rollout = _rollout(notes.value, followed, notes)
    lore = protocol.learn(protocol.lore(), rollout, {})
    assert lore[1].tolist() == [1 + 3 * GAMES, 1]  # turns 0, 2, 4, by hand
    assert lore[4].tolist() == [1, 1 + 2 * GAMES]  # turns 6, 8; 10 has no next one
    assert (np.delete(np.asarray(lore), [1, 4], 0) == 1).all()

    memory = protocol.memory(GAMES)
    for turn, follows in ((0, True), (reliability.PHASES[0], False)):
        now = Memory(memory._replace(turn=jnp.full(GAMES, turn)), lore)
        own, knobs = _own(np.zeros(GAMES, np.float32)), reliability.Trust(0.5)
        key = jax.random.key(turn)
        decision, _ = protocol.decide(key, own, _advice(GAMES), now, knobs)
        assert np.asarray(decision.followed == follows).all()


def test_reliability_learns_within_a_game():
    """In one lane W's own value rises turn by turn, in the other it falls."""
    protocol = protocols.make("reliability")
    decide = jax.jit(_decide_on_values)
    memory, lore = protocol.memory(2), protocol.lore()
    for turn in range(7):  # all in one phase
        own_value = jnp.asarray([0.1, -0.1]) * turn
        knobs = reliability.Trust(0.0)  # follow, to see what becomes of it
        memory = decide(jax.random.key(turn), own_value, memory, lore, knobs)[1]
    assert memory.counts[:, 1].tolist() == [[6, 0], [0, 6]]
    fresh = protocol.memory(2)
    assert not np.asarray(fresh.counts).any()


def _decide_on_values(key, value, memory, lore, knobs):
    batch = value.shape[0]
    own = _own(np.zeros(batch))._replace(value=value)
    protocol = protocols.make("reliability")
    return protocol.decide(key, own, _advice(batch), Memory(memory, lore), knobs)


def test_learned_trust_learns_that_unlikely_advice_is_bad():
    """Advice that W itself holds for likely turns out well, other advice does not."""
    key = jax.random.key(5)
    seen = jax.random.normal(key, (PLIES, GAMES, trust.FEATURES))
    likely = seen[..., 0] > 0
    change = jnp.where(likely, 0.1, -0.1)
    value = jnp.zeros((PLIES, GAMES))
    for ply in range(0, PLIES - 2, 2):
        value = value.at[ply + 2].set(value[ply] + change[ply])
    notes = trust._Notes(seen, value)
    protocol = protocols.make("learned_trust")
    rollout = _rollout(value, np.ones((PLIES, GAMES), bool), notes)
    learn = jax.jit(lambda lore: protocol.learn(lore, rollout, {}))
    lore = learn(learn(protocol.lore()))
    assert (trust.logit(protocol.lore().params, seen) == 0).all()  # an open mind at first
    fresh = jax.random.normal(jax.random.key(6), (512, trust.FEATURES))
    fresh = fresh[jnp.abs(fresh[:, 0]) > 0.3]
    believed = trust.logit(lore.params, fresh) > 0
    assert (believed == (fresh[:, 0] > 0)).mean() > 0.95


def test_learned_trust_refuses_what_it_learnt_to_refuse():
    protocol = protocols.make("learned_trust")
    lore = protocol.lore()
    params = lore.params | {
        "first": jnp.zeros_like(lore.params["first"]).at[0, 0].set(10.0),
        "last": jnp.zeros(trust.HIDDEN).at[0].set(5.0),
        "offset": jnp.float32(3.0),
    }
    logits = jnp.tile(jnp.asarray([3.0, 5.0, *[0.0] * 6, -9.0]), (2, 1))
    own, knobs = _own(np.zeros(2, np.float32), logits), reliability.Trust(0.5)
    advice = Advice(jnp.ones(2, bool), jnp.asarray([[1, 8]]))
    memory = Memory(protocol.memory(2), lore._replace(params=params))
    decision, _ = protocol.decide(jax.random.key(0), own, advice, memory, knobs)
    assert decision.followed.tolist() == [True, False]
    assert decision.move.tolist() == [1, 0]


def test_a_round_in_which_nothing_was_followed_teaches_nothing():
    protocol = protocols.make("learned_trust")
    notes = trust._Notes(jnp.ones((PLIES, GAMES, trust.FEATURES)), jnp.zeros((PLIES, GAMES)))
    rollout = _rollout(notes.value, np.zeros((PLIES, GAMES), bool), notes)
    lore = protocol.lore()
    after = jax.jit(lambda lore: protocol.learn(lore, rollout, {}))(lore)
    jax.tree.map(np.testing.assert_array_equal, after, lore)


@pytest.mark.parametrize("protocol", ["reliability", "learned_trust"])
def test_trust_at_its_ends_is_always_follow_and_never_ask(protocol):
    for seed, p in ((1, 0.0), (2, 0.7)):
        for trusting, plain in ((0.0, "always_follow"), (1.5, "never_ask")):
            rollout, _ = play(protocol, seed, p=p, trust=trusting)
            expected, _ = play(plain, seed, p=p)
            np.testing.assert_array_equal(rollout.moves, expected.moves)
            np.testing.assert_array_equal(rollout.result, expected.result)
            assert (rollout.followed == (rollout.asked & (trusting == 0))).all()


WINS = {
    "tic_tac_toe": ([[0, 3, 1, 4], [3, 0, 5, 1]], [2, 4]),
    "connect_four": ([[3, 0, 3, 0, 3, 0], [1, 6, 1, 6, 1, 5]], [3, 1]),
}
"""Lines after which the first player wins at once, and with which move."""


@functools.cache
def _searcher(name: str, game_name: str):
    game = games.make(game_name)
    protocol = protocols.make(ProtocolConfig(name, simulations=64))
    actions = game.num_actions

    def flat(state) -> Outputs:
        """A network that knows nothing: all it finds, the search found."""
        batch = game.done(state).shape[0]
        return Outputs(jnp.zeros((batch, actions)), jnp.zeros(batch))

    def ask(key, state, query) -> Advice:
        nothing = flat(state)
        return Advice(query.ask, jnp.zeros((1, query.ask.shape[0]), jnp.int32),
                      value=nothing.value[None], logits=nothing.logits[None])  # fmt: skip

    @jax.jit
    def decide(state, asked):
        legal, batch = game.legal(state), asked.shape[0]
        last = actions - 1 - jnp.argmax(legal[:, ::-1], -1)
        zeros, logits = jnp.zeros(batch), jnp.where(legal, 0.0, -1e30)
        own = Own(logits, legal, zeros, zeros, jnp.float32(1), last, game, state, flat, ask, flat)
        query = protocol.plan(own, Memory((), ()), {})
        advice = ask(None, state, query)._replace(asked=asked)
        return protocol.decide(jax.random.key(0), own, advice, Memory((), ()), {})[0]

    return game, decide


@pytest.mark.parametrize(
    ("name", "game_name"),
    [("search_with_advice", "tic_tac_toe"), ("search_with_advised_value", "connect_four")],
)
def test_a_search_finds_a_win_in_one(name, game_name):
    game, decide = _searcher(name, game_name)
    lines, wins = WINS[game_name]
    state = game.after(jnp.asarray(lines))
    assert decide(state, jnp.ones(2, bool)).move.tolist() == wins


def test_a_search_parries_a_loss_in_one_and_rests_where_nothing_was_asked():
    """The second player has two in a row in tic-tac-toe: only one move does not lose."""
    game, decide = _searcher("search_with_advice", "tic_tac_toe")
    state = game.after(jnp.asarray([[8, 0, 5, 1], [8, 0, 5, 1]]))  # 2 wins for the mover
    assert decide(state, jnp.ones(2, bool)).move.tolist() == [2, 2]
    state = game.after(jnp.asarray([[8, 0, 3, 1], [8, 0, 3, 1]]))  # or the other wins there
    assert decide(state, jnp.ones(2, bool)).move.tolist() == [2, 2]
    unasked = decide(state, jnp.zeros(2, bool))
    assert not unasked.followed.any() and unasked.move.tolist() == [7, 7]


def test_searches_play_whole_games():
    """Legal moves only, also in lanes that are over, with real networks."""
    rollout, _ = play("search_with_advice", p=0.5, sizes=(("simulations", 4),))
    plays = rollout.played
    assert (rollout.moves[plays] >= 0).all() and rollout.asked.any()
    assert NET.num_params > 0 and rollout.finished.all()
