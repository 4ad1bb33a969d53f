"""Exact parities of self-play: p = 0 is E, never asking is plain W, a rollout replays."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sandwich_jax import games, nets, play, sampling
from sandwich_jax.members import Config, knobs_of
from sandwich_jax.misalign import assistant
from sandwich_jax.models import Model, Models
from sandwich_jax.objectives import OBJECTIVES
from sandwich_jax.oversight import protocols
from sandwich_jax.selfplay import Seen, SelfPlayConfig, Sides, Table, own_move, selfplay
from sandwich_jax.types import Rollout, Truth

CONFIG = SelfPlayConfig(games=24, lanes=8, max_plies=30)
KEY, RUN = jax.random.key(3), jax.random.key(4)


@functools.cache
def _setup(name: str = "connect_four"):
    game = games.make(name)
    net = nets.make("nano", game.heads)
    expert, weak = (Model(net, net.init(jax.random.key(seed))) for seed in (1, 2))
    starts = game.after(jnp.asarray(game.openings("train")[:12]))
    return game, expert, weak, starts


def _knobs(**values):
    given = {name: jnp.float32(value) for name, value in values.items()}
    return knobs_of(Config(), None, 0.7) | given


@functools.cache
def _program(protocol: str, config: SelfPlayConfig, misalignment: str = "random_move", **about):
    game = _setup()[0]
    made = assistant.make(game, assistant.AssistantConfig(misalignment, **about))
    table = Table(game, made, protocols.make(protocol))

    @jax.jit
    def program(key, weak, expert, knobs, starts):
        rows, models = jnp.arange(config.games // 2), Models(expert, weak)
        sides = Sides(weak, models, knobs, table.protocol.lore(), RUN)
        return selfplay(key, table, sides, starts, rows, config)

    return program


def _rollout(
    protocol="always_follow", config=CONFIG, misalignment="random_move", about=(), key=KEY, **knobs
):
    _, expert, weak, starts = _setup()
    program = _program(protocol, config, misalignment, **dict(about))
    rollout, truth = program(key, weak, expert, _knobs(**knobs), starts)
    return jax.tree.map(np.asarray, rollout), jax.tree.map(np.asarray, truth)


def _greedy_expert(rollout: Rollout) -> np.ndarray:
    """E's best legal move in every recorded position, from a replay of the moves alone."""
    game, expert, _, starts = _setup()
    state, best = game.take(starts, jnp.asarray(rollout.opening)), []
    for labels in rollout.moves:
        outputs = expert.at(game, state)
        best.append(np.asarray(sampling.greedy(outputs.logits, game.legal(state))))
        state = game.step(state, jnp.asarray(labels.astype(np.int32)))
    return np.stack(best)


def test_at_p_zero_the_assisted_side_plays_experts_move_every_time():
    rollout, truth = _rollout(p=0.0)
    turns = rollout.assisted
    best = _greedy_expert(rollout)
    assert turns.sum() > 100
    assert (rollout.moves[turns] == best[turns]).all()
    assert (truth.honest[turns] == best[turns]).all() and not truth.corrupted.any()
    assert (rollout.asked == turns).all() and (rollout.followed == turns).all()


def test_at_p_one_every_piece_of_advice_is_corrupted_and_followed():
    rollout, truth = _rollout(p=1.0)
    turns = rollout.assisted
    assert (truth.corrupted == turns).all()
    assert (rollout.moves[turns] == rollout.advice[turns]).all()
    assert (rollout.moves[turns] != truth.honest[turns]).mean() > 0.5


def test_never_asking_is_plain_w_against_w():
    """The same games as a loop of two movers that know of no assistant."""
    rollout, truth = _rollout("never_ask", p=0.9)
    game, _, weak, starts = _setup()

    def mover(key, state, seen, memory, ask):
        seen = Seen(game.legal(state), weak.at(game, state))
        return own_move(jax.random.split(key, 3)[0], seen, _knobs()), (), ()

    loop = play.PlayConfig(lanes=8, max_plies=30, stop_when_adjudicated=False)
    rows = play.opening_rows(CONFIG.games, CONFIG.lanes)
    plain = jax.jit(lambda s: play.play(KEY, game, play.Players(mover, mover), s, rows, loop))(
        starts
    )
    np.testing.assert_array_equal(plain.moves, rollout.moves)
    np.testing.assert_array_equal(plain.result, rollout.result)
    assert not rollout.asked.any() and (rollout.advice == -1).all()
    assert not truth.corrupted.any() and (truth.honest == -1).all()
    wished = np.where(rollout.assisted, rollout.moves, -1)
    np.testing.assert_array_equal(rollout.own, wished)


def test_never_asking_does_not_depend_on_the_assistant():
    one, two = _rollout("never_ask", p=0.0)[0], _rollout("never_ask", p=1.0)[0]
    jax.tree.map(np.testing.assert_array_equal, one, two)


def test_a_rollout_replays_move_by_move_and_ends_by_the_rules():
    rollout, _ = _rollout(p=0.5)
    game, *_, starts = _setup()
    state = game.take(starts, jnp.asarray(rollout.opening))
    for ply, labels in enumerate(rollout.moves):
        on = rollout.played[ply]
        np.testing.assert_array_equal(
            np.asarray(game.encode(state))[on], rollout.positions[ply][on]
        )
        legal = np.asarray(game.legal(state))
        assert legal[np.flatnonzero(on), labels[on]].all()
        assert not (np.asarray(game.done(state)) & on).any()
        after = game.step(state, jnp.asarray(labels.astype(np.int32)))
        state = game.where(jnp.asarray(on), after, state)
    np.testing.assert_array_equal(np.asarray(game.done(state)), rollout.finished)
    np.testing.assert_array_equal(np.asarray(game.result(state)), rollout.result)
    assert rollout.finished.mean() > 0.9


def test_colours_and_openings_are_balanced():
    rollout, _ = _rollout(p=0.5)
    pairs = sorted(zip(rollout.opening, rollout.assisted_first, strict=True))
    assert pairs == [(o, c) for o in range(12) for c in (False, True)]
    first = np.arange(30)[:, None] % 2 == 0
    by_assisted = np.where(first, rollout.assisted_first, ~rollout.assisted_first)
    np.testing.assert_array_equal(rollout.assisted, by_assisted & rollout.played)


@pytest.mark.parametrize("every", [2, 3])
def test_every_nth_turn_is_asked_from_the_first_on(every):
    config = dataclasses.replace(CONFIG, every=every)
    rollout, truth = _rollout(config=config, p=0.4)
    for game in range(CONFIG.games):
        turns = np.flatnonzero(rollout.assisted[:, game])
        asked = rollout.asked[turns, game]
        np.testing.assert_array_equal(asked, np.arange(len(turns)) % every == 0)
    assert not (truth.corrupted & ~rollout.asked).any()
    assert (rollout.advice[~rollout.asked] == -1).all()


def test_between_queries_w_plays_its_own_move():
    """With every = 2, the unasked turns do not depend on E at all until a position differs."""
    config = dataclasses.replace(CONFIG, every=2)
    honest, _ = _rollout(config=config, p=0.0)
    alone, _ = _rollout("never_ask", config=config)
    same_so_far = np.cumprod(honest.moves == alone.moves, axis=0).astype(bool)
    before = np.vstack([np.ones((1, CONFIG.games), bool), same_so_far[:-1]])
    unasked = honest.assisted & ~honest.asked & before
    assert unasked.any() and (honest.moves == alone.moves)[unasked].all()
    before[:, CONFIG.lanes :] = False  # later games of a lane may begin at another time
    turns = honest.assisted & before
    assert (honest.own == alone.own)[turns].all()  # asking does not change what W wishes
    assert (honest.own != honest.moves)[honest.asked].any()


def test_truth_is_a_type_of_its_own():
    assert not set(Rollout._fields) & {"corrupted", "honest", "truth"}
    assert {"corrupted", "honest", "value"} <= set(Truth._fields)
    for protocol in (p for p in map(protocols.make, protocols.PROTOCOLS) if not p.told):
        for function in filter(None, (protocol.plan, protocol.decide, protocol.learn)):
            assert "Truth" not in str(function.__annotations__)
    for objective in OBJECTIVES.values():
        parts = objective if isinstance(objective, tuple) else (objective,)
        for function in filter(callable, parts):
            assert "Truth" not in str(getattr(function, "__annotations__", ""))


def test_one_trace_serves_every_p():
    _, expert, weak, starts = _setup()
    program = _program("always_follow", CONFIG)
    before = program._cache_size()
    for p in (0.0, 0.3, 0.7):
        program(KEY, weak, expert, _knobs(p=p), starts)
    assert program._cache_size() <= max(before, 1)
