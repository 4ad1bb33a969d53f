"""Rounds after rounds, until every member has played its last: what `run` and `sweep` both are.

Members that are laid beside one another make a cohort: their matches are fitted jointly, and their
checkpoint is one. A run is one cohort; of a sweep every member is a cohort by itself. Cohorts do
not wait for one another: when one is over, the next takes its lanes.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any, NamedTuple, Protocol

import jax

from sandwich_jax import arena, identity, lane_layout, uses
from sandwich_jax.config import Config, assistant_of, default_of, protocol_of
from sandwich_jax.measures import elo
from sandwich_jax.measures.standing import (
    Matches,
    Standings,
    baseline_names,
    elo_of,
    round_measures,
    rows_of,
)
from sandwich_jax.members import Member, compiled_of, members_of, program_of
from sandwich_jax.sandwich import (
    Learner,
    RoundResult,
    Setup,
    first_learner,
    lane_of,
    rounds_of,
    stop_if_not_finite,
)
from sandwich_jax.types import Params, Rollout, Truth
from sandwich_jax.uses import strength_names


class Outside(Protocol):
    """What a cohort needs of the world."""

    def latest(self, like: list[Learner]) -> tuple[int, list[Learner]] | None:
        """The last whole checkpoint and the rounds played by then, if there is one."""
        ...

    def save(self, number: int, learners: list[Learner]) -> None:
        """Keeps a checkpoint."""
        ...

    def rows(self, rows: list[dict[str, Any]]) -> None:
        """Takes the rows of one round, a row a member."""
        ...

    def forget_rows_after(self, round_index: int) -> None:
        """Drops rows of rounds that will be played again."""
        ...

    def matches(self, name: str, matches: Matches) -> None:
        """Takes the scores of a set of matches: "baseline" or "final"."""
        ...

    def games(self, round_index: int, member: Member, rollout: Rollout, truth: Truth) -> None:
        """Takes the games of one member's round."""
        ...

    def result(self, result: Result) -> None:
        """Takes what came of it, before the last rows and after all else."""
        ...


class Result(NamedTuple):
    """What a run found."""

    config: Config
    rows: list[dict[str, Any]]
    """Of the last round, a row a member."""
    fit: elo.Fit
    """Joint fit over W, E, the assistants and the members' last networks."""
    networks: dict[str, Params]
    """W' by member."""


class Book(Protocol):
    """Matches that cohorts have in common, by a key that says all they depend on."""

    def find(self, key: Hashable) -> arena.Scores | None:
        """The match, if it was played."""
        ...

    def keep(self, key: Hashable, scores: arena.Scores) -> None:
        """Takes a match."""
        ...


class NoBook:
    """Where nothing is in common."""

    def find(self, key: Hashable) -> arena.Scores | None:
        return None

    def keep(self, key: Hashable, scores: arena.Scores) -> None:
        """Keeps nothing."""


class World(NamedTuple):
    """What all cohorts share of the world."""

    book: Book
    told: Callable[[float, str], None]
    """After every step: work done, in rounds of one member, and what it was."""
    skipped: Callable[[float], None]
    """Told of work that an earlier call has done."""
    pause: Callable[[], None]
    """Called wherever everything done so far is safe with the savers; may raise."""


def cost(configs: Iterable[Config]) -> float:
    """Work of such cohorts, in rounds of one member."""
    total, baseline = 0.0, {}
    for config in configs:
        members = members_of(config)
        finals = sum(3 if member.assistant != "E" else 2 for member in members)
        total += config.rounds * len(members) + finals * match_cost(config)
        for names in baseline_names(config, members):
            baseline[_of_match(config, names)] = match_cost(config)
    return total + sum(baseline.values())


def match_cost(config: Config) -> float:
    """Of a large match, in rounds of one member.

    Measured on a CPU: a game of the arena costs about a third of one of self-play with its share
    of fine-tuning.
    """
    return 2 * config.final_openings * 0.3 / config.games


@dataclasses.dataclass
class _Cohort:
    config: Config
    outside: Outside
    members: tuple[Member, ...]
    learners: list[Learner]
    finished: int
    """Rounds."""
    baseline: Matches

    @property
    def last(self) -> bool:
        """Whether it has played its last round."""
        return self.finished == self.config.rounds


class _Hall:
    """What all cohorts share: networks, positions, compiled programs, the world."""

    def __init__(self, setup: Setup, standings: Standings, where: lane_layout.Layout, world: World):
        self.setup, self.standings, self.where, self.world = setup, standings, where, world
        self.shared = lane_layout.share((setup.models, setup.starts), where)
        self.programs: dict[Config, lane_layout.Mapped] = {}

    def program(self, compiled: Config) -> lane_layout.Mapped:
        """The rounds of members that are compiled alike."""
        if compiled not in self.programs:
            setup = self.setup._replace(config=compiled)
            self.programs[compiled] = rounds_of(setup, compiled.protocol, self.where)
        return self.programs[compiled]


def drive(
    setup: Setup,
    standings: Standings,
    cohorts: Sequence[tuple[Config, Outside]],
    where: lane_layout.Layout,
    world: World,
) -> None:
    """Plays every cohort to its end, from its last checkpoint if there is one.

    Args:
        setup: shared by all of them, whatever configuration it holds.
        standings: plays their matches.
        cohorts: the members that a configuration spans, and what they need of the world.
        where: lanes and devices; as many members as fit are at work at a time, and those of a
            cohort always together.
        world: what they share of it.

    Raises:
        SettingError: a loss was not finite; the last good checkpoint is kept.
    """
    hall = _Hall(setup, standings, where, world)
    waiting, active = list(cohorts), []
    while waiting or active:
        fresh: list[_Cohort] = []
        while waiting and (not active + fresh or _room(hall, active + fresh) > 0):
            fresh.append(_begin(hall, *waiting.pop(0)))
        _play_baselines(hall, fresh)
        active = _advance(hall, active + fresh)
        world.pause()


def _room(hall: _Hall, at_work: list[_Cohort]) -> int:
    return hall.where.width - sum(len(cohort.members) for cohort in at_work)


def _begin(hall: _Hall, config: Config, outside: Outside) -> _Cohort:
    """A cohort where its last checkpoint left it."""
    members = members_of(config)
    setup = hall.setup._replace(config=config)
    learners = [first_learner(setup.of(member), member.protocol) for member in members]
    found = outside.latest(learners)
    finished, learners = found if found else (0, learners)
    # The last row says that all is done, and came before its checkpoint.
    outside.forget_rows_after(finished)
    hall.world.skipped(finished * len(members))
    return _Cohort(config, outside, members, learners, finished, {})


# --- matches before the first round -------------------------------------------------------------


def _play_baselines(hall: _Hall, cohorts: list[_Cohort]) -> None:
    """The matches before the first round, those in the book left out."""
    book, jobs, wanted = hall.world.book, {}, []
    for cohort in cohorts:
        for names, job in hall.standings.baseline(cohort.config, cohort.members).items():
            key = _of_match(cohort.config, names)
            wanted.append((cohort, names, key))
            if key not in jobs and book.find(key) is None:
                jobs[key] = job
    each = match_cost(hall.setup.config)
    played = hall.standings.play_matches(
        jobs,
        hall.setup.config.final_openings,
        lambda key: hall.world.told(each, f"arena: {key[-2]} against {key[-1]}"),
    )
    for key, scores in played.items():
        book.keep(key, scores)
    hall.world.skipped(each * len({key for *_, key in wanted if key not in played}))
    for cohort, names, key in wanted:
        scores = played.get(key) or book.find(key)
        assert scores is not None
        cohort.baseline[names] = scores
    for cohort in cohorts:
        cohort.outside.matches("baseline", cohort.baseline)


def _of_match(config: Config, names: tuple[str, str]) -> tuple:
    """What a match before the first round depends on; what strengths A has, its name says."""
    told = ("lasts", "saboteur", *strength_names())
    own = {name: getattr(config, name) for name in uses.of_assistants() if name not in told}
    about = tuple((name, v) for name, v in own.items() if v != default_of(name))
    return (assistant_of(config), config.saboteur, about, config.network, config.seed, *names)


# --- rounds -------------------------------------------------------------------------------------


class _Played(NamedTuple):
    """A member's round."""

    result: RoundResult
    seconds: float


def _advance(hall: _Hall, cohorts: list[_Cohort]) -> list[_Cohort]:
    """One round of every cohort that has one left; returns those that go on."""
    playing = [cohort for cohort in cohorts if not cohort.last]
    rounds = _play_round(hall, playing)
    for cohort, own in zip(playing, rounds, strict=True):
        for member, one in zip(cohort.members, own, strict=True):
            stop_if_not_finite(member, one.result.metrics, cohort.finished)
            found = one.result
            cohort.outside.games(cohort.finished + 1, member, found.rollout, found.truth)
        cohort.learners = [one.result.learner for one in own]
        cohort.finished += 1
    measured = {id(cohort): own for cohort, own in zip(playing, rounds, strict=True)}
    for cohort, matches in zip(cohorts, _stand(hall, cohorts), strict=True):
        _record(cohort, measured.get(id(cohort)), cohort.baseline | matches)
    return [cohort for cohort in cohorts if not cohort.last]


def _play_round(hall: _Hall, cohorts: list[_Cohort]) -> list[list[_Played]]:
    """A round of every member; those that are compiled alike run as one program."""
    places: dict[Config, list[tuple[int, int]]] = {}
    for c, cohort in enumerate(cohorts):
        for m, member in enumerate(cohort.members):
            places.setdefault(compiled_of(cohort.config, member), []).append((c, m))
    parts = []
    for compiled, own in places.items():
        lanes = [_lane(cohorts[c], m) for c, m in own]
        parts.append(hall.program(compiled).parts(lanes, *hall.shared))
    found: dict[tuple[int, int], _Played] = {}
    every = list(places.values())
    for call in lane_layout.at_once(parts, hall.where):
        done = [every[call.program][place] for place in call.places]
        for place, result in zip(done, call.results, strict=True):
            found[place] = _Played(result, call.seconds / len(done))
        names = ", ".join(cohorts[c].members[m].name for c, m in done)
        first = cohorts[done[0][0]]
        about = f"round {first.finished + 1}/{first.config.rounds}: {names}"
        hall.world.told(len(done), about)
    sizes = [len(cohort.members) for cohort in cohorts]
    return [[found[c, m] for m in range(size)] for c, size in enumerate(sizes)]


def _lane(cohort: _Cohort, place: int) -> Any:
    return lane_of(cohort.config, cohort.members[place], cohort.learners[place], cohort.finished)


def _stand(hall: _Hall, cohorts: list[_Cohort]) -> list[Matches]:
    """Where every W' stands now, cohorts after their last round in more games."""
    config, standings = hall.setup.config, hall.standings
    jobs: tuple[dict, dict] = ({}, {})
    for place, cohort in enumerate(cohorts):
        jobs_of = standings.final if cohort.last else standings.student
        for member, learner in zip(cohort.members, cohort.learners, strict=True):
            own = jobs_of(cohort.config, member, learner.train.params)
            jobs[cohort.last].update({(place, *names): job for names, job in own.items()})
    played: dict[tuple, arena.Scores] = {}
    openings, costs = (config.round_openings, config.final_openings), (0.0, match_cost(config))
    for own, count, amount in zip(jobs, openings, costs, strict=True):

        def told(key: tuple, amount: float = amount) -> None:
            hall.world.told(amount, f"arena: {key[1]} against {key[2]}")

        played |= standings.play_matches(own, count, told)
    return [
        {(a, b): scores for (owner, a, b), scores in played.items() if owner == place}
        for place in range(len(cohorts))
    ]


def _record(cohort: _Cohort, played: list[_Played] | None, matches: Matches) -> None:
    """Hands on what a round gave; nothing but the result where all was played before."""
    config, outside, fitted = cohort.config, cohort.outside, elo_of(matches)
    rows = rows_of(config, cohort.members, matches, fitted, cohort.finished, cohort.last)
    for row, member, one in zip(rows, cohort.members, played or (), strict=played is not None):
        answers = protocol_of(program_of(config, member)).answers
        row |= _figures(one.result, answers)
        row["seconds"] = round(one.seconds, 2)
    if cohort.last:
        outside.matches("final", matches)
        pairs = zip(cohort.members, cohort.learners, strict=True)
        networks = {m.name: jax.device_get(learner.train.params) for m, learner in pairs}
        outside.result(Result(config, rows, fitted, networks))
    if played is not None:
        outside.rows(rows)
        outside.save(cohort.finished, cohort.learners)


def _figures(result: RoundResult, answers: int) -> dict[str, Any]:
    """What a round measured.

    Raises:
        TypeError: a kind has a setting of the same name.
    """
    found = round_measures(result.rollout, result.truth, result.metrics, answers)
    if clash := found.keys() & set(identity.column_names()):
        raise TypeError(f"{', '.join(clash)} is a figure in rows: call the setting otherwise.")
    return found
