"""W with an assistant against W's copy -> Rollout (what W may see), Truth (what it may not)."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PyTree

from sandwich_jax import nets, play, sampling
from sandwich_jax.games import Game
from sandwich_jax.misalign import lasting
from sandwich_jax.misalign.assistant import Asked, Assistant, Reply
from sandwich_jax.models import Model, Models
from sandwich_jax.oversight.protocols import Memory, Own, Protocol
from sandwich_jax.types import (
    Advice,
    Decision,
    Knobs,
    Outputs,
    PRNGKey,
    Query,
    Rollout,
    SoftPolicy,
    State,
    Truth,
)


@dataclasses.dataclass(frozen=True)
class SelfPlayConfig:
    """Static settings of one round of games."""

    games: int = 256
    lanes: int = 64
    max_plies: int = 80
    """Plies after the opening; a longer game counts as unfinished."""
    every: int = 1
    """W may ask on every n-th of its turns."""


class _Extras(NamedTuple):
    """Recorded on the plies of the assisted side."""

    own: Int[Array, "B"]
    asked: Bool[Array, "B"]
    advice: Int[Array, "B"]
    advised_value: Float[Array, "B"]
    followed: Bool[Array, "B"]
    notes: PyTree[Array]
    told: SoftPolicy | tuple[()]
    corrupted: Bool[Array, "B"]
    honest: Int[Array, "B"]
    value: Float[Array, "B"]


class Sides(NamedTuple):
    """Who plays: all that differs from member to member, traced."""

    weak: Model
    """W as it is now, also its copy."""
    models: Models
    """The networks behind A."""
    knobs: Knobs
    """`temperature` is W's while it plays."""
    lore: PyTree[Array]
    """What W's protocol learnt so far."""
    run: PRNGKey
    """The run's key: corruptions that last for a position are drawn from it."""


class Seen(NamedTuple):
    """What W sees in a position, and its copy likewise."""

    legal: Bool[Array, "B A"]
    outputs: Outputs


class Table(NamedTuple):
    """What they play by: static."""

    game: Game
    assistant: Assistant
    protocol: Protocol
    hears: tuple[str, ...] = ()
    """Fields of `Advice` that W learns from, beside those that its protocol asks for."""


def selfplay(
    key: PRNGKey,
    table: Table,
    sides: Sides,
    starts: State,
    rows: Int[Array, "N"],
    config: SelfPlayConfig,
) -> tuple[Rollout, Truth]:
    """Plays `config.games` games, each opening once with either colour.

    Args:
        key: of this round.
        table: rules, assistant and protocol.
        sides: models and knobs.
        starts: positions after the training openings.
        rows: those played this round, `config.games` / 2 of them.
        config: static settings.
    """
    game, protocol = table.game, table.protocol
    sides = sides._replace(weak=nets.cast(sides.weak), models=nets.cast(sides.models))

    def assisted(
        key: PRNGKey, state: State, seen: Seen, memory: tuple, ask: Bool[Array, ""]
    ) -> tuple[Int[Array, "B"], _Extras, tuple]:
        may = None if config.every == 1 else ask
        return assisted_turn(key, table, sides, state, memory, may, seen)

    def alone(
        key: PRNGKey, state: State, seen: Seen, memory: tuple, ask: Bool[Array, ""]
    ) -> tuple[Int[Array, "B"], tuple, tuple]:
        k_own, _, _ = jax.random.split(key, 3)
        return own_move(k_own, seen, sides.knobs), (), ()

    loop = play.PlayConfig(
        lanes=config.lanes,
        max_plies=config.max_plies,
        every=config.every,
        stop_when_adjudicated=False,
        record_positions=True,
    )
    rows = rows[play.opening_rows(config.games, config.lanes)]
    memory = functools.partial(new_memory, protocol)
    look = functools.partial(look_at, game, sides.weak)
    players = play.Players(assisted, alone, memory, look)
    record = play.play(key, game, players, starts, rows, loop)
    return _split(record, rows, config, protocol.asks)


def new_memory(protocol: Protocol, batch: int) -> tuple:
    """What W and A remember at the start of a game."""
    return protocol.memory(batch), lasting.memory(batch)


def assisted_turn(
    key: PRNGKey,
    table: Table,
    sides: Sides,
    state: State,
    memory: tuple,
    ask: Bool[Array, ""] | None = None,
    seen: Seen | None = None,
) -> tuple[Int[Array, "B"], _Extras, tuple]:
    """One turn of W with its assistant.

    Args:
        key: of this ply.
        table: rules, assistant and protocol.
        sides: models and knobs.
        state: B positions with W to move.
        memory: of their games so far, see `new_memory`.
        ask: whether W may ask this time; None: it may, always.
        seen: what W sees in the positions, if that is known.

    Returns:
        Labels, what is recorded, memory.
    """
    k_own, k_advice, k_decide = jax.random.split(key, 3)
    protocol, (game_memory, a_memory) = table.protocol, memory
    seen = look_at(table.game, sides.weak, state) if seen is None else seen
    own = own_view(k_own, table, sides, state, seen, a_memory)
    before = a_memory
    known = Memory(game_memory, sides.lore)
    numbers = protocol.numbers(sides.knobs)
    query = protocol.plan(own, known, numbers)
    more = tuple(name for name in table.hears if name not in protocol.wants)
    query = query._replace(wants=(*protocol.wants, *more), samples=protocol.samples)

    asked_at = Asked(sides.run, sides.models, state, own.legal, a_memory, sides.knobs)

    def consult() -> tuple[Advice, Reply, lasting.Memory]:
        return table.assistant.consult(k_advice, asked_at, query)

    def silence() -> tuple[Advice, Reply, lasting.Memory]:
        blank, nothing, _ = jax.eval_shape(consult)
        zeros = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), (blank, nothing))
        return *zeros, a_memory

    if not protocol.asks:
        advice, reply, a_memory = silence()
    elif ask is None:
        advice, reply, a_memory = consult()
    else:  # a turn without a query costs no forward pass
        advice, reply, a_memory = jax.lax.cond(ask, consult, silence)
    # What a search asks belongs to this turn's query: the same lie of the game, the same count.
    own = own._replace(ask=asker(table, sides, before._replace(key=a_memory.key)))
    truth = (reply.corrupted,) if protocol.told else ()
    decision, game_memory = protocol.decide(k_decide, own, advice, known, numbers, *truth)
    extras = _recorded(table, own, advice, reply, decision)
    return decision.move, extras, (game_memory, a_memory)


def _recorded(table: Table, own: Own, advice: Advice, reply: Reply, decision: Decision) -> _Extras:
    """What is kept of a turn."""
    asked, told = advice.asked, ()
    value = jnp.zeros_like(own.value) if advice.value is None else advice.value[0]
    if decision.thought is not None:
        value = jnp.where(decision.followed, value, decision.thought.value)
    if "logits" in table.hears:
        # W that never asks has nobody else to learn from.
        log_probs = advice.logits if table.protocol.asks else jax.nn.log_softmax(own.logits)[None]
        assert log_probs is not None
        if decision.thought is not None:
            log_probs = jnp.where(decision.followed[:, None], log_probs, decision.thought.logits)
        told = sampling.likeliest(log_probs, table.protocol.pool)
        told = told._replace(legal=table.game.legal_bits(own.legal))
    return _Extras(
        own=own.move.astype(jnp.int16),
        asked=asked,
        advice=jnp.where(asked, advice.move[0], -1).astype(jnp.int16),
        advised_value=jnp.where(asked, value, 0.0),
        followed=decision.followed & asked,
        notes=decision.notes,
        told=told,
        corrupted=reply.corrupted[0],
        honest=jnp.where(asked, reply.honest, -1).astype(jnp.int16),
        value=reply.value,
    )


def look_at(game: Game, weak: Model, state: State) -> Seen:
    """What W sees in the positions in `state`."""
    return Seen(game.legal(state), weak.at(game, state))


def own_view(
    key: PRNGKey, table: Table, sides: Sides, state: State, seen: Seen, a_memory: lasting.Memory
) -> Own:
    """What W by itself makes of the positions in `state`."""
    game = table.game
    legal, outputs = seen
    uniform = jax.random.uniform(key, legal.shape[:1])

    def think(state: State) -> Outputs:
        return sides.weak.at(game, state)

    def first(state: State) -> Outputs:
        return sides.models.weak.at(game, state)

    return Own(
        logits=sampling.mask_logits(outputs.logits, legal),
        legal=legal,
        value=outputs.value,
        uniform=uniform,
        temperature=sides.knobs["temperature"],
        move=sampling.sample(uniform, outputs.logits, legal, sides.knobs["temperature"]),
        game=game,
        state=state,
        think=think,
        ask=asker(table, sides, a_memory),
        first=first,
    )


def asker(
    table: Table, sides: Sides, a_memory: lasting.Memory
) -> Callable[[PRNGKey, State, Query], Advice]:
    """Asks A about other positions, as `Own.ask` does."""

    def ask(key: PRNGKey, elsewhere: State, query: Query) -> Advice:
        legal = table.game.legal(elsewhere)
        asked = Asked(sides.run, sides.models, elsewhere, legal, a_memory, sides.knobs)
        return table.assistant.consult(key, asked, query)[0]

    return ask


def own_move(key: PRNGKey, seen: Seen, knobs: Knobs) -> Int[Array, "B"]:
    """What W by itself plays."""
    legal, outputs = seen
    uniform = jax.random.uniform(key, legal.shape[:1])
    return sampling.sample(uniform, outputs.logits, legal, knobs["temperature"])


def _split(
    record: play.Record, rows: Int[Array, "N"], config: SelfPlayConfig, asks: bool
) -> tuple[Rollout, Truth]:
    """Parts what W may see from what only the measurer may."""
    extras: _Extras = record.extras
    assert record.positions is not None
    told = extras.told
    if isinstance(told, SoftPolicy):
        there = (extras.asked if asks else record.by_a & record.played)[..., None]
        labels, weights = jnp.where(there, told.labels, -1), jnp.where(there, told.weights, 0.0)
        told = told._replace(labels=labels, weights=weights)
    rollout = Rollout(
        opening=rows,
        assisted_first=play.a_is_first(config.games, config.lanes),
        moves=record.moves,
        played=record.played,
        assisted=record.by_a & record.played,
        own=jnp.where(record.by_a & record.played, extras.own, -1),
        asked=extras.asked,
        advice=jnp.where(extras.asked, extras.advice, -1),
        followed=extras.followed,
        advised_value=extras.advised_value,
        notes=extras.notes,
        result=record.result,
        finished=record.finished,
        positions=record.positions,
        told=told,
    )
    truth = Truth(
        corrupted=extras.corrupted,
        honest=jnp.where(extras.asked, extras.honest, -1),
        value=extras.value,
        adjudicated=record.verdict,
    )
    return rollout, truth


def adjudicated(rollout: Rollout, truth: Truth) -> Rollout:
    """The rollout with adjudicated results in place of those by the rules; every game has one.

    The one thing of a `Truth` that may reach training, and only where it was asked for by name:
    it is no secret, since it follows from the material on the board, which W sees.
    """
    ended = jnp.ones_like(rollout.finished)
    return rollout._replace(result=truth.adjudicated, finished=ended)
