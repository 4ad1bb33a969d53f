"""Matches between policies from paired openings, all games on the device."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PyTree, UInt

from sandwich_jax import nets, play, sampling
from sandwich_jax.games import Game
from sandwich_jax.misalign.assistant import Asked, Assistant
from sandwich_jax.misalign.lasting import Memory as AMemory
from sandwich_jax.misalign.lasting import memory as new_memory
from sandwich_jax.models import Model, Models
from sandwich_jax.types import Knobs, PRNGKey, State

Policy = Callable[[PRNGKey, State, PyTree[Array]], Int[Array, "B"]]
"""`(key, states, parameters) -> labels`: a player is a policy and its parameters."""


@dataclasses.dataclass(frozen=True)
class ArenaConfig:
    """Static settings of a match."""

    lanes: int = 64
    max_plies: int = 200
    """Plies after the opening."""
    adjudication: play.Adjudication = play.Adjudication()


class Scores(NamedTuple):
    """A match of 2 N games, seen by side `a`; the axis of 2 is `a` as first, as second player."""

    points: Float[Array, "N 2"]
    """1, 0.5 or 0, with adjudication."""
    points_by_rules: Float[Array, "N 2"]
    """The same where the rules ended the game, 0.5 where they did not."""
    adjudicated: Bool[Array, "N 2"]
    """Material decided the game."""
    moves: Int[Array, "T N 2"]
    """Labels after the opening, -1 after the end."""


def first_openings(scores: Scores, openings: int) -> Scores:
    """The part of a match that was played."""
    return Scores(
        points=scores.points[:openings],
        points_by_rules=scores.points_by_rules[:openings],
        adjudicated=scores.adjudicated[:openings],
        moves=scores.moves[:, :openings],
    )


class Player(NamedTuple):
    """A policy with a memory of its games."""

    move: Callable[..., tuple[Int[Array, "B"], PyTree[Array]]]
    """`(key, states, memory, parameters) -> labels, memory`."""
    memory: Callable[[int], PyTree[Array]] = lambda batch: ()
    """`memory(batch)`: what a new game starts with."""


def network_policy(game: Game) -> Policy:
    """A model by itself, at the temperature among its knobs; parameters are `(model, knobs)`."""

    def policy(key: PRNGKey, state: State, parameters: tuple[Model, Knobs]) -> Int[Array, "B"]:
        model, knobs = parameters
        # The key of a corruption comes first everywhere: at strength 0, A plays these very moves.
        _, k_move = jax.random.split(key)
        legal = game.legal(state)
        logits = model.at(game, state).logits
        uniform = jax.random.uniform(k_move, legal.shape[:1])
        return sampling.sample(uniform, logits, legal, knobs["temperature"])

    return policy


class Masked(NamedTuple):
    """Parameters of a player behind a misalignment."""

    models: Models
    knobs: Knobs
    run: UInt[Array, "2"]
    """Data of the run's key."""


def assistant_player(game: Game, assistant: Assistant) -> Player:
    """A as a player, at the temperature among its knobs. At strength 0 it is E itself."""

    def move(key: PRNGKey, state: State, memory: AMemory, parameters: Masked):
        models, knobs, run = parameters
        k_corrupt, k_move = jax.random.split(key)
        legal = game.legal(state)
        run = jax.random.wrap_key_data(run)
        asked = Asked(run, models, state, legal, memory, knobs)
        logits, memory = assistant.policy(k_corrupt, asked)
        uniform = jax.random.uniform(k_move, legal.shape[:1])
        return sampling.sample(uniform, logits, legal, knobs["temperature"]), memory

    return Player(move, new_memory)


def random_policy(game: Game) -> Policy:
    """Uniformly random legal moves; has no parameters."""

    def policy(key: PRNGKey, state: State, parameters: tuple) -> Int[Array, "B"]:
        legal = game.legal(state)
        return sampling.uniform_legal(jax.random.uniform(key, legal.shape[:1]), legal)

    return policy


def _without_memory(policy: Policy) -> Player:
    return Player(lambda key, state, memory, parameters: (policy(key, state, parameters), ()))


Match = Callable[[PRNGKey, PyTree[Array], PyTree[Array], State, Int[Array, ""]], Scores]
"""`(key, a's parameters, b's parameters, starts, how many of them) -> Scores`."""


def make_match(game: Game, a: Policy | Player, b: Policy, config: ArenaConfig) -> Match:
    """A match between two players; jit it. Every opening is played once with either colour.

    Only side `a` may have a memory.

    Openings beyond the number asked for are not played (their points are 0.5): one compiled
    match serves for few and for many.
    """
    loop = play.PlayConfig(
        lanes=config.lanes, max_plies=config.max_plies, adjudication=config.adjudication
    )

    player = a if isinstance(a, Player) else _without_memory(a)

    def mover_a(parameters: PyTree[Array]) -> play.Mover:
        def move(key: PRNGKey, state: State, seen: tuple, memory: Any, ask: Bool[Array, ""]):
            label, memory = player.move(key, state, memory, parameters)
            return label, (), memory

        return move

    def mover_b(parameters: PyTree[Array]) -> play.Mover:
        return lambda key, state, seen, memory, ask: (b(key, state, parameters), (), ())

    def match(
        key: PRNGKey,
        params_a: PyTree[Array],
        params_b: PyTree[Array],
        starts: State,
        openings: Int[Array, ""],
    ) -> Scores:
        games = 2 * jax.eval_shape(game.done, starts).shape[0]
        first = play.a_is_first(games, config.lanes)
        rows = play.opening_rows(games, config.lanes)
        movers = mover_a(nets.cast(params_a)), mover_b(nets.cast(params_b))
        players = play.Players(*movers, player.memory)
        record = play.play(key, game, players, starts, rows, loop, games=2 * openings)
        # Column 0 of an opening is the game in which `a` moves first.
        order = jnp.argsort(rows * 2 + ~first)
        side = jnp.where(first, 0.5, -0.5)

        def paired(x: Array) -> Array:
            return x[..., order].reshape(*x.shape[:-1], games // 2, 2)

        return Scores(
            points=paired(0.5 + side * record.verdict),
            points_by_rules=paired(0.5 + side * record.result),
            adjudicated=paired(record.adjudicated),
            moves=paired(record.moves),
        )

    return match
