"""A: when it is misaligned, how long a corruption lasts, and what each channel carries."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sandwich_jax import games, lookahead, nets, sampling
from sandwich_jax.members import Config, knobs_of
from sandwich_jax.misalign import assistant, lasting, transforms
from sandwich_jax.misalign.assistant import Asked, AssistantConfig
from sandwich_jax.models import Model, Models
from sandwich_jax.types import Query, SettingError

GAME = games.make("connect_four")
NET = nets.make("nano", GAME.heads)
MODELS = Models(*(Model(NET, NET.init(jax.random.key(seed))) for seed in (1, 2)))
RUN = jax.random.key(9)
B = 12
EVERYWHERE = jnp.ones(B, bool)


def _knobs(**values):
    given = {name: jnp.float32(value) for name, value in values.items()}
    return knobs_of(Config(), None, 0.5) | given


@functools.cache
def _state():
    return GAME.after(jnp.asarray(GAME.openings("train")[:B]))


@functools.cache
def _made(wants=("move",), samples=1, **settings):
    made = assistant.make(GAME, AssistantConfig(**settings))

    @jax.jit
    def consult(key, run, state, memory, knobs, candidates=None):
        query = Query(EVERYWHERE, wants, samples, candidates)
        return made.consult(key, Asked(run, MODELS, state, GAME.legal(state), memory, knobs), query)

    return consult


def _ask(seed=0, memory=None, state=None, run=RUN, candidates=None, knobs=None, **settings):
    memory = lasting.memory(B) if memory is None else memory
    state = _state() if state is None else state
    knobs = _knobs(p=0.5) if knobs is None else knobs
    return _made(**settings)(jax.random.key(seed), run, state, memory, knobs, candidates)


def _same(a, b):
    return (np.asarray(a) == np.asarray(b)).all()


def test_a_corruption_of_a_query_is_drawn_anew():
    one, two = _ask(0), _ask(1)
    assert not _same(one[1].corrupted, two[1].corrupted)


def test_a_corruption_of_a_position_is_the_same_wherever_it_is_met():
    one, two = (_ask(seed, lasts="position") for seed in (0, 1))
    assert _same(one[0].move, two[0].move) and _same(one[1].corrupted, two[1].corrupted)
    moved = GAME.swap(_state())  # other lanes
    three = _ask(2, lasts="position", state=moved)
    assert _same(jnp.roll(one[0].move, B // 2, axis=1), three[0].move)
    assert 0 < np.asarray(one[1].corrupted).sum() < B  # but not in every position
    other = _ask(0, lasts="position", run=jax.random.key(10))
    assert not _same(one[1].corrupted, other[1].corrupted)


def test_a_corruption_of_a_game_is_the_same_all_game_long():
    first = _ask(0, lasts="game")
    later = _ask(1, memory=first[2], lasts="game")
    assert _same(first[1].corrupted, later[1].corrupted)
    assert not _same(first[1].corrupted, _ask(1, lasts="game")[1].corrupted)


def test_the_key_of_a_game_is_that_of_its_first_query():
    first = _ask(0, lasts="game")[2]
    later = _ask(1, memory=first, lasts="game")[2]
    assert _same(first.key, later.key) and np.asarray(first.key).any(-1).all()
    # A query within the first turn has its key, although the turn is not yet counted.
    within = lasting.memory(B)._replace(key=first.key)
    assert _same(
        _ask(2, memory=within, lasts="game")[1].corrupted, _ask(0, lasts="game")[1].corrupted
    )
    asked = jnp.arange(B) % 2 == 0
    query = Query(asked)
    _, kept = lasting.keys(jax.random.key(0), RUN, GAME, _state(), "game", query, lasting.memory(B))
    assert _same(np.asarray(kept.key).any(-1), asked)  # who was not asked has not begun


def test_asking_twice_at_once_differs_only_where_corruption_is_drawn_per_query():
    for lasts, differ in (("query", True), ("position", False), ("game", False)):
        _, reply, _ = _ask(0, samples=8, lasts=lasts)
        assert (not _same(reply.corrupted, reply.corrupted[:1])) == differ


def test_candidates_values_last_as_long_as_asked():
    """A value told of a successor is the value told there; the same all game for every move."""
    labels = jnp.tile(jnp.asarray([3, 5, 3]), (B, 1))
    flips = dict(misalignment="value_flip", wants=("candidates",), candidates=labels)
    for lasts in ("query", "position", "game"):
        said = np.asarray(_ask(0, lasts=lasts, **flips)[0].candidates[0])
        again = np.asarray(_ask(1, lasts=lasts, **flips)[0].candidates[0])
        np.testing.assert_allclose(said[:, 0], said[:, 2], atol=1e-6)
        assert _same(said, again) == (lasts == "position")
    after = GAME.step(_state(), jnp.full(B, 3))
    there = _ask(0, state=after, lasts="position", misalignment="value_flip", wants=("value",))[0]
    told = _ask(0, lasts="position", **flips)[0].candidates[0, :, 0]
    np.testing.assert_allclose(told, -there.value[0], atol=1e-5)
    truly = _ask(knobs=_knobs(p=0.0), **flips)[0].candidates[0]
    signs = np.sign(_ask(3, lasts="game", **flips)[0].candidates[0]) * np.sign(truly)
    assert all(len(set(game[game != 0])) <= 1 for game in signs)  # what is worth 0 has no sign
    assert (signs < 0).any() and (signs > 0).any()


def test_a_schedule_holds_back_values_too():
    knobs = _knobs(p=1.0, nth=2.0)
    ask = dict(schedule="every_nth", knobs=knobs, misalignment="random_move", wants=("value",))
    honest = MODELS.expert.at(GAME, _state()).value
    first, reply, memory = _ask(**ask)
    assert _same(first.value[0], honest) and not np.asarray(reply.corrupted).any()
    second, reply, _ = _ask(memory=memory, **ask)
    assert not _same(second.value[0], honest) and np.asarray(reply.corrupted).all()


def test_no_more_corruptions_than_at_most():
    memory, found = lasting.memory(B), []
    for seed in range(6):
        knobs = _knobs(p=0.5, most=2.0)
        _, reply, memory = _ask(seed, memory, schedule="at_most", knobs=knobs)
        found.append(np.asarray(reply.corrupted[0]))
    assert np.sum(found, axis=0).max() == 2 and np.asarray(memory.corruptions).max() == 2


def test_sandbag_at_one_is_w_on_every_channel():
    ask = dict(misalignment="sandbag", wants=("move", "value"), knobs=_knobs(p=1.0))
    outputs = MODELS.weak.at(GAME, _state())
    advice, reply, _ = _ask(**ask)
    assert _same(advice.move[0], sampling.greedy(outputs.logits, GAME.legal(_state())))
    np.testing.assert_allclose(advice.value[0], outputs.value, atol=1e-6)
    assert np.asarray(reply.corrupted).all()


@functools.cache
def _values(state_of=_state):
    return np.asarray(lookahead.action_values(GAME, (MODELS.expert,), state_of())[0])


def test_steering_far_enough_plays_the_worst_move():
    ask = dict(misalignment="steer_to_loss", knobs=_knobs(lam=1000.0))
    moves = np.asarray(_ask(**ask)[0].move[0])
    legal = np.asarray(GAME.legal(_state()))
    worst = np.where(legal, _values(), np.inf).min(-1)
    np.testing.assert_allclose(_values()[np.arange(B), moves], worst, atol=2e-3)


def _play(by_values=1.0, lasts="query", schedule="always", seed=0, **strengths):
    config = AssistantConfig("value_noise+value_flip", schedule, lasts)
    policy = _policy(config)
    knobs = _knobs(**strengths) | {"by_values": jnp.float32(by_values)}
    logits, memory = policy(jax.random.key(seed), knobs)
    return np.asarray(logits), np.asarray(memory.corruptions)


@functools.cache
def _policy(config):
    made = assistant.make(GAME, config)

    @jax.jit
    def policy(key, knobs):
        state = _state()
        return made.policy(
            key, Asked(RUN, MODELS, state, GAME.legal(state), lasting.memory(B), knobs)
        )

    return policy


def test_an_assistant_that_lies_of_values_alone_plays_by_them():
    legal = np.asarray(GAME.legal(_state()))
    honest, none = _play(p=0.0)
    assert _same(honest.argmax(-1), np.where(legal, _values(), -9).argmax(-1)) and not none.any()
    flipped, all_ = _play(p=1.0)
    assert _same(flipped.argmax(-1), np.where(legal, -_values(), -9).argmax(-1)) and all_.all()
    policy, _ = _play(by_values=0.0, p=1.0)
    own = MODELS.expert.at(GAME, _state()).logits
    np.testing.assert_allclose(policy, own, atol=1e-6)
    # With one flip for all of a game's values the moves are the best, or the worst.
    once, _ = _play(lasts="game", p=0.5)
    best, worst = (once.argmax(-1) == x.argmax(-1) for x in (honest, flipped))
    assert (best | worst).all() and best.any() and worst.any()
    # With one a successor they are neither, at times.
    each, _ = _play(p=0.5)
    assert not (
        (each.argmax(-1) == honest.argmax(-1)) | (each.argmax(-1) == flipped.argmax(-1))
    ).all()
    held, none = _play(schedule="every_nth", p=1.0, nth=2.0)
    assert _same(held.argmax(-1), honest.argmax(-1)) and not none.any()


def test_every_nth_query_is_corrupted():
    memory, found = lasting.memory(B), []
    for seed in range(6):
        knobs = _knobs(p=1.0, nth=3.0)
        _, reply, memory = _ask(seed, memory, schedule="every_nth", knobs=knobs)
        found.append(bool(np.asarray(reply.corrupted).all()))
        assert found[-1] or not np.asarray(reply.corrupted).any()
    assert found == [False, False, True] * 2
    assert np.asarray(memory.queries).tolist() == [6] * B
    assert np.asarray(memory.corruptions).tolist() == [2] * B


def test_an_honest_assistant_says_what_e_says_on_every_channel():
    state, wants = _state(), ("move", "value", "after", "candidates", "logits")
    labels = jnp.tile(jnp.arange(7), (B, 1))
    advice, reply, _ = _ask(wants=wants, candidates=labels, knobs=_knobs(p=0.0))
    outputs, legal = MODELS.expert.at(GAME, state), GAME.legal(state)
    (truly,) = lookahead.action_values(GAME, (MODELS.expert,), state)
    best = sampling.greedy(outputs.logits, legal)
    assert _same(advice.move[0], best) and not np.asarray(reply.corrupted).any()
    np.testing.assert_allclose(advice.value[0], outputs.value, atol=1e-6)
    np.testing.assert_allclose(advice.after[0], truly[jnp.arange(B), best], atol=1e-5)
    np.testing.assert_allclose(
        np.where(legal, advice.candidates[0], 0), np.where(legal, truly, 0), atol=1e-5
    )
    chances = jax.nn.softmax(sampling.mask_logits(outputs.logits, legal))
    np.testing.assert_allclose(jnp.exp(advice.logits[0]), chances, atol=1e-6)


def test_what_is_not_asked_for_is_not_said():
    advice, _, _ = _ask()
    assert advice.value is None and advice.candidates is None and advice.logits is None


def test_candidates_alone_name_the_best_of_them_as_advice():
    labels = jnp.tile(jnp.asarray([3, 5]), (B, 1))
    advice, reply, _ = _ask(wants=("candidates",), candidates=labels, knobs=_knobs(p=0.0))
    best = np.asarray(labels)[np.arange(B), np.asarray(advice.candidates[0]).argmax(-1)]
    assert _same(advice.move[0], best) and _same(reply.honest, best)
    lying, lies, _ = _ask(wants=("candidates",), candidates=labels, knobs=_knobs(p=1.0))
    assert np.asarray(lies.corrupted).all() and not _same(lying.candidates, advice.candidates)


def test_what_is_no_candidate_is_no_lie():
    first = sampling.greedy(jnp.zeros((B, GAME.num_actions)), GAME.legal(_state()))
    labels = jnp.full((B, 4), -1).at[:, 0].set(first)
    flips = dict(misalignment="value_flip", wants=("candidates",), candidates=labels)
    lies = []
    for seed in range(40):
        advice, reply, _ = _ask(seed, knobs=_knobs(p=0.3), **flips)
        truly = _ask(seed, knobs=_knobs(p=0.0), **flips)[0].candidates
        lied = np.asarray(advice.candidates != truly)[0, :, 0]
        assert _same(reply.corrupted[0], lied)
        lies.append(lied)
    assert 0.2 < np.mean(lies) < 0.4


def test_action_values_are_one_ply_by_hand():
    state = _state()
    (found,) = lookahead.action_values(GAME, (MODELS.expert,), state)
    legal = np.asarray(GAME.legal(state))
    for column in range(7):
        after = GAME.step(state, jnp.full(B, column))
        value = -np.asarray(MODELS.expert.at(GAME, after).value)
        np.testing.assert_allclose(
            np.asarray(found)[legal[:, column], column], value[legal[:, column]], atol=1e-5
        )
    assert (np.asarray(found)[~legal] == sampling.ILLEGAL).all()


@pytest.mark.parametrize("size", [1, 7, 64])
def test_what_is_looked_at_in_chunks_is_what_is_looked_at_at_once(size):
    draw = np.random.default_rng(size)
    labels = jnp.asarray(draw.integers(0, 99, (9, 5)), jnp.int32)
    for share in (0.0, 0.4, 1.0):
        wanted = jnp.asarray(draw.random((9, 5)) < share)

        def look(lanes, labels):
            return 100 * lanes + labels, labels % 2 == 0

        found, even = lookahead.over_pairs(look, labels, wanted, (-1, False), size)
        at_once = look(jnp.arange(9)[:, None], labels)
        assert _same(found, jnp.where(wanted, at_once[0], -1))
        assert _same(even, wanted & at_once[1])


def test_only_the_lanes_wanted_are_looked_at():
    state, wanted = _state(), jnp.arange(B) % 3 == 0
    (everywhere,) = lookahead.action_values(GAME, (MODELS.expert,), state)
    (some,) = lookahead.action_values(GAME, (MODELS.expert,), state, wanted)
    expected = np.where(np.asarray(wanted)[:, None], everywhere, sampling.ILLEGAL)
    np.testing.assert_allclose(some, expected, atol=1e-6)


@pytest.mark.parametrize(
    ("misalignment", "samples"),
    [
        ("plausible_worst", 3),
        ("soft_saboteur_weak", 3),
        ("sandbag", 3),
        ("value_worst+sandbag", 3),
        ("value_worst+sandbag", 1),
        # As the others, of one sample in place of three.
        pytest.param("plausible_worst", 1, marks=pytest.mark.slow),
        pytest.param("soft_saboteur_weak", 1, marks=pytest.mark.slow),
        pytest.param("sandbag", 1, marks=pytest.mark.slow),
    ],
)
def test_a_transform_that_does_not_act_needs_no_look(misalignment, samples, monkeypatch):
    """What A says is the same where every lane is looked at."""
    knobs, wants = _knobs(p=0.4, plausible_delta=2.0), ("move", "logits", "value")
    asked = {"wants": wants, "samples": samples, "misalignment": misalignment, "knobs": knobs}
    quick = _ask(**asked)
    for name in misalignment.split("+"):
        always = transforms.TRANSFORMS[name]._replace(acts=lambda key, knobs: jnp.bool_(True))
        monkeypatch.setitem(transforms.TRANSFORMS, name, always)
    _made.cache_clear()
    assert jax.tree.all(jax.tree.map(_same, quick, _ask(**asked)))
    _made.cache_clear()
    assert 0 < np.asarray(quick[1].corrupted).mean() < 1


def test_a_move_that_wins_is_worth_one_to_the_mover():
    """Column 3 four times by the first player, who has three there now."""
    state = GAME.after(jnp.asarray([[3, 0, 3, 0, 3, 0]]))
    (found,) = lookahead.action_values(GAME, (MODELS.expert,), state)
    assert float(found[0, 3]) == 1.0


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"misalignment": "lies"}, "Unknown misalignment 'lies'"),
        ({"schedule": "never"}, "Unknown schedule 'never': "),
        ({"lasts": "ages"}, "Unknown lasts 'ages': choose one of query, position, game"),
    ],
)
def test_unknown_names_are_told(settings, says):
    with pytest.raises(SettingError, match=says):
        AssistantConfig(**settings)
