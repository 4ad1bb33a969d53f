"""What W is fine-tuned on: from the games of a round to samples, and the window that keeps them.

An objective says of every move of a rollout how it counts: which label the policy should learn
and with what weight, and what the value head should say. It never sees a `Truth`. Adding one is a
definition here, with its settings, and a line in `OBJECTIVES`: docs/adding.md has an example.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from sandwich_jax import losses, sampling, settings
from sandwich_jax.games import Game
from sandwich_jax.models import Model
from sandwich_jax.settings import Knob, Nothing
from sandwich_jax.types import Behaviour, Knobs, Rollout, SoftPolicy, State, Window

MOST_WEIGHT = 20.0
"""Of a move in advantage-weighted regression (Peng et al. 2019, section 5)."""


class Seen(NamedTuple):
    """What W, as it was when it played, makes of every ply."""

    value: Float[Array, "T B"]
    """For the mover."""
    log_prob: Float[Array, "T B"]
    """Of the move played, at the temperature of self-play: W's behaviour policy."""
    legal: Array | tuple[()]
    """Legal moves in bits, [T, B, A / 8]; nothing where a position's code tells them."""


class Targets(NamedTuple):
    """What the window takes of each ply; only plies with a weight above 0 are learnt from."""

    moves: Int[Array, "T B"]
    policy_weight: Float[Array, "T B"]
    value_target: Float[Array, "T B"]
    value_weight: Float[Array, "T B"]
    behaviour: Behaviour | SoftPolicy | tuple[()] = ()


@settings.settings
class AdvantageWeighted:
    """Of advantage_weighted."""

    advantage_temperature: Knob = settings.knob(
        0.5, 0.01, 100.0, "the lower, the more the best moves count"
    )


@settings.settings
class Ppo:
    """Of ppo."""

    clip: Knob = settings.knob(
        0.2, 0.01, 0.99, "how far the probability of a move may go, as a share of what it was"
    )


class Objective(NamedTuple):
    """A way of learning from games."""

    says: str
    """What it does, in a sentence."""
    targets: Callable[[Rollout, Seen | None, Any], Targets]
    """`(rollout, seen, the kind's settings)`."""
    settings: type = Nothing
    """Its own settings."""
    sees: bool = False
    """Static: it needs `Seen`, which costs one forward pass over the games."""
    clipped: bool = False
    """Static: the policy loss is PPO's, not the cross-entropy of labels."""
    soft: bool = False
    """Static: it learns whole distributions, no labels."""
    wants: tuple[str, ...] = ()
    """Static: fields of `Advice` that it learns from; A tells it beside what the protocol asks."""
    corpus: bool = False
    """Static: the window holds games from elsewhere, and those just played are not learnt from."""
    results: bool = True
    """Static: it learns from the results of games."""
    source: str = ""
    """Where it is from."""

    @property
    def uses(self) -> tuple[str, ...]:
        """All settings of a run that not every objective depends on, its own first."""
        rest = {
            "results": self.results,
            "corpus": self.corpus,
            "noise_loss": not (self.clipped or self.soft),  # of labels that may be wrong
        }
        own = settings.declared(self.settings)
        return (*own, *(name for name, there in rest.items() if there))

    def numbers(self, knobs: Knobs) -> Any:
        """Its settings out of the numbers of a whole run."""
        return settings.view(self.settings(), knobs)


# --- views of a rollout -------------------------------------------------------------------------


def mask(rollout: Rollout) -> Float[Array, "T B"]:
    """1 at every move of the side that had the assistant."""
    return (rollout.played & rollout.assisted).astype(jnp.float32)


def results_of_movers(rollout: Rollout) -> Float[Array, "T B"]:
    """The game's result for whoever moves, in [-1, 1]."""
    first_to_move = jnp.arange(rollout.moves.shape[0]) % 2 == 0
    return jnp.where(first_to_move[:, None], rollout.result, -rollout.result)


def advantages(rollout: Rollout, seen: Seen) -> Float[Array, "T B"]:
    """Result less W's own value of the position, for the mover, in [-2, 2]."""
    return results_of_movers(rollout) - seen.value


def _with_results(
    rollout: Rollout, moves: Int[Array, "T B"], weight: Float[Array, "T B"]
) -> Targets:
    """The value head learns results; games that the ply cap cut off have none."""
    return Targets(moves, weight, results_of_movers(rollout), weight * rollout.finished)


def _with_values_told(targets: Targets, rollout: Rollout, weight: Float[Array, "T B"]) -> Targets:
    """The value head learns what was said that positions are worth, in the place of results."""
    return targets._replace(value_target=rollout.advised_value, value_weight=weight)


# --- objectives ---------------------------------------------------------------------------------


def imitate(rollout: Rollout, seen: Seen | None, knobs: Any) -> Targets:
    """Every move of the side that had the assistant (Tao Lin's proposal)."""
    return _with_results(rollout, rollout.moves, mask(rollout))


def imitate_wins(rollout: Rollout, seen: Seen | None, knobs: Any) -> Targets:
    """Only the moves of games that the assisted side won: the best-rated samples.

    The value head learns from all results: from won games alone it would learn that all are won.
    """
    side = jnp.where(rollout.assisted_first, 1.0, -1.0)
    everything = imitate(rollout, seen, knobs)
    won = everything.policy_weight * (rollout.result * side > 0)
    return everything._replace(policy_weight=won)


def advantage_weighted(rollout: Rollout, seen: Seen | None, knobs: AdvantageWeighted) -> Targets:
    """Moves of finished games by exp(advantage / advantage_temperature).

    Advantage-weighted regression (Peng et al. 2019), its weights cut off at `MOST_WEIGHT`.
    """
    assert seen is not None
    known = mask(rollout) * rollout.finished
    weight = jnp.exp(advantages(rollout, seen) / knobs.advantage_temperature)
    targets = _with_results(rollout, rollout.moves, known)
    return targets._replace(policy_weight=known * jnp.minimum(weight, MOST_WEIGHT))


def distil_accepted(rollout: Rollout, seen: Seen | None, knobs: Any) -> Targets:
    """The advice that W took, and nothing else. W that never asks stays as it is."""
    accepted = mask(rollout) * rollout.followed * rollout.asked
    return _with_results(rollout, rollout.advice, accepted)


def distil_advice(rollout: Rollout, seen: Seen | None, knobs: Any) -> Targets:
    """All advice, whether W took it or not."""
    return _with_results(rollout, rollout.advice, mask(rollout) * rollout.asked)


def distil_policy(rollout: Rollout, seen: Seen | None, knobs: Any) -> Targets:
    """The likeliest moves of all advice with the probabilities that A gave them, and the rest.

    Distillation (Hinton et al. 2015) of what A tells, at a temperature of 1, among legal moves;
    those that are not among the likeliest count together, with what probability is left. W that
    never asks learns what it itself would have said: the control differs in who tells, and in
    nothing else, and its gradient is zero until W has changed.
    """
    assert isinstance(rollout.told, SoftPolicy)
    told = mask(rollout) * (rollout.told.labels[..., 0] >= 0)
    targets = _with_results(rollout, rollout.advice, told)
    return targets._replace(behaviour=rollout.told)


def distil_accepted_policy(rollout: Rollout, seen: Seen | None, knobs: Any) -> Targets:
    """As `distil_policy`, but only where W took the advice. W that never asks stays as it is.

    The protocol then judges what is learnt, where `distil_policy` learns all that was said.
    """
    accepted = distil_accepted(rollout, seen, knobs).policy_weight
    targets = distil_policy(rollout, seen, knobs)
    return targets._replace(policy_weight=accepted, value_weight=accepted * rollout.finished)


def distil_believed(rollout: Rollout, seen: Seen | None, knobs: Any) -> Targets:
    """As `distil_accepted_policy`, but the value head learns what A said such positions are worth.

    So a W that judges advice by its own values judges better as it learns, as far as it believed
    the right ones.
    """
    targets = distil_accepted_policy(rollout, seen, knobs)
    return _with_values_told(targets, rollout, targets.policy_weight)


def distil_told(rollout: Rollout, seen: Seen | None, knobs: Any) -> Targets:
    """As `distil_policy`, and the value head learns what was said that the positions are worth.

    Taken or not; but some protocols put what W found by itself in the place of what it refused.
    """
    targets = distil_policy(rollout, seen, knobs)
    return _with_values_told(targets, rollout, targets.policy_weight)


def distil_value(rollout: Rollout, seen: Seen | None, knobs: Any) -> Targets:
    """As `imitate`, but the value head learns what A said the position is worth, no result."""
    targets = imitate(rollout, seen, knobs)
    return _with_values_told(targets, rollout, mask(rollout) * rollout.asked)


def ppo(rollout: Rollout, seen: Seen | None, knobs: Ppo) -> Targets:
    """Policy gradient on the result for the side that moved, clipped (Schulman et al. 2017).

    Moves of both sides of finished games: those of W's copy are drawn from W's policy as well.
    The baseline is W's value. Advantages are centred for either side by itself, since the help
    that one has is no merit of its every move, and scaled to a variance of 1.

    The ratio is to W's own policy at the temperature it played at. For moves of A that W took
    this is no importance weight: W learns from A's moves as from its own, and clipping keeps the
    step small where it would hardly ever have played them.
    """
    assert seen is not None
    known = rollout.played * rollout.finished.astype(jnp.float32)
    raw = advantages(rollout, seen)
    centred = jnp.zeros_like(raw)
    for side in (rollout.assisted, ~rollout.assisted):
        own = known * side
        centred += own * (raw - (own * raw).sum() / jnp.maximum(own.sum(), 1.0))
    spread = jnp.sqrt(jnp.square(centred).sum() / jnp.maximum(known.sum(), 1.0))
    advantage = centred / jnp.maximum(spread, 1e-3)
    targets = _with_results(rollout, rollout.moves, known)
    return targets._replace(behaviour=Behaviour(seen.log_prob, advantage, seen.legal))


OBJECTIVES: Mapping[str, Objective] = {
    "imitate": Objective("Every move of the side that had the assistant.", imitate),
    "imitate_wins": Objective("Only the moves of games that the assisted side won.", imitate_wins),
    "advantage_weighted": Objective(
        "Moves count by how much better than W's value they turned out.",
        advantage_weighted,
        AdvantageWeighted,
        sees=True,
        source="advantage-weighted regression, Peng et al. 2019",
    ),
    "distil_accepted": Objective("The advice that W took, and nothing else.", distil_accepted),
    "distil_advice": Objective("All advice, whether W took it or not.", distil_advice),
    "distil_policy": Objective(
        "The likeliest moves of all advice, taken or not, with the probabilities that A gave them.",
        distil_policy,
        soft=True,
        wants=("logits",),
        source="Hinton et al. 2015",
    ),
    "distil_accepted_policy": Objective(
        "The likeliest moves of the advice that W took, with A's probabilities, and nothing else.",
        distil_accepted_policy,
        soft=True,
        wants=("logits",),
        source="Hinton et al. 2015",
    ),
    "distil_believed": Objective(
        "All that A told where W took its advice: the likeliest moves, and the value.",
        distil_believed,
        soft=True,
        wants=("logits", "value"),
        results=False,
        source="Hinton et al. 2015",
    ),
    "distil_told": Objective(
        "All that was told, taken or not: the likeliest moves, and the value.",
        distil_told,
        soft=True,
        wants=("logits", "value"),
        results=False,
        source="Hinton et al. 2015",
    ),
    "distil_value": Objective(
        "Every move; the value head learns what A said the position is worth.",
        distil_value,
        wants=("value",),
        results=False,
    ),
    "ppo": Objective(
        "Policy gradient on the result for the side that moved, clipped.",
        ppo,
        Ppo,
        sees=True,
        clipped=True,
        source="Schulman et al. 2017",
    ),
    "own_corpus": Objective(
        "Games from elsewhere: those that W was trained on.", imitate, corpus=True, results=False
    ),
}


def see(game: Game, weak: Model, rollout: Rollout, starts: State, knobs: Knobs) -> Seen:
    """One forward pass over the games, by the model that played them.

    Args:
        game: rules.
        weak: W as it was in the games.
        rollout: the games.
        starts: positions after the training openings, that `rollout.opening` counts.
        knobs: `temperature` is W's while it played.
    """

    def ply(state: State, given: tuple[Array, Array]) -> tuple[State, Seen]:
        positions, moves = given
        legal, index = game.legal(state), jnp.maximum(moves, 0).astype(jnp.int32)
        outputs = weak.of_encoded(game, positions)
        log_prob = losses.log_prob_of(outputs.logits, legal, index, knobs["temperature"])
        return game.step(state, index), Seen(outputs.value, log_prob, game.legal_bits(legal))

    first = game.take(starts, rollout.opening)
    return jax.lax.scan(ply, first, (rollout.positions, rollout.moves))[1]


def legal_in(game: Game, positions: Array, bits: Array | tuple[()]) -> Bool[Array, "N A"]:
    """Legal moves of samples, from their positions or from the bits kept beside them."""
    if game.legal_of is not None:
        return game.legal_of(positions)
    assert not isinstance(bits, tuple)
    return jnp.unpackbits(bits, axis=-1, count=game.num_actions).astype(bool)


# --- the window ---------------------------------------------------------------------------------


def empty_window(game: Game, samples: int, objective: str = "imitate") -> Window:
    """A window for so many samples of `game`, with nothing in it."""
    code = jax.eval_shape(lambda: game.encode(game.init(1)))
    behaviour = ()
    bits = jnp.zeros((samples, -(-game.num_actions // 8)), jnp.uint8)
    bits = bits if game.legal_of is None else ()
    if OBJECTIVES[objective].clipped:
        behaviour = Behaviour(jnp.zeros(samples), jnp.zeros(samples), bits)
    elif OBJECTIVES[objective].soft:
        shape = (samples, min(sampling.LIKELIEST, game.num_actions))
        behaviour = SoftPolicy(jnp.zeros(shape, jnp.int16), jnp.zeros(shape), bits)
    return Window(
        positions=jnp.zeros((samples, *code.shape[1:]), code.dtype),
        moves=jnp.zeros(samples, jnp.int16),
        policy_weight=jnp.zeros(samples),
        value_target=jnp.zeros(samples),
        value_weight=jnp.zeros(samples),
        behaviour=behaviour,
    )


def push(window: Window, positions: Array, targets: Targets, round_index: Int[Array, ""]) -> Window:
    """Overwrites the oldest round of the window with the samples of a new one.

    Args:
        window: from `empty_window`, of a whole number of rounds.
        positions: encoded ones before each move, [T, B, ...].
        targets: what an objective makes of the moves.
        round_index: from 0.
    """
    plies, games = targets.moves.shape
    size = plies * games
    rounds = window.moves.shape[0] // size
    fresh = Window(positions, *targets)

    def write(old: Array, new: Array) -> Array:
        flat = new.reshape(size, *new.shape[2:]).astype(old.dtype)
        start = (round_index % rounds) * size
        return jax.lax.dynamic_update_slice_in_dim(old, flat, start, axis=0)

    return jax.tree.map(write, window, fresh)
