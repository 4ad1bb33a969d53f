"""One run: rounds of self-play, fine-tuning and arena, for every member; resumable.

Read `round_of` first: it is the whole idea in one function.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int, PyTree, UInt

from sandwich_jax import finetune, games, lane_layout, nets, objectives
from sandwich_jax.measures import elo
from sandwich_jax.measures.standing import Matches, Standings, elo_of, round_measures, rows_of
from sandwich_jax.members import (
    Config,
    Member,
    assistant_of,
    knobs_of,
    loss_of,
    members_of,
    program_of,
    protocol_of,
    run_key,
)
from sandwich_jax.misalign import assistant
from sandwich_jax.misalign.assistant import Models
from sandwich_jax.objectives import OBJECTIVES
from sandwich_jax.selfplay import SelfPlayConfig, Sides, Table, adjudicated, selfplay
from sandwich_jax.types import (
    Knobs,
    Metrics,
    Params,
    PRNGKey,
    Rollout,
    Saver,
    SettingError,
    State,
    TrainState,
    Truth,
    Window,
)

# --- the round ----------------------------------------------------------------------------------


class Learner(NamedTuple):
    """What a member carries from round to round."""

    train: TrainState
    window: Window
    lore: PyTree[Array]
    """What the protocol learnt."""


class Setup(NamedTuple):
    """What all members share."""

    config: Config
    game: games.Game
    net: nets.Network
    models: Models
    starts: State
    """Positions after the training openings."""
    arena_starts: State
    """Positions after the arena's openings, as many as its largest match needs."""
    corpus: Window | None = None
    """Samples of W's own corpus, where a member goes on with it."""
    group: int = 1
    """Members whose updates are made side by side."""

    def of(self, member: Member) -> Setup:
        """The setup of a member's program."""
        return self._replace(config=program_of(self.config, member))

    @property
    def trainer(self) -> finetune.Trainer:
        """Updates by the loss of `config`."""
        piece = finetune.piece_of(self.net, self.config.batch, self.group)
        return finetune.make_trainer(self.game, self.net, loss=loss_of(self.config), piece=piece)


class RoundResult(NamedTuple):
    """What one member's round gives."""

    learner: Learner
    metrics: Metrics
    rollout: Rollout
    truth: Truth


def round_of(setup: Setup, protocol: str) -> Callable[..., RoundResult]:
    """`(member, key, run, round, models, starts) -> RoundResult`, to be mapped over members."""
    config = setup.config
    made = assistant.make(setup.game, setup.net, assistant_of(config))
    table = Table(setup.game, setup.net, made, protocol_of(config, protocol))
    play_config = SelfPlayConfig(config.games, config.lanes, config.max_plies, config.every)
    objective, trainer = OBJECTIVES[config.objective], setup.trainer

    def one_round(
        member: tuple[Learner, Knobs],
        key: PRNGKey,
        run: PRNGKey,
        index: Int[Array, ""],
        models: Models,
        starts: State,
    ) -> RoundResult:
        learner, knobs = member
        k_openings, k_games, k_updates = jax.random.split(key, 3)
        rows = _openings_of_round(k_openings, _count(setup, starts), config.games // 2)
        sides = Sides(learner.train.params, models, knobs, learner.lore, run)
        rollout, truth = selfplay(k_games, table, sides, starts, rows, play_config)
        known = adjudicated(rollout, truth) if config.results == "adjudicated" else rollout
        lore = table.protocol.learn(learner.lore, known, knobs)
        weak = learner.train.params
        view = (setup.game, setup.net, weak, known, starts, knobs)
        seen = objectives.see(*view) if objective.sees else None
        window = learner.window
        if not objective.corpus:
            targets = objective.targets(known, seen, knobs)
            window = objectives.push(window, known.positions, targets, index)
        train, metrics = finetune.finetune(
            k_updates,
            trainer,
            learner.train,
            window,
            knobs["learning_rate"],
            config.updates,
            config.batch,
            finetune.Guide(models.weak, knobs),
        )
        return RoundResult(Learner(train, window, lore), metrics, rollout, truth)

    return one_round


class Lane(NamedTuple):
    """A member before a round, as plain numbers."""

    learner: Learner
    knobs: Knobs
    key: UInt[Array, "2"]
    """Data of the round's key."""
    run: UInt[Array, "2"]
    """Data of the run's key."""
    index: Int[Array, ""]


def lane_of(config: Config, member: Member, learner: Learner, index: int) -> Lane:
    """The lane of a member about to play round `index` (from 0)."""
    key = jax.random.fold_in(jax.random.key(config.seed), index)
    knobs = knobs_of(config, member, config.temperature)
    data, run = jax.random.key_data(key), jax.random.key_data(run_key(config))
    return Lane(learner, knobs, data, run, jnp.int32(index))


def lane_round(setup: Setup, protocol: str) -> Callable[[Lane, Models, State], RoundResult]:
    """`round_of` on a lane."""
    one_round = round_of(setup, protocol)

    def one(lane: Lane, models: Models, starts: State) -> RoundResult:
        keys = (jax.random.wrap_key_data(data) for data in (lane.key, lane.run))
        return one_round((lane.learner, lane.knobs), *keys, lane.index, models, starts)

    return one


def rounds_of(setup: Setup, protocol: str, where: lane_layout.Layout) -> lane_layout.Mapped:
    """`(lanes, models, starts) -> places and results`, see `lane_layout.map_lanes`."""
    setup = setup._replace(group=where.group if where.mode == "vmap" else 1)
    return lane_layout.map_lanes(lane_round(setup, protocol), where)


def _count(setup: Setup, starts: State) -> int:
    return jax.eval_shape(setup.game.done, starts).shape[0]


def _openings_of_round(key: PRNGKey, table: int, count: int) -> Int[Array, "N"]:
    """Rows of the opening table, each at most once while there are enough."""
    order = jax.random.permutation(key, table)
    return order[jnp.arange(count) % table]


def first_learner(setup: Setup, protocol: str) -> Learner:
    """A member before its first round: W with an empty window and an open mind."""
    c = setup.config
    samples = c.window * c.games * c.max_plies
    if OBJECTIVES[c.objective].corpus:
        assert setup.corpus is not None
        window = setup.corpus
    else:
        window = objectives.empty_window(setup.game, samples, c.objective)
    state = setup.trainer.init(setup.models.weak)
    return Learner(state, window, protocol_of(c, protocol).lore())


# --- the run ------------------------------------------------------------------------------------


class Outside(Protocol):
    """What a run needs of the world."""

    @property
    def saver(self) -> Saver:
        """Where checkpoints go."""
        ...

    def rows(self, rows: list[dict[str, Any]]) -> None:
        """Takes the rows of one round, a row a member."""
        ...

    def forget_rows_after(self, round_index: int) -> None:
        """Drops rows of rounds that will be played again."""
        ...

    def matches(self, name: str, matches: Matches) -> None:
        """Takes the scores of a set of matches."""
        ...

    def games(self, round_index: int, member: Member, rollout: Rollout, truth: Truth) -> None:
        """Takes the games of one member's round."""
        ...

    def progress(self, done: float, total: float, text: str) -> None:
        """Told after every step; `done` and `total` are in rounds of one member."""
        ...

    def pause(self) -> None:
        """Called after every checkpoint; may raise."""
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


def prepare(config: Config, models: Models, net: nets.Network) -> Setup:
    """Builds what all members share."""
    game = games.make(config.game)
    lines, arena_lines = game.openings("train"), game.openings("arena")
    needed = max(config.final_openings, config.round_openings)
    if needed > len(arena_lines):
        raise SettingError(
            f"The arena wants {needed} openings, but {config.game} has {len(arena_lines)}: lower"
            " final_openings and round_openings."
        )
    after = jax.jit(game.after)
    starts, arena_starts = after(jnp.asarray(lines)), after(jnp.asarray(arena_lines))
    arena_starts = game.take(arena_starts, jnp.arange(needed))
    return Setup(config, game, net, models, starts, arena_starts)


def run(setup: Setup, outside: Outside) -> Result:
    """Plays all rounds of all members, from the last checkpoint if there is one.

    Raises:
        SettingError: a loss was not finite; the last good checkpoint is kept.
    """
    config, members = setup.config, members_of(setup.config)
    work = _Work(outside, config, members)
    where = lane_layout.layout()
    if where.mode == "vmap":  # all members at once
        where = dataclasses.replace(where, group=-(-len(members) // len(where.devices)))
    standings = standings_of(setup, where)
    learners = [first_learner(setup.of(member), member.protocol) for member in members]
    found = outside.saver.latest(learners)
    finished, learners = found if found else (0, learners)
    outside.forget_rows_after(finished)
    work.skip_rounds(finished)
    count = config.final_openings
    baseline = standings.play_matches(standings.baseline(config, members), count, work.match)
    outside.matches("baseline", baseline)
    setups = {own.config: own for own in (setup.of(member) for member in members)}
    rounds = {c: rounds_of(own, c.protocol, where) for c, own in setups.items()}
    shared = lane_layout.share((setup.models, setup.starts), where)
    rows, matches = [], baseline
    for index in range(finished, config.rounds):
        begun = Round(config, members, learners, index)
        results, seconds = _play_round(begun, rounds, shared, where, work)
        for member, result in zip(members, results, strict=True):
            stop_if_not_finite(member, result.metrics, index)
            outside.games(index + 1, member, result.rollout, result.truth)
        learners = [result.learner for result in results]
        last = index + 1 == config.rounds
        matches = baseline | _stand(standings, config, members, learners, last, work)
        rows = rows_of(config, members, matches, index + 1, last)
        for row, result, spent in zip(rows, results, seconds, strict=True):
            answers = protocol_of(config, row["protocol"]).answers
            row |= round_measures(result.rollout, result.truth, result.metrics, answers)
            row["seconds"] = round(spent, 2)
        outside.rows(rows)
        outside.saver.save(index + 1, learners)
        outside.pause()
    if not rows:  # everything was done before: measure again, play nothing
        matches = baseline | _stand(standings, config, members, learners, True, work)
        rows = rows_of(config, members, matches, config.rounds, True)
    outside.matches("final", matches)
    return Result(config, rows, elo_of(matches), _networks(members, learners))


def _networks(members: tuple[Member, ...], learners: list[Learner]) -> dict[str, Params]:
    pairs = zip(members, learners, strict=True)
    return {member.name: learner.train.params for member, learner in pairs}


def standings_of(setup: Setup, where: lane_layout.Layout) -> Standings:
    """What plays the matches of runs with this setup."""
    players = (setup.models, setup.arena_starts)
    return Standings(setup.config, setup.game, setup.net, *players, where)


def _stand(
    standings: Standings,
    config: Config,
    members: tuple[Member, ...],
    learners: list[Learner],
    last: bool,
    work: _Work,
) -> Matches:
    """The matches of all W' after a round."""
    jobs_of = standings.final if last else standings.student
    jobs = {}
    for name, params in zip(members, _networks(members, learners).values(), strict=True):
        jobs |= jobs_of(config, name, params)
    openings = config.final_openings if last else config.round_openings
    return standings.play_matches(jobs, openings, work.match if last else work.small_match)


def match_cost(config: Config) -> float:
    """Of a large match, in rounds of one member.

    Measured on a CPU: a game of the arena costs about a third of one of self-play with its share
    of fine-tuning.
    """
    return 2 * config.final_openings * 0.3 / config.games


class _Work:
    """Counts work done, in rounds of one member, for a display of progress."""

    def __init__(self, outside: Outside, config: Config, members: tuple[Member, ...]):
        self.outside, self.members, self.done = outside, members, 0.0
        corrupt = len({m.assistant for m in members} - {"E"})
        matches = (
            1
            + ("argmax" in config.controls)
            + 2 * corrupt
            + sum(3 if m.assistant != "E" else 2 for m in members)
        )
        self.of_match = match_cost(config)
        self.total = config.rounds * len(members) + matches * self.of_match

    def skip_rounds(self, finished: int) -> None:
        """Work that an earlier call did."""
        self.done += finished * len(self.members)

    def match(self, players: tuple[str, str]) -> None:
        """A large match is over."""
        self._add(self.of_match, "arena: {} against {}".format(*players))

    def rounds(self, count: int, text: str) -> None:
        """A round of so many members is over."""
        self._add(count, text)

    def small_match(self, players: tuple[str, str]) -> None:
        """A small match is over: part of its round."""
        self._add(0.0, "arena: {} against {}".format(*players))

    def _add(self, amount: float, text: str) -> None:
        self.done += amount
        self.outside.progress(self.done, self.total, text)


class Round(NamedTuple):
    """A round about to be played."""

    config: Config
    members: tuple[Member, ...]
    learners: list[Learner]
    index: int
    """From 0."""


def _play_round(
    begun: Round,
    rounds: dict[Config, lane_layout.Mapped],
    shared: tuple[Models, State],
    where: lane_layout.Layout,
    work: _Work,
) -> tuple[list[RoundResult], list[float]]:
    """One round of every member; those with the same static settings run as one program."""
    config, members, learners, index = begun
    results: dict[Member, RoundResult] = {}
    seconds: dict[Member, float] = {}
    both = list(zip(members, learners, strict=True))
    chosen = [[(m, x) for m, x in both if program_of(config, m) == c] for c in rounds]
    lanes = [[lane_of(config, m, x, index) for m, x in own] for own in chosen]
    parts = [play.parts(own, *shared) for play, own in zip(rounds.values(), lanes, strict=True)]
    for one in lane_layout.at_once(parts, where):
        done = [chosen[one.program][place][0] for place in one.places]
        results |= zip(done, one.results, strict=True)
        seconds |= dict.fromkeys(done, one.seconds / len(done))
        names = ", ".join(member.name for member in done)
        work.rounds(len(done), f"round {index + 1}/{config.rounds}: {names}")
    return [results[m] for m in members], [seconds[m] for m in members]


def stop_if_not_finite(member: Member, metrics: Metrics, index: int) -> None:
    """Raises SettingError for a round (from 0) with a loss that was not finite."""
    if not bool(metrics.finite):
        raise SettingError(
            f"The loss of '{member.name}' was not finite at update {int(metrics.bad_step)} (round"
            f" {index + 1}); the checkpoint of round {index} is kept. Lower learning_rate."
        )
