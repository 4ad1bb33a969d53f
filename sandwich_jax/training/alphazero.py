"""AlphaZero: a network that learns from its own games with a search, `train-alphazero`.

Silver et al. 2018 (https://doi.org/10.1126/science.aar6404) with the search and the policy target
of Gumbel MuZero (see `sandwich_jax.search`). Lanes play on from iteration to iteration, and the
window of the last plies is one stretch of time: a game's result reaches back to all its plies in
it, also those of iterations before.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from sandwich_jax import sampling
from sandwich_jax.finetune import LossConfig, Trainer, average, make_trainer
from sandwich_jax.games import Game
from sandwich_jax.models import Model
from sandwich_jax.nets import Network
from sandwich_jax.play import Adjudication
from sandwich_jax.search import search
from sandwich_jax.training.settings import AlphaZeroConfig
from sandwich_jax.types import (
    Metrics,
    Outputs,
    Params,
    PRNGKey,
    Saver,
    SettingError,
    SoftPolicy,
    State,
    TrainState,
    Window,
)

SAVE_EVERY = 10
"""Iterations between two checkpoints."""


class Plies(NamedTuple):
    """What is kept of plies, time-major: [T, B, ...], B lanes."""

    positions: Array
    """Encoded."""
    labels: Int[Array, "T B W"]
    """Moves that the search looked at, 16 bits, -1 after the last ..."""
    weights: Float[Array, "T B W"]
    """... and its improved policy over them, 16 bits."""
    value: Float[Array, "T B"]
    """The search's value of the position, for its mover."""
    first: Bool[Array, "T B"]
    """The first player moved."""
    ended: Bool[Array, "T B"]
    """This ply ended its game, or the game was given up after it."""
    result: Float[Array, "T B"]
    """Where a game ended: its result for the first player; NaN where it was given up."""


class Lanes(NamedTuple):
    """Games that are being played."""

    state: State
    ply: Int[Array, "B"]
    """Since the game's start position."""
    streak: Int[Array, "B"]
    """Plies on end with a lead that wins, negative for the second player's."""


class Progress(NamedTuple):
    """Everything that a resumed training needs."""

    train: TrainState
    ema: Params
    lanes: Lanes
    window: Plies
    """The last plies of all lanes, oldest first; those not played yet come first."""
    filled: Int[Array, ""]
    """How many plies of the window were played."""


class Means(NamedTuple):
    """Of an iteration."""

    metrics: Metrics
    games: Float[Array, ""]
    """Games that ended."""
    length: Float[Array, ""]
    """Mean plies of those."""


class Report(NamedTuple):
    """An iteration, for who watches."""

    iteration: int
    policy_loss: float
    """Cross-entropy to the search's policy, in nats."""
    value_loss: float
    games: int
    length: float


class Program(NamedTuple):
    """The training's compiled functions."""

    begin: Callable[[Params], Progress]
    iterate: Callable[[Progress, Int[Array, ""]], tuple[Progress, Means]]
    """One iteration, by its number from 0; its argument is overwritten."""


@functools.cache
def make_program(game: Game, net: Network, config: AlphaZeroConfig) -> Program:
    """The training of a network for a game, compiled once for the same arguments.

    Raises:
        SettingError: material is to decide a game that has none.
    """
    if config.adjudicate and game.material is None:
        raise SettingError(f"adjudicate is set, but {game.name} has no material.")
    made = _Made(game, net, config)
    return Program(jax.jit(made.begin), jax.jit(made.iterate, donate_argnums=0))


class _Made:
    """A training of one configuration: its methods are pure functions of arrays."""

    def __init__(self, game: Game, net: Network, config: AlphaZeroConfig):
        self.game, self.net, self.config = game, net, config
        loss = LossConfig(soft=True, value_weight=1.0)
        self.trainer: Trainer = make_trainer(game, net, b2=0.99, loss=loss)

    def begin(self, params: Params) -> Progress:
        """Before the first iteration."""
        config = self.config
        starts = self.starts(jax.random.key(config.seed), config.lanes)
        zeros = jnp.zeros(config.lanes, jnp.int32)
        lanes = Lanes(starts, zeros, zeros)
        key = jax.random.key(0)
        one = jax.eval_shape(lambda: self.ply(params, starts, lanes, key, jnp.int32(0)))[1]
        rows = config.window * config.plies
        window = jax.tree.map(lambda x: jnp.zeros((rows, *x.shape), x.dtype), one)
        copy = jax.tree.map(jnp.copy, params)
        return Progress(self.trainer.init(params), copy, lanes, window, jnp.int32(0))

    def iterate(self, progress: Progress, index: Int[Array, ""]) -> tuple[Progress, Means]:
        """One iteration."""
        config = self.config
        key = jax.random.fold_in(jax.random.key(config.seed), index)
        k_start, k_play, k_update = jax.random.split(key, 3)
        starts = self.starts(k_start, 2 * config.lanes)
        params = progress.train.params

        def ply(lanes: Lanes, time: Int[Array, ""]) -> tuple[Lanes, Plies]:
            return self.ply(params, starts, lanes, jax.random.fold_in(k_play, time), time)

        lanes, new = jax.lax.scan(ply, progress.lanes, jnp.arange(config.plies))
        joined = jax.tree.map(lambda old, x: jnp.concatenate([old, x]), progress.window, new)
        window = jax.tree.map(lambda x: x[config.plies :], joined)
        rows = config.window * config.plies
        filled = jnp.minimum(progress.filled + config.plies, rows)
        train, ema, metrics = self.updates(k_update, progress, window, filled, index)
        games = new.ended.sum()
        length = config.plies * config.lanes / jnp.maximum(games, 1)
        means = Means(metrics, games.astype(jnp.float32), length)
        return Progress(train, ema, lanes, window, filled), means

    # --- play ---

    def starts(self, key: PRNGKey, count: int) -> State:
        """Positions that games start from."""
        game, most = self.game, self.config.random_plies
        k_count, k_play = jax.random.split(key)
        if not most:
            lines = jnp.asarray(game.openings("train"))
            return game.after(lines[jax.random.randint(k_count, (count,), 0, len(lines))])
        plies = jax.random.randint(k_count, (count,), 0, most + 1)

        def ply(state: State, time: Int[Array, ""]) -> tuple[State, None]:
            legal = game.legal(state)
            uniform = jax.random.uniform(jax.random.fold_in(k_play, time), (count,))
            after = game.step(state, sampling.uniform_legal(uniform, legal))
            open_ = (time < plies) & ~game.done(after)
            return game.where(open_, after, state), None

        return jax.lax.scan(ply, game.init(count), jnp.arange(most))[0]

    def ply(
        self, params: Params, starts: State, lanes: Lanes, key: PRNGKey, time: Int[Array, ""]
    ) -> tuple[Lanes, Plies]:
        """A move in every lane, and a new game where one ended."""
        game, config, state = self.game, self.config, lanes.state
        model = Model(self.net, params)

        def think(_: PRNGKey, state: State) -> Outputs:
            return model.at(game, state)

        root = model.at(game, state)
        found = search(key, game, state, root, think, config.simulations, gumbel_scale=1.0)
        after, first = game.step(state, found.move), game.first_to_move(state)
        over, streak = self.judged(after, lanes.streak)
        won = jnp.where(game.done(after), game.result(after), jnp.sign(streak))
        given_up = ~over & (lanes.ply + 1 >= config.most_plies)
        ended = over | given_up
        kept = Plies(
            positions=game.encode(state),
            labels=found.labels.astype(jnp.int16),
            weights=found.weights.astype(jnp.float16),
            value=found.value,
            first=first,
            ended=ended,
            result=jnp.where(given_up, jnp.nan, jnp.where(over, won, 0.0)),
        )
        count = 2 * config.lanes
        fresh = game.take(starts, (jnp.arange(config.lanes) + time * 37) % count)
        again = Lanes(
            game.where(ended, fresh, after),
            jnp.where(ended, 0, lanes.ply + 1),
            jnp.where(ended, 0, streak),
        )
        return again, kept

    def judged(self, state: State, streak: Int[Array, "B"]) -> tuple[Array, Array]:
        """Whether games are over, and for how many plies somebody has led by enough to win."""
        over = self.game.done(state)
        if not self.config.adjudicate:
            return over, jnp.zeros_like(streak)
        assert self.game.material is not None
        rule = Adjudication()
        streak = rule.streak(self.game.material(state), streak)
        return over | (jnp.abs(streak) >= rule.plies), streak

    # --- learning ---

    def updates(
        self,
        key: PRNGKey,
        progress: Progress,
        window: Plies,
        filled: Int[Array, ""],
        index: Int[Array, ""],
    ) -> tuple[TrainState, Params, Metrics]:
        """The updates of an iteration, from its window."""
        config = self.config
        target = value_targets(window, config.root_share)
        rows = window.value.shape[0]
        share = 0.5 * (1 + jnp.cos(jnp.pi * index / config.iterations))
        rate = config.final_learning_rate
        rate += (config.learning_rate - config.final_learning_rate) * share

        def one(carry: tuple[TrainState, Params], key: PRNGKey) -> tuple[Any, Metrics]:
            train, ema = carry
            k_row, k_lane, k_way = jax.random.split(key, 3)
            row = rows - 1 - jax.random.randint(k_row, (config.batch,), 0, filled)
            lane = jax.random.randint(k_lane, (config.batch,), 0, config.lanes)
            batch = self.samples(k_way, window, target, row, lane)
            train, metrics = self.trainer.update(train, batch, rate)
            params = self.trainer.leave(train).params
            ema = jax.tree.map(lambda a, b: config.ema * a + (1 - config.ema) * b, ema, params)
            return (train, ema), metrics

        begin = (self.trainer.enter(progress.train), progress.ema)
        (train, ema), each = jax.lax.scan(one, begin, jax.random.split(key, config.updates))
        return self.trainer.leave(train), ema, average(each)

    def samples(
        self,
        key: PRNGKey,
        window: Plies,
        target: Float[Array, "T B"],
        row: Int[Array, "N"],
        lane: Int[Array, "N"],
    ) -> Window:
        """A batch, each position turned over at random where the rules allow that."""
        positions, labels = window.positions[row, lane], window.labels[row, lane].astype(jnp.int32)
        ways = self.game.symmetries
        if ways:
            way = jax.random.randint(key, row.shape, 0, len(ways))
            squares = jnp.asarray([w.squares for w in ways])[way]
            flat = positions.reshape(row.shape[0], squares.shape[1], -1)
            flat = jnp.take_along_axis(flat, squares[:, :, None], axis=1)
            positions = flat.reshape(positions.shape)
            turned = jnp.asarray([w.labels for w in ways])[way[:, None], jnp.maximum(labels, 0)]
            labels = jnp.where(labels >= 0, turned, -1)
        weights = window.weights[row, lane].astype(jnp.float32)
        ones = jnp.ones(row.shape)
        return Window(
            positions=positions,
            moves=labels[:, 0],
            policy_weight=ones,
            value_target=target[row, lane],
            value_weight=ones,
            behaviour=SoftPolicy(labels, weights),
        )


def value_targets(window: Plies, root_share: float) -> Float[Array, "T B"]:
    """What each position is worth to its mover: the game's result, and the search's own value.

    Where the result is not known (the game goes on at the end of the window, or was given up) it
    is the search's value alone.

    Args:
        window: plies of all lanes, in order of time.
        root_share: share of the search's value where there is a result.
    """

    def back(later: Float[Array, "B"], ply: tuple[Array, Array]) -> tuple[Array, Array]:
        ended, result = ply
        result = jnp.where(ended, result, later)
        return result, result

    unknown = jnp.full(window.value.shape[1], jnp.nan)
    result = jax.lax.scan(back, unknown, (window.ended, window.result), reverse=True)[1]
    result = jnp.where(window.first, result, -result)
    mixed = root_share * window.value + (1 - root_share) * result
    return jnp.where(jnp.isnan(result), window.value, mixed)


class Trained(NamedTuple):
    """What a training gives."""

    params: Params
    """The moving average."""
    seconds: float
    """Over all calls."""


def train(
    game: Game,
    start: Model,
    config: AlphaZeroConfig,
    saver: Saver,
    report: Callable[[Report], None] = lambda report: None,
    snapshot: Callable[[int, float, Params], None] = lambda iteration, seconds, params: None,
) -> Trained:
    """Trains a network by self-play; goes on from the last checkpoint if there is one.

    Args:
        game: its rules.
        start: the network to begin with.
        config: static settings.
        saver: where checkpoints go, every `SAVE_EVERY` iterations.
        report: called after every iteration.
        snapshot: is given the averaged parameters after the iterations `config.snapshots`, and the
            seconds by then.

    Raises:
        SettingError: the loss was not finite.
    """
    program = make_program(game, start.net, config)
    progress = program.begin(jax.tree.map(jnp.asarray, start.params))
    done, (progress, before) = saver.latest((progress, np.float32(0))) or (0, (progress, 0.0))
    begin = time.monotonic()
    for index in range(done, config.iterations):
        progress, means = program.iterate(progress, jnp.int32(index))
        check_finite(index, means, config)
        number, spent = index + 1, float(before) + time.monotonic() - begin
        if number in config.snapshots:
            snapshot(number, spent, progress.ema)
        if number % SAVE_EVERY == 0 or number == config.iterations:
            saver.save(number, (progress, np.float32(spent)))
        metrics = means.metrics
        losses = float(metrics.policy_loss), float(metrics.value_loss)
        report(Report(number, *losses, int(means.games), float(means.length)))
    return Trained(progress.ema, float(before) + time.monotonic() - begin)


def check_finite(index: int, means: Means, config: AlphaZeroConfig) -> None:
    """Raises SettingError where iteration `index` (from 0) ended with a loss that is not finite."""
    if not bool(means.metrics.finite):
        raise SettingError(
            f"The loss was not finite in iteration {index + 1}; the last checkpoint is kept. Lower"
            f" learning_rate (now {config.learning_rate})."
        )
