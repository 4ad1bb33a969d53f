"""Many runs of one member each, side by side in one program; each goes on from its checkpoint.

Runs do not wait for one another: when one is over, the next takes its lane.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Hashable, Sequence
from typing import Any, NamedTuple, Protocol

import jax

from sandwich_jax import arena, lane_layout, sandwich, uses
from sandwich_jax.measures.standing import Matches, Standings, round_measures, rows_of
from sandwich_jax.members import (
    Config,
    Member,
    assistant_of,
    members_of,
    protocol_of,
    strength_names,
)
from sandwich_jax.sandwich import Learner, RoundResult, Setup
from sandwich_jax.types import Params


class Outside(sandwich.Outside, Protocol):
    """What one of the runs needs of the world."""

    def network(self, row: dict[str, Any], params: Params) -> None:
        """Takes W' after the last round; its rows of that round come next, and are the last."""
        ...


class Book(Protocol):
    """Matches that several runs have in common, by a key that says all they depend on."""

    def find(self, key: Hashable) -> arena.Scores | None:
        """The match, if it was played."""
        ...

    def keep(self, key: Hashable, scores: arena.Scores) -> None:
        """Takes a match."""
        ...


class World(NamedTuple):
    """What all runs share of the world."""

    book: Book
    told: Callable[[float, str], None]
    """After every step: work done, in rounds of one member, and what it was."""
    pause: Callable[[], None]
    """Called wherever everything done so far is safe with the runs' savers; may raise."""


def cost(config: Config) -> float:
    """Work of one whole run without its baseline, in rounds."""
    matches = 3 if members_of(config)[0].assistant != "E" else 2
    return config.rounds + matches * sandwich.match_cost(config)


@dataclasses.dataclass
class _Run:
    config: Config
    member: Member
    outside: Outside
    learner: Learner
    finished: int
    baseline: Matches


class _Program(NamedTuple):
    """What is compiled once for all runs."""

    setup: Setup
    where: lane_layout.Layout
    rounds: Callable
    shared: tuple
    standings: Standings
    world: World


def run_all(
    setup: Setup,
    standings: Standings,
    runs: Sequence[tuple[Config, Outside]],
    where: lane_layout.Layout,
    world: World,
) -> None:
    """Plays every run to its end.

    Args:
        setup: shared by all of them; they differ from its configuration in traced numbers alone.
        standings: plays their matches.
        runs: each of one member.
        where: lanes and devices.
        world: what they share of the world.

    Raises:
        SettingError: a loss was not finite; the last good checkpoint is kept.
    """
    program = _Program(
        setup,
        where,
        sandwich.rounds_of(setup, setup.config.protocol, where),
        lane_layout.share((setup.models, setup.starts), where),
        standings,
        world,
    )
    waiting, active = list(runs), []
    while waiting or active:
        room = where.width - len(active)
        fresh = [_begin(setup, config, outside) for config, outside in waiting[:room]]
        waiting = waiting[room:]
        _play_baselines(program, fresh)
        active = _advance(program, active + fresh)
        world.pause()


def _begin(setup: Setup, config: Config, outside: Outside) -> _Run:
    """A run where its last checkpoint left it."""
    learner = sandwich.first_learner(setup, members_of(config)[0].protocol)
    found = outside.saver.latest(learner)
    finished, learner = found if found else (0, learner)
    # The last row says that all is done, and came before its checkpoint.
    outside.forget_rows_after(finished)
    return _Run(config, members_of(config)[0], outside, learner, finished, {})


def _play_baselines(program: _Program, runs: list[_Run]) -> None:
    """The matches before the first round, those in the book left out."""
    if not runs:
        return
    book, jobs, wanted = program.world.book, {}, []
    for run in runs:
        for names, job in program.standings.baseline(run.config, (run.member,)).items():
            c = run.config
            # What kind of A it is, and its strengths, the rest of the key says.
            told = ("lasts", "saboteur", *strength_names())
            about = tuple(getattr(c, name) for name in uses.of_assistants() if name not in told)
            key = (assistant_of(c), c.saboteur, about, c.network, c.seed, *names)
            wanted.append((run, names, key))
            if book.find(key) is None:
                jobs[key] = job
    played = program.standings.play_matches(
        jobs,
        program.setup.config.final_openings,
        lambda key: program.world.told(0.0, f"arena: {key[-2]} against {key[-1]}"),
    )
    for key, scores in played.items():
        book.keep(key, scores)
    for run, names, key in wanted:
        scores = played.get(key) or book.find(key)
        assert scores is not None
        run.baseline[names] = scores
    for run in runs:
        run.outside.matches("baseline", run.baseline)


def _advance(program: _Program, runs: list[_Run]) -> list[_Run]:
    """One round of every run; returns those that go on."""
    config = program.setup.config
    lanes = [sandwich.lane_of(r.config, r.member, r.learner, r.finished) for r in runs]
    start, results = time.monotonic(), []
    for places, found in program.rounds(lanes, *program.shared):
        results += found
        names = ", ".join(runs[place].member.name for place in places)
        program.world.told(len(places), f"round {runs[places[0]].finished + 1}: {names}")
    seconds = (time.monotonic() - start) / len(runs)
    for run, result in zip(runs, results, strict=True):
        sandwich.stop_if_not_finite(run.member, result.metrics, run.finished)
        run.learner, run.finished = result.learner, run.finished + 1
        run.outside.games(run.finished, run.member, result.rollout, result.truth)
    matches = _matches(program, runs)
    for run, result, own in zip(runs, results, matches, strict=True):
        _record(run, result, run.baseline | own, seconds)
    return [run for run in runs if run.finished < config.rounds]


def _matches(program: _Program, runs: list[_Run]) -> list[Matches]:
    """Where every W' stands now, the runs after their last round in more games."""
    config, standings = program.setup.config, program.standings
    jobs: tuple[dict, dict] = ({}, {})
    for place, run in enumerate(runs):
        last = run.finished == config.rounds
        jobs_of = standings.final if last else standings.student
        own = jobs_of(run.config, run.member, run.learner.train.params)
        jobs[last].update({(place, *names): job for names, job in own.items()})
    played = {}
    each = (0.0, sandwich.match_cost(config))
    for own, count, amount in zip(
        jobs, (config.round_openings, config.final_openings), each, strict=True
    ):
        played |= standings.play_matches(
            own,
            count,
            lambda key, amount=amount: program.world.told(
                amount, f"arena: {key[1]} against {key[2]}"
            ),
        )
    return [
        {(a, b): scores for (owner, a, b), scores in played.items() if owner == place}
        for place in range(len(runs))
    ]


def _record(run: _Run, result: RoundResult, matches: Matches, seconds: float) -> None:
    last = run.finished == run.config.rounds
    rows = rows_of(run.config, (run.member,), matches, run.finished, last)
    answers = protocol_of(run.config).answers
    rows[0] |= round_measures(result.rollout, result.truth, result.metrics, answers)
    rows[0]["seconds"] = round(seconds, 2)
    if last:
        run.outside.matches("final", matches)
        run.outside.network(rows[0], jax.device_get(run.learner.train.params))
        run.outside.rows(rows)
    else:
        run.outside.rows(rows)
        run.outside.saver.save(run.finished, run.learner)
