"""A: what W hears when it asks, and what only the measurer knows of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from sandwich_jax import given, lookahead, sampling
from sandwich_jax.games import Game
from sandwich_jax.misalign import lasting, schedules, transforms
from sandwich_jax.misalign.lasting import LASTS, Lasts, Memory
from sandwich_jax.misalign.sight import Seen, Sight
from sandwich_jax.models import Model, Models
from sandwich_jax.types import Advice, Knobs, PRNGKey, Query, SettingError, State


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
            raise SettingError(given.unknown("lasts", self.lasts, LASTS))
        if self.by_values:
            for name in when:
                if schedules.SCHEDULES[name].judges_moves:
                    raise SettingError(given.judges_in_vain(name, names))

    @property
    def by_values(self) -> bool:
        """Whether it corrupts values alone: as a player, A then goes by them."""
        return transforms.values_only(transforms.parse(self.misalignment))


class Reply(NamedTuple):
    """What only the measurer knows of A's answers; of the first sample."""

    corrupted: Bool[Array, "K B"]
    honest: Int[Array, "B"]
    """E's own best move; -1 where A was not asked."""
    value: Float[Array, "B"]
    """E's own value for the mover; 0 where A was not asked."""


class Asked(NamedTuple):
    """Positions at which A is asked, and all that what it says depends on beside a key."""

    run: PRNGKey
    """The key of the run, from which corruptions that last for a position are drawn."""
    models: Models
    state: State
    legal: Bool[Array, "B A"]
    memory: Memory
    knobs: Knobs


class Assistant(NamedTuple):
    """A, ready to be asked in traced code."""

    consult: Callable[[PRNGKey, Asked, Query], tuple[Advice, Reply, Memory]]
    """What A says, what the measurer alone knows of it, and what A then remembers."""
    policy: Callable[[PRNGKey, Asked], tuple[Float[Array, "B A"], Memory]]
    """`(key, asked) -> logits, memory`: A as a player.

    Where values alone are corrupted and knob `by_values` is above 0, it plays the move with the
    best corrupted value one ply ahead (each successor's with a key of its own); otherwise by its
    policy."""
    needs: frozenset[str]
    """Optional fields of `Sight` that it looks at."""


def make(game: Game, config: AssistantConfig) -> Assistant:
    """A by its configuration."""
    made = _Made(game, config)
    return Assistant(made.consult, made.policy, made.needs)


class _At(NamedTuple):
    """Positions that A looks at, and all that what it says of them depends on."""

    run: PRNGKey
    models: Models
    state: State
    features: Float[Array, "B H W C"]
    sight: Sight
    keys: PRNGKey
    """[K, B]: corruptions are drawn from them."""
    past: tuple[Int[Array, "B"], Int[Array, "B"]]
    """Queries and corruptions of each game so far."""
    knobs: Knobs

    def take(self, game: Game, lanes: Int[Array, "N"]) -> _At:
        """The positions of these lanes."""
        rows = lambda tree: jax.tree.map(lambda x: x[lanes], tree)  # noqa: E731
        return self._replace(
            state=game.take(self.state, lanes),
            features=self.features[lanes],
            sight=rows(self.sight),
            keys=self.keys[:, lanes],
            past=rows(self.past),
        )


class _Made:
    """A of one configuration, for traced code: its methods are pure functions of arrays."""

    def __init__(self, game: Game, config: AssistantConfig):
        names, when = transforms.parse(config.misalignment), schedules.parse(config.schedule)
        self.game, self.config = game, config
        self.needs = transforms.needs(names) | schedules.needs(when)
        self.value_needs = transforms.value_needs(names)
        self.looks_always = bool(schedules.needs(when))
        self.acts = transforms.acts(names)
        self.corrupt_move = transforms.compose(names)
        self.corrupt_value = transforms.compose_values(names)
        self.active = schedules.combine(when)

    # --- what an `Assistant` offers ---

    def consult(self, key: PRNGKey, asked: Asked, query: Query) -> tuple[Advice, Reply, Memory]:
        """See `Assistant`."""
        features, legal = self.game.features(asked.state), asked.legal
        expert = asked.models.expert
        outputs = expert.where(_view(self.game, expert, asked.state, features), query.ask)
        at, memory = self._at(key, asked, features, query)
        logits, corrupted, now = self._moves(at, outputs.logits)
        move = sampling.greedy(logits, jnp.broadcast_to(legal, logits.shape))
        honest = sampling.greedy(outputs.logits, legal)
        advice, wants = Advice(query.ask, move), query.wants
        if "move" not in wants and "logits" not in wants:
            corrupted = jnp.zeros_like(corrupted)
        if "logits" in wants:
            advice = advice._replace(logits=jax.nn.log_softmax(sampling.mask_logits(logits, legal)))
        if "value" in wants:
            value, lied = self._value(at, outputs.value, now)
            advice, corrupted = advice._replace(value=value), corrupted | lied
        if "after" in wants:
            after, lied = self._after_own(at, move, now)
            advice, corrupted = advice._replace(after=after), corrupted | lied
        if "candidates" in wants:
            assert query.candidates is not None
            worth, lied, truly = self._after_said(at, query.candidates, now)
            lied &= query.candidates >= 0
            advice, corrupted = advice._replace(candidates=worth), corrupted | lied.any(-1)
            if "move" not in wants:  # what it says is best is its advice
                honest = _best(query.candidates, truly)
                named = jax.vmap(_best, (None, 0))(query.candidates, worth)
                advice = advice._replace(move=named)
        advice = advice._replace(move=jnp.where(query.ask, advice.move, -1))
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

    def policy(self, key: PRNGKey, asked: Asked) -> tuple[Float[Array, "B A"], Memory]:
        """See `Assistant`."""
        features = self.game.features(asked.state)
        expert = asked.models.expert
        outputs = expert.of(_view(self.game, expert, asked.state, features))
        query = Query(jnp.ones(asked.legal.shape[0], bool))
        at, memory = self._at(key, asked, features, query)

        def by_policy() -> tuple[Float[Array, "B A"], Bool[Array, "B"]]:
            logits, corrupted, _ = self._moves(at, outputs.logits)
            return logits[0], corrupted[0]

        if self.config.by_values:
            by_values = asked.knobs["by_values"] > 0
            logits, corrupted = jax.lax.cond(by_values, lambda: self._value_move(at), by_policy)
        else:
            logits, corrupted = by_policy()
        memory = memory._replace(
            queries=memory.queries + 1, corruptions=memory.corruptions + corrupted
        )
        return logits, memory

    # --- what it says ---

    def _at(
        self, key: PRNGKey, asked: Asked, features: Float[Array, "B H W C"], query: Query
    ) -> tuple[_At, Memory]:
        run, models, state, legal, memory, knobs = asked
        keys, memory = lasting.keys(key, run, self.game, state, self.config.lasts, query, memory)
        wanted = query.ask
        if not self.looks_always:  # where no transform acts, none looks
            each = jax.vmap(jax.vmap(self.acts, (0, None)), (0, None))
            wanted &= each(keys, knobs).any(0)
        sight = look(self.game, models, state, legal, features, self.needs, wanted)
        past = (memory.queries, memory.corruptions)
        return _At(run, models, state, features, sight, keys, past, knobs), memory

    def _moves(
        self, at: _At, logits: Float[Array, "B A"]
    ) -> tuple[Float[Array, "K B A"], Bool[Array, "K B"], Bool[Array, "K B"]]:
        """What becomes of E's logits, whether they are corrupted, and whether A may corrupt now."""

        def one(
            key: PRNGKey, logits: Float[Array, "A"], sight: Sight, past: tuple, knobs: Knobs
        ) -> tuple[Float[Array, "A"], Bool[Array, ""], Bool[Array, ""]]:
            said, corrupted = self.corrupt_move(key, logits, sight, knobs)
            best = (sampling.greedy(x, sight.legal) for x in (logits, said))
            now = self.active(schedules.Occasion(sight, *best, *past), knobs)
            return jnp.where(now, said, logits), corrupted & now, now

        lanes = jax.vmap(one, (0, 0, 0, 0, None))
        samples = jax.vmap(lanes, (0, None, None, None, None))
        return samples(at.keys, logits, at.sight, at.past, at.knobs)

    def _value(
        self, at: _At, value: Float[Array, "B"], now: Bool[Array, "K B"]
    ) -> tuple[Float[Array, "K B"], Bool[Array, "K B"]]:
        """What A says a position is worth for the mover, E thinking `value`."""
        seen = self._seen(at.models, at.state, at.features)
        lanes = jax.vmap(self.corrupt_value, (0, 0, 0, None))
        said, lied = jax.vmap(lanes, (0, None, None, None))(at.keys, value, seen, at.knobs)
        return jnp.where(now, said, value), lied & now

    def _after_own(
        self, at: _At, move: Int[Array, "K B"], now: Bool[Array, "K B"]
    ) -> tuple[Float[Array, "K B"], Bool[Array, "K B"]]:
        """What sample k says that the move of sample k is worth."""
        after, lied, _ = self._after_said(at, move.T, now)
        own = jnp.arange(move.shape[0])
        return after[own, :, own], lied[own, :, own]

    def _after_said(
        self, at: _At, labels: Int[Array, "B C"], now: Bool[Array, "K B"]
    ) -> tuple[Float[Array, "K B C"], Bool[Array, "K B C"], Float[Array, "B C"]]:
        """As `_after`, corrupted only where A may corrupt now."""
        said, lied, truly = self._after(at, labels)
        at_once = now[..., None]
        return jnp.where(at_once, said, truly), lied & at_once, truly

    def _after(
        self, at: _At, labels: Int[Array, "B C"]
    ) -> tuple[Float[Array, "K B C"], Bool[Array, "K B C"], Float[Array, "B C"]]:
        """A's values for the mover of playing `labels`, which are corrupted, and E's own.

        They are corrupted as the values of successors are.
        """
        batch, count = labels.shape
        lanes = jnp.repeat(jnp.arange(batch), count)
        after = self.game.step(self.game.take(at.state, lanes), jnp.maximum(labels, 0).reshape(-1))
        features = self.game.features(after)
        view = _view(self.game, at.models.expert, after, features)
        evaluate = lambda _: at.models.expert.of(view).value  # noqa: E731
        truly = lookahead.values_after(self.game, evaluate, at.state, labels)
        seen = self._seen(at.models, after, features)
        seen = jax.tree.map(lambda x: x.reshape(batch, count, *x.shape[1:]), seen)
        own = lasting.keys_after(at.keys, at.run, self.game, after, self.config.lasts, labels)
        lie = jax.vmap(jax.vmap(self.corrupt_value, (0, 0, 0, None)), (0, 0, 0, None))
        said, lied = jax.vmap(lie, (0, None, None, None))(own, -truly, seen, at.knobs)
        return -said, lied, truly

    def _value_move(self, at: _At) -> tuple[Float[Array, "B A"], Bool[Array, "B"]]:
        """Certainty of the best move by corrupted values one ply ahead."""

        def values(lanes: Int[Array, "N"], labels: Int[Array, "N"]) -> tuple[Array, Array, Array]:
            said, lied, truly = self._after(at.take(self.game, lanes), labels[:, None])
            return said[0, :, 0], truly[:, 0], lied[0, :, 0]

        said, truly, lied = lookahead.over_moves(
            self.game, at.state, values, (sampling.ILLEGAL, sampling.ILLEGAL, False)
        )
        honest, lying = (sampling.greedy(x, at.sight.legal) for x in (truly, said))
        occasion = schedules.Occasion(at.sight, honest, lying, *at.past)
        now = jax.vmap(self.active, (0, None))(occasion, at.knobs)
        move = jnp.where(now, lying, honest)
        certain = jax.vmap(transforms.certain, (0, None))(move, self.game.num_actions)
        return certain, now & (lied & at.sight.legal).any(-1)

    def _seen(self, models: Models, state: State, features: Float[Array, "B H W C"]) -> Seen:
        """What transforms of values may look at, [B]; only what they need is computed."""
        found = {}
        for name in self.value_needs:
            model = getattr(models, name)
            found[name] = model.of(_view(self.game, model, state, features)).value
        return Seen(features, **found)


def _view(
    game: Game, model: Model, state: State, features: Float[Array, "B H W C"]
) -> Float[Array, "B H W C"]:
    """What a model sees of positions of which the game's own features are known."""
    return features if model.net.sees_as_game else model.net.view(game, state)


def look(
    game: Game,
    models: Models,
    state: State,
    legal: Bool[Array, "B A"],
    features: Float[Array, "B H W C"],
    needs: frozenset[str],
    wanted: Bool[Array, "B"],
) -> Sight:
    """What transforms may look at, [B]; only what they need is computed, and on other lanes than
    those `wanted` networks may have been left out."""
    found: dict[str, Any] = {}
    for field in ("weak", "saboteur"):
        if field in needs:
            model = getattr(models, field)
            found[field] = model.where(_view(game, model, state, features), wanted).logits
    if "moves" in needs:
        found["moves"] = game.moves(state)
    values = {"after": models.expert, "weak_after": models.weak}
    fields = [field for field in values if field in needs]
    if fields:
        minds = tuple(values[field] for field in fields)
        after = lookahead.action_values(game, minds, state, wanted)
        found |= zip(fields, after, strict=True)
    return Sight(legal, features, **found)


def _best(labels: Int[Array, "B C"], values: Float[Array, "B C"]) -> Int[Array, "B"]:
    """The label of the highest value; -1 entries never."""
    place = jnp.argmax(jnp.where(labels >= 0, values, sampling.ILLEGAL), axis=-1)
    return jnp.take_along_axis(labels, place[:, None], axis=-1)[:, 0]
