"""W with an assistant against W's copy -> Rollout (what W may see), Truth (what it may not)."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Int

from sandwich_jax import play, sampling
from sandwich_jax.games import Game
from sandwich_jax.misalign.transforms import Answer, Apply
from sandwich_jax.nets import Network
from sandwich_jax.oversight.protocols import Memory, Own, Protocol
from sandwich_jax.types import Advice, Knobs, Params, PRNGKey, Rollout, State, Truth


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

    asked: Bool[Array, "B"]
    advice: Int[Array, "B"]
    followed: Bool[Array, "B"]
    corrupted: Bool[Array, "B"]
    honest: Int[Array, "B"]
    value: Array


def selfplay(
    key: PRNGKey,
    game: Game,
    net: Network,
    weak: Params,
    expert: Params,
    corrupt: Apply,
    protocol: Protocol,
    knobs: Knobs,
    starts: State,
    rows: Int[Array, "N"],
    config: SelfPlayConfig,
) -> tuple[Rollout, Truth]:
    """Plays `config.games` games, each opening once with either colour.

    Args:
        key: of this round.
        game: rules.
        net: the network that W and E share.
        weak: W's parameters, also its copy's.
        expert: E's parameters.
        corrupt: what makes A out of E.
        protocol: how W uses advice.
        knobs: traced numbers; `temperature` is W's while it plays.
        starts: positions after the training openings.
        rows: those played this round, `config.games` / 2 of them.
        config: static settings.
    """

    def assisted(
        key: PRNGKey, state: State, memory: Memory, ask: Bool[Array, ""]
    ) -> tuple[Int[Array, "B"], _Extras, Memory]:
        k_own, k_advice, k_decide = jax.random.split(key, 3)
        own = own_view(k_own, game, net, weak, state, knobs)
        query = protocol.plan(own, memory, knobs)

        def consult() -> tuple[Advice, _Extras]:
            return _consult(k_advice, game, net, expert, corrupt, state, own.legal, query, knobs)

        def silence() -> tuple[Advice, _Extras]:
            blank = jax.eval_shape(consult)
            return jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), blank)

        if not protocol.asks:
            advice, extras = silence()
        elif config.every == 1:
            advice, extras = consult()
        else:  # a turn without a query costs no forward pass
            advice, extras = jax.lax.cond(ask, consult, silence)
        decision, memory = protocol.decide(k_decide, own, advice, memory, knobs)
        return decision.move, extras._replace(followed=decision.followed & advice.asked), memory

    def alone(
        key: PRNGKey, state: State, memory: Memory, ask: Bool[Array, ""]
    ) -> tuple[Int[Array, "B"], tuple, tuple]:
        k_own, _, _ = jax.random.split(key, 3)
        return own_view(k_own, game, net, weak, state, knobs).move, (), ()

    loop = play.PlayConfig(
        lanes=config.lanes,
        max_plies=config.max_plies,
        every=config.every,
        stop_when_adjudicated=False,
        record_positions=True,
    )
    rows = rows[play.opening_rows(config.games, config.lanes)]
    record = play.play(key, game, assisted, alone, starts, rows, loop, protocol.memory)
    return _split(record, rows, config)


def own_view(
    key: PRNGKey, game: Game, net: Network, params: Params, state: State, knobs: Knobs
) -> Own:
    """What a network by itself makes of the positions in `state`."""
    legal = game.legal(state)
    outputs = net.apply(params, game.features(state))
    uniform = jax.random.uniform(key, legal.shape[:1])
    move = sampling.sample(uniform, outputs.logits, legal, knobs["temperature"])
    return Own(sampling.mask_logits(outputs.logits, legal), legal, outputs.value, move)


def corrupted_samples(corrupt: Apply, samples: int) -> Callable:
    """`(keys [B], Answer [B], legal [B, A], knobs) -> (Answer [K, B], corrupted [K, B])`."""

    def one_lane(key: PRNGKey, answer: Answer, legal: Bool[Array, "A"], knobs: Knobs):
        keys = jax.random.split(key, samples)
        return jax.vmap(corrupt, in_axes=(0, None, None, None))(keys, answer, legal, knobs)

    return jax.vmap(one_lane, in_axes=(0, 0, 0, None), out_axes=1)


def _consult(
    key: PRNGKey,
    game: Game,
    net: Network,
    expert: Params,
    corrupt: Apply,
    state: State,
    legal: Bool[Array, "B A"],
    query,
    knobs: Knobs,
) -> tuple[Advice, _Extras]:
    """E once on the lanes, its answer corrupted K times."""
    outputs = net.apply(expert, game.features(state))
    keys = jax.random.split(key, legal.shape[0])
    answer = Answer(outputs.logits, outputs.value)
    said, corrupted = corrupted_samples(corrupt, query.samples)(keys, answer, legal, knobs)
    moves = sampling.greedy(said.logits, legal)
    extras = _Extras(
        asked=query.ask,
        advice=jnp.where(query.ask, moves[0], -1).astype(jnp.int16),
        followed=jnp.zeros_like(query.ask),
        corrupted=corrupted[0] & query.ask,
        honest=jnp.where(query.ask, sampling.greedy(outputs.logits, legal), -1).astype(jnp.int16),
        value=jnp.where(query.ask, outputs.value, 0.0),
    )
    return Advice(query.ask, moves), extras


def _split(
    record: play.Record, rows: Int[Array, "N"], config: SelfPlayConfig
) -> tuple[Rollout, Truth]:
    """Parts what W may see from what only the measurer may."""
    extras: _Extras = record.extras
    assert record.positions is not None
    rollout = Rollout(
        opening=rows,
        assisted_first=play.a_is_first(config.games, config.lanes),
        moves=record.moves,
        played=record.played,
        assisted=record.by_a & record.played,
        asked=extras.asked,
        advice=jnp.where(extras.asked, extras.advice, -1),
        followed=extras.followed,
        result=record.result,
        finished=record.finished,
        positions=record.positions,
    )
    truth = Truth(
        corrupted=extras.corrupted,
        honest=jnp.where(extras.asked, extras.honest, -1),
        value=extras.value,
        adjudicated=record.verdict,
    )
    return rollout, truth
