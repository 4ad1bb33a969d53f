"""One round: self-play beside the assistant, then fine-tuning, for every member.

Read `round_of` first: it is the whole idea in one function. `driver` plays round after round.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PyTree, UInt

from sandwich_jax import finetune, games, lane_layout, objectives
from sandwich_jax.measures.standing import Standings
from sandwich_jax.members import (
    Config,
    Member,
    assistant_of,
    knobs_of,
    loss_of,
    program_of,
    protocol_of,
    run_key,
)
from sandwich_jax.misalign import assistant
from sandwich_jax.models import Models, game_of
from sandwich_jax.objectives import OBJECTIVES
from sandwich_jax.oversight.protocols import Protocol as Oversight
from sandwich_jax.selfplay import SelfPlayConfig, Sides, Table, adjudicated, selfplay
from sandwich_jax.types import (
    Knobs,
    Metrics,
    PRNGKey,
    Rollout,
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
        net = self.models.weak.net
        piece = finetune.piece_of(net, self.config.batch, self.group)
        return finetune.make_trainer(self.game, net, loss=loss_of(self.config), piece=piece)


class RoundResult(NamedTuple):
    """What one member's round gives."""

    learner: Learner
    metrics: Metrics
    rollout: Rollout
    truth: Truth


def round_of(setup: Setup, protocol: str) -> Callable[..., RoundResult]:
    """`(member, key, run, round, models, starts) -> RoundResult`, to be mapped over members."""
    config = setup.config
    made = assistant.make(setup.game, assistant_of(config))
    objective, trainer = OBJECTIVES[config.objective], setup.trainer
    table = Table(setup.game, made, protocol_of(config, protocol), objective.wants)
    play_config = SelfPlayConfig(config.games, config.lanes, config.max_plies, config.every)

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
        weak = models.weak.with_params(learner.train.params)
        sides = Sides(weak, models, knobs, learner.lore, run)
        rollout, truth = selfplay(k_games, table, sides, starts, rows, play_config)
        known = adjudicated(rollout, truth) if config.results == "adjudicated" else rollout
        lore = _learnt(table.protocol, learner.lore, known, knobs)
        view = (setup.game, weak, known, starts, knobs)
        seen = objectives.see(*view) if objective.sees else None
        window = learner.window
        if not objective.corpus:
            targets = objective.targets(known, seen, objective.numbers(knobs))
            window = objectives.push(window, known.positions, targets, index)
        train, metrics = finetune.finetune(
            k_updates,
            trainer,
            learner.train,
            window,
            knobs["learning_rate"],
            config.updates,
            config.batch,
            finetune.Guide(models.weak.params, knobs),
            _shares(config, index),
        )
        return RoundResult(Learner(train, window, lore), metrics, rollout, truth)

    return one_round


def _shares(config: Config, index: Int[Array, ""]) -> Float[Array, "S"]:
    """Of the peak learning rate, for every update of a round."""
    if config.anneal == "run":
        return finetune.annealing(config.updates, config.rounds, index)
    return finetune.annealing(config.updates)


def _learnt(
    protocol: Oversight, lore: PyTree[Array], rollout: Rollout, knobs: Knobs
) -> PyTree[Array]:
    """What a protocol knows after a round."""
    if protocol.learn is None:
        return lore
    return protocol.learn(lore, rollout, protocol.numbers(knobs))


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
    state = setup.trainer.init(setup.models.weak.params)
    return Learner(state, window, protocol_of(c, protocol).lore())


# --- what a run starts from ---------------------------------------------------------------------


def prepare(config: Config, models: Models) -> Setup:
    """Builds what all members share."""
    game = game_of(config.game, models.all)
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
    return Setup(config, game, models, starts, arena_starts)


def standings_of(setup: Setup, where: lane_layout.Layout) -> Standings:
    """What plays the matches of runs with this setup."""
    return Standings(setup.config, setup.game, setup.models, setup.arena_starts, where)


def stop_if_not_finite(member: Member, metrics: Metrics, index: int) -> None:
    """Raises SettingError for a round (from 0) with a loss that was not finite."""
    if not bool(metrics.finite):
        raise SettingError(
            f"The loss of '{member.name}' was not finite at update {int(metrics.bad_step)} (round"
            f" {index + 1}); the checkpoint of round {index} is kept. Lower learning_rate."
        )
