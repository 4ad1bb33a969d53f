"""A: what W hears when it asks, and what only the measurer knows of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, UInt

from sandwich_jax import lookahead, nets, sampling
from sandwich_jax.games import Game
from sandwich_jax.misalign import schedules, transforms
from sandwich_jax.misalign.sight import Seen, Sight
from sandwich_jax.nets import Network
from sandwich_jax.types import Advice, Knobs, Params, PRNGKey, Query, SettingError, State

Lasts = Literal["query", "position", "game"]
LASTS: tuple[Lasts, ...] = ("query", "position", "game")


@dataclasses.dataclass(frozen=True)
class AssistantConfig:
    """Static: how A differs from E."""

    misalignment: str = "random_move"
    """Transforms joined by '+', applied left to right."""
    schedule: str = "always"
    """When they act; several joined by '+' must all agree."""
    lasts: Lasts = "query"
    """How long a corruption lasts: drawn anew for every query, the same whenever a position is met
    again in the run, or the same all game long. Only the key differs."""

    def __post_init__(self) -> None:
        """Raises SettingError for an unknown name."""
        names, when = transforms.parse(self.misalignment), schedules.parse(self.schedule)
        if self.lasts not in LASTS:
            raise SettingError(f"Unknown lasts '{self.lasts}': choose one of {', '.join(LASTS)}.")
        if self.by_values:
            for name in when:
                if schedules.SCHEDULES[name].judges_moves:
                    raise SettingError(
                        f"Schedule '{name}' judges the move that A would say, but misalignment"
                        f" '{'+'.join(names)}' corrupts values alone: choose another."
                    )

    @property
    def by_values(self) -> bool:
        """Whether it corrupts values alone: as a player, A then goes by them."""
        return transforms.values_only(transforms.parse(self.misalignment))


class Models(NamedTuple):
    """Parameters of the networks behind A."""

    expert: Params
    weak: Params
    """W as it was before the run."""
    saboteur: Params = ()
    """M, for transforms that borrow its moves."""


class Memory(NamedTuple):
    """What A remembers of each game."""

    queries: Int[Array, "B"]
    corruptions: Int[Array, "B"]
    key: UInt[Array, "B 2"]
    """Data of the game's own key, drawn at its first query."""


class Reply(NamedTuple):
    """What only the measurer knows of A's answers; of the first sample."""

    corrupted: Bool[Array, "K B"]
    honest: Int[Array, "B"]
    """E's own best move; -1 where A was not asked."""
    value: Float[Array, "B"]
    """E's own value for the mover; 0 where A was not asked."""


class Assistant(NamedTuple):
    """A, ready to be asked in traced code."""

    consult: Callable[..., tuple[Advice, Reply, Memory]]
    """`(key, run, models, state, legal, query, memory, knobs)`; `run` is the key of the run, from
    which corruptions that last for a position are drawn."""
    policy: Callable[..., tuple[Float[Array, "B A"], Memory]]
    """`(key, run, models, state, legal, memory, knobs) -> logits, memory`: A as a player.

    Where values alone are corrupted and knob `by_values` is above 0, it plays the move with the
    best corrupted value one ply ahead (each successor's with a key of its own); otherwise by its
    policy."""
    needs: frozenset[str]
    """Optional fields of `Sight` that it looks at."""


def memory(batch: int) -> Memory:
    """What A starts a game with."""
    zeros = jnp.zeros(batch, jnp.int32)
    return Memory(zeros, zeros, jnp.zeros((batch, 2), jnp.uint32))


def make(game: Game, net: Network, config: AssistantConfig) -> Assistant:
    """A by its configuration."""
    names, when = transforms.parse(config.misalignment), schedules.parse(config.schedule)
    needs = transforms.needs(names) | schedules.needs(when)
    value_needs = transforms.value_needs(names)
    corrupt_move, corrupt_value = transforms.compose(names), transforms.compose_values(names)
    active = schedules.combine(when)

    def expert_move(
        key: PRNGKey, logits: Float[Array, "A"], sight: Sight, past: tuple, knobs: Knobs
    ) -> tuple[Float[Array, "A"], Bool[Array, ""], Bool[Array, ""]]:
        said, corrupted = corrupt_move(key, logits, sight, knobs)
        best = (sampling.greedy(x, sight.legal) for x in (logits, said))
        now = active(schedules.Occasion(sight, *best, *past), knobs)
        return jnp.where(now, said, logits), corrupted & now, now

    def consult(
        key: PRNGKey,
        run: PRNGKey,
        models: Models,
        state: State,
        legal: Bool[Array, "B A"],
        query: Query,
        memory: Memory,
        knobs: Knobs,
    ) -> tuple[Advice, Reply, Memory]:
        features = game.features(state)
        outputs = nets.apply_where(net, models.expert, features, query.ask)
        sight = look(game, net, models, state, legal, features, needs)
        keys, memory = _keys(key, run, game, state, config.lasts, query, memory)
        past = (memory.queries, memory.corruptions)
        found = _over_samples(expert_move)(keys, outputs.logits, sight, past, knobs)
        logits, corrupted, now = found
        move = sampling.greedy(logits, jnp.broadcast_to(legal, logits.shape))
        advice = Advice(query.ask, jnp.where(query.ask, move, -1))
        if "move" not in query.wants and "logits" not in query.wants:
            corrupted = jnp.zeros_like(corrupted)
        if "logits" in query.wants:
            advice = advice._replace(logits=jax.nn.log_softmax(sampling.mask_logits(logits, legal)))

        def values_of(labels: Int[Array, "B C"]) -> tuple[Array, Array, Array]:
            said, lied, truly = said_after(keys, run, models, state, labels, knobs)
            at_once = now[..., None]
            return jnp.where(at_once, said, truly), lied & at_once, truly

        if "value" in query.wants:
            seen = _seen(net, models, features, value_needs)
            said, lied = jax.vmap(jax.vmap(corrupt_value, (0, 0, 0, None)), (0, None, None, None))(
                keys, outputs.value, seen, knobs
            )
            advice = advice._replace(value=jnp.where(now, said, outputs.value))
            corrupted |= lied & now
        if "after" in query.wants:
            after, lied, _ = values_of(move.T)
            # Sample k's value of sample k's move.
            own = jnp.arange(move.shape[0])
            advice = advice._replace(after=after[own, :, own])
            corrupted |= lied[own, :, own]
        honest = sampling.greedy(outputs.logits, legal)
        if "candidates" in query.wants:
            assert query.candidates is not None
            worth, lied, truly = values_of(query.candidates)
            advice, corrupted = advice._replace(candidates=worth), corrupted | lied.any(-1)
            if "move" not in query.wants:  # what it says is best is its advice
                honest = _best(query.candidates, truly)
                named = jax.vmap(_best, (None, 0))(query.candidates, worth)
                advice = advice._replace(move=jnp.where(query.ask, named, -1))
        corrupted &= query.ask
        reply = Reply(
            corrupted,
            jnp.where(query.ask, honest, -1),
            jnp.where(query.ask, outputs.value, 0.0),
        )
        memory = memory._replace(
            queries=memory.queries + query.ask,
            corruptions=memory.corruptions + corrupted.any(0),
        )
        return advice, reply, memory

    def said_after(
        keys: PRNGKey,
        run: PRNGKey,
        models: Models,
        state: State,
        labels: Int[Array, "B C"],
        knobs: Knobs,
    ) -> tuple[Float[Array, "K B C"], Bool[Array, "K B C"], Float[Array, "B C"]]:
        """A's values for the mover of playing `labels`, which are corrupted, and E's own.

        They are corrupted as the values of successors are.
        """
        batch, count = labels.shape
        lanes = jnp.repeat(jnp.arange(batch), count)
        after = game.step(game.take(state, lanes), jnp.maximum(labels, 0).reshape(-1))
        features = game.features(after)
        evaluate = lambda _: net.apply(models.expert, features).value  # noqa: E731
        truly = lookahead.values_after(game, evaluate, state, labels)
        seen = _seen(net, models, features, value_needs)
        seen = jax.tree.map(lambda x: x.reshape(batch, count, *x.shape[1:]), seen)
        own = _keys_after(keys, run, game, after, config.lasts, labels)
        lie = jax.vmap(jax.vmap(corrupt_value, (0, 0, 0, None)), (0, 0, 0, None))
        said, lied = jax.vmap(lie, (0, None, None, None))(own, -truly, seen, knobs)
        return -said, lied, truly

    def value_move(
        keys: PRNGKey, run: PRNGKey, models: Models, state: State, sight: Sight, past: tuple, knobs
    ) -> tuple[Float[Array, "B A"], Bool[Array, "B"]]:
        """Certainty of the best move by corrupted values one ply ahead."""

        def look(labels: Int[Array, "B C"]) -> tuple[Array, Array, Array]:
            said, lied, truly = said_after(keys, run, models, state, labels, knobs)
            return said[0], truly, lied[0]

        said, truly, lied = lookahead.over_moves(
            game, state, look, (sampling.ILLEGAL, sampling.ILLEGAL, False)
        )
        best = [sampling.greedy(x, sight.legal) for x in (truly, said)]
        now = jax.vmap(active, (0, None))(schedules.Occasion(sight, *best, *past), knobs)
        move = jnp.where(now, best[1], best[0])
        certain = jax.vmap(transforms.certain, (0, None))(move, game.num_actions)
        return certain, now & (lied & sight.legal).any(-1)

    def policy(
        key: PRNGKey,
        run: PRNGKey,
        models: Models,
        state: State,
        legal: Bool[Array, "B A"],
        memory: Memory,
        knobs: Knobs,
    ) -> tuple[Float[Array, "B A"], Memory]:
        features = game.features(state)
        outputs = net.apply(models.expert, features)
        query = Query(jnp.ones(legal.shape[0], bool))
        sight = look(game, net, models, state, legal, features, needs)
        keys, memory = _keys(key, run, game, state, config.lasts, query, memory)
        past = (memory.queries, memory.corruptions)

        def by_policy() -> tuple[Float[Array, "B A"], Bool[Array, "B"]]:
            found = _over_samples(expert_move)(keys, outputs.logits, sight, past, knobs)
            return found[0][0], found[1][0]

        def by_values() -> tuple[Float[Array, "B A"], Bool[Array, "B"]]:
            return value_move(keys, run, models, state, sight, past, knobs)

        if config.by_values:
            logits, corrupted = jax.lax.cond(knobs["by_values"] > 0, by_values, by_policy)
        else:
            logits, corrupted = by_policy()
        memory = memory._replace(
            queries=memory.queries + 1, corruptions=memory.corruptions + corrupted
        )
        return logits, memory

    return Assistant(consult, policy, needs)


def look(
    game: Game,
    net: Network,
    models: Models,
    state: State,
    legal: Bool[Array, "B A"],
    features: Float[Array, "B H W C"],
    needs: frozenset[str],
) -> Sight:
    """What transforms may look at, [B]; only what they need is computed."""
    found: dict[str, Any] = {}
    for field, params in (("weak", models.weak), ("saboteur", models.saboteur)):
        if field in needs:
            found[field] = net.apply(params, features).logits
    if "moves" in needs:
        found["moves"] = game.moves(state)
    values = {"after": models.expert, "weak_after": models.weak}
    wanted = [field for field in values if field in needs]
    if wanted:
        networks = tuple(values[field] for field in wanted)
        found |= zip(wanted, lookahead.action_values(game, net.apply, networks, state), strict=True)
    return Sight(legal, features, **found)


def _keys(
    key: PRNGKey,
    run: PRNGKey,
    game: Game,
    state: State,
    lasts: Lasts,
    query: Query,
    memory: Memory,
) -> tuple[PRNGKey, Memory]:
    """Keys [K, B] that corruptions are drawn from, and the memory with the games' own."""
    batch, samples = query.ask.shape[0], query.samples
    fresh = jax.random.split(key, batch)
    if lasts == "query":
        return jax.vmap(lambda k: jax.random.split(k, samples), out_axes=1)(fresh), memory
    if lasts == "position":
        keys = _of_positions(run, game, state)
    else:
        first = (memory.queries == 0)[:, None]
        data = jnp.where(first, jax.random.key_data(fresh), memory.key)
        keys, memory = jax.random.wrap_key_data(data), memory._replace(key=data)
    return jnp.broadcast_to(keys, (samples, batch)), memory


def _of_positions(run: PRNGKey, game: Game, state: State) -> PRNGKey:
    """One key a position, the same wherever and whenever it is met."""
    fold = jax.vmap(jax.random.fold_in, (None, 0))
    words = game.position_hash(state)
    return jax.vmap(jax.random.fold_in)(fold(run, words[:, 0]), words[:, 1])


def _over_samples(fn: Callable) -> Callable:
    """Over samples [K] and lanes [B] of keys, and lanes of the rest but the knobs."""
    lanes = jax.vmap(fn, (0, 0, 0, 0, None))
    return jax.vmap(lanes, (0, None, None, None, None))


def _seen(
    net: Network, models: Models, features: Float[Array, "B H W C"], needs: frozenset[str]
) -> Seen:
    """What transforms of values may look at, [B]; only what they need is computed."""
    networks = {"weak": models.weak, "saboteur": models.saboteur}
    return Seen(features, **{name: net.apply(networks[name], features).value for name in needs})


def _keys_after(
    keys: PRNGKey, run: PRNGKey, game: Game, after: State, lasts: Lasts, labels: Int[Array, "B C"]
) -> PRNGKey:
    """Keys [K, B, C] that corruptions of successors' values are drawn from."""
    samples, shape = keys.shape[0], labels.shape
    if lasts == "game":
        return jnp.broadcast_to(keys[..., None], (samples, *shape))
    if lasts == "position":
        own = _of_positions(run, game, after).reshape(shape)
        return jnp.broadcast_to(own, (samples, *shape))
    fold = jax.vmap(jax.vmap(jax.random.fold_in, (None, 0)))
    return jax.vmap(fold, (0, None))(keys, labels)


def _best(labels: Int[Array, "B C"], values: Float[Array, "B C"]) -> Int[Array, "B"]:
    """The label of the highest value; -1 entries never."""
    place = jnp.argmax(jnp.where(labels >= 0, values, sampling.ILLEGAL), axis=-1)
    return jnp.take_along_axis(labels, place[:, None], axis=-1)[:, 0]
