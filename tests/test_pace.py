"""What a sweep says of its speed is what was counted and timed."""

import dataclasses

import jax
import numpy as np
import pytest
from helpers import random_play, small

from sandwich_jax import lane_layout, sandwich
from sandwich_jax.members import Config, members_of
from sandwich_jax.players import spelled
from sandwich_jax.running import pace


def _setup(config: Config) -> sandwich.Setup:
    return sandwich.prepare(config, spelled.load_models(config))


@pytest.mark.parametrize("every", [1, 2])
def test_plies_of_all_lanes_are_those_of_the_loop(every):
    config, turns = small(every=every, games=64), 0
    setup = _setup(config)

    def counted(state, label):
        def count():
            nonlocal turns
            turns += 1

        jax.debug.callback(count)
        return setup.game.step(state, label)

    game = dataclasses.replace(setup.game, step=counted)
    learner = sandwich.first_learner(setup, config.protocol)
    lane = sandwich.lane_of(config, members_of(config)[0], learner, 0)
    whole = sandwich.lane_round(setup._replace(game=game), config.protocol)
    # Of the games alone: the updates, half of the program, are not compiled.
    play = jax.jit(lambda *about: whole(*about).rollout)
    rollout = jax.block_until_ready(play(lane, setup.models, setup.starts))
    jax.effects_barrier()
    assert pace.plies_of_all_lanes(rollout, config) == turns > 0


def test_pieces_are_timed():
    setup = _setup(small(protocol="majority"))  # one that comes in sizes
    where = lane_layout.layout(devices=1)
    rest = pace.time_rest(setup, where)
    found = pace.time_pieces(setup, where, rest)
    assert min(rest) > 0 and found.ply > 0 and found.rest == rest


def test_pieces_are_weighed_by_how_often_they_came(monkeypatch):
    *_, rollout, _ = random_play()
    config = small(games=32)
    counted = pace.Pace()
    assert set(counted.shares().values()) == {None} and "time" not in str(counted)
    counted.begin(lambda: pace.Pieces(5.0, pace.Rest(board=2.0, update=10.0)))
    counted.round(config, rollout)
    assert "time" not in str(counted)  # a program that was at work for a moment
    monkeypatch.setattr(pace, "PATIENCE", 0.0)
    monkeypatch.setattr(pace, "WORTH", 0)
    counted.round(config, rollout)
    plies = pace.plies_of_all_lanes(rollout, config)
    weights = np.asarray([3 * plies, 2 * plies, config.updates * 10.0])
    np.testing.assert_allclose(
        list(counted.shares().values()), weights / weights.sum(), atol=5.1e-4
    )
    figures = counted.figures()
    assert figures["rounds"] == 2 and figures["memory"]["gib"] > 0
    ratio = figures["plies_per_second"] / figures["games_per_second"]
    assert ratio == pytest.approx(np.asarray(rollout.played).sum() / 32, rel=0.01)
    assert "networks" in str(counted) and "plies/s" in str(counted)


def test_every_round_of_a_program_counts_in_what_its_time_goes_into(monkeypatch):
    *_, rollout, _ = random_play()
    counted, config = pace.Pace(), small(games=32)
    counted.begin(lambda: pace.Pieces(5.0, pace.Rest(board=2.0, update=10.0)))
    monkeypatch.setattr(pace, "WORTH", 0)
    for patience in (1e9, 0.0, 1e9):
        monkeypatch.setattr(pace, "PATIENCE", patience)
        counted.round(config, rollout)
    assert counted.spent["update"] == 3 * 10.0 * config.updates
    counted.begin(lambda: pytest.fail("the next one is at work for a moment only"))
    counted.round(config, rollout)
    assert counted.spent["update"] == 3 * 10.0 * config.updates


def test_pieces_are_timed_once_that_takes_little_beside_the_rounds(monkeypatch):
    *_, rollout, _ = random_play()
    counted, times = pace.Pace(), []
    clock = [0.0]
    monkeypatch.setattr(pace.time, "monotonic", lambda: clock[0])
    counted.begin(lambda: times.append(clock[0]) or pace.Pieces(5.0, pace.Rest(2.0, 10.0)))
    # The first round compiles for half a minute, those after it take ten seconds each.
    for clock[0] in [30.0, *np.arange(40.0, 500.0, 10.0)]:
        counted.round(small(games=32), rollout)
    assert times == [330.0]
