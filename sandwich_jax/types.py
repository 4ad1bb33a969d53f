"""What crosses a border between rooms.

Axis letters, used in every shape in this package:

    P  sweep member      T  ply (time-major)      B  game (lane)
    K  sample of advice  A  action label          N  opening, position or parameter count

Values are for the side to move, in [-1, 1]; results are for the first player (White in chess).
"""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

from jaxtyping import Array, Bool, Float, Int, Key, PyTree, UInt

from sandwich_jax.errors import SettingError as SettingError

Knobs = dict[str, Float[Array, ""]]
"""Traced numbers by name (`p`, `sigma`, `temperature`, `learning_rate`), swept without retrace."""

Params = PyTree[Array]
PRNGKey = Key[Array, ""]


class Heads(NamedTuple):
    """What a network sees and answers."""

    shape: tuple[int, int, int]
    """Features [H, W, C]."""
    actions: int
    targets: tuple[int, ...] | None = None
    """The square that each label moves to, -1 where there is none; for labels laid out source
    square by source square."""


class Outputs(NamedTuple):
    """What a network says of a batch of positions, illegal actions included."""

    logits: Float[Array, "B A"]
    value: Float[Array, "B"]
    """Expected result for the side to move, in [-1, 1]."""


class Query(NamedTuple):
    """What a protocol wants from the assistant this turn."""

    ask: Bool[Array, "B"]
    wants: tuple[str, ...] = ("move",)
    """Static. Fields of `Advice` that are wanted; the others are not computed."""
    samples: int = 1
    """Static. How often the assistant is asked about the same position (K)."""
    candidates: Int[Array, "B C"] | None = None
    """Labels whose values are wanted, -1 for none."""


class Advice(NamedTuple):
    """What W hears. It says nothing of whether the assistant was honest.

    Meaningless where `asked` is false; None where it was not wanted.
    """

    asked: Bool[Array, "B"]
    move: Int[Array, "K B"]
    """Advised action labels."""
    value: Float[Array, "K B"] | None = None
    """Of the position, for W."""
    after: Float[Array, "K B"] | None = None
    """Of the position after the advised move, for W."""
    candidates: Float[Array, "K B C"] | None = None
    """Of the positions after the candidates, for W."""
    logits: Float[Array, "K B A"] | None = None
    """Log-probabilities of all labels: the whole distribution, and so the top k of it."""


class Decision(NamedTuple):
    """What the assisted side does."""

    move: Int[Array, "B"]
    followed: Bool[Array, "B"]
    """The advice was taken (whether or not it was W's own wish too)."""
    notes: PyTree[Array] = ()
    """What the protocol wants to find again in the rollout, leading axis B."""
    thought: Outputs | None = None
    """Log-probabilities and value that W found by itself, to be learnt where it did not take the
    advice, in the place of what A told; None: what A told."""


class SoftPolicy(NamedTuple):
    """A distribution to learn, over a list of labels; N samples, or [T, B]."""

    labels: Int[Array, "*N W"]
    """-1 after the last."""
    weights: Float[Array, "*N W"]
    """Probabilities, 0 where there is no label; what they leave of 1 is that of all others."""
    legal: Array | tuple[()] = ()
    """Legal moves in bits, [*N, A / 8], where the distribution is over them and a position's code
    does not tell them; else nothing."""


class Rollout(NamedTuple):
    """What was played and advised: everything that W may learn from.

    Entries after the end of a game have `played` false and moves of -1.
    """

    opening: Int[Array, "B"]
    """Row of the game's table of training openings."""
    assisted_first: Bool[Array, "B"]
    """The assisted side was the first player (White)."""
    moves: Int[Array, "T B"]
    """Action labels after the opening, 16 bits."""
    played: Bool[Array, "T B"]
    assisted: Bool[Array, "T B"]
    """The mover was the side that had the assistant."""
    own: Int[Array, "T B"]
    """What that side would have played by itself, 16 bits; -1 on other plies."""
    asked: Bool[Array, "T B"]
    advice: Int[Array, "T B"]
    """The first advised label, 16 bits, -1 where none was asked for."""
    followed: Bool[Array, "T B"]
    advised_value: Float[Array, "T B"]
    """What A said that the position is worth to the mover; 0 where that was not asked for. Where
    W put a thought of its own in the place of advice, its own value."""
    notes: PyTree[Array]
    """What the protocol noted on W's turns, leading axes [T, B]."""
    result: Float[Array, "B"]
    """By the rules, for the first player: 1, 0 or -1; 0 where unfinished."""
    finished: Bool[Array, "B"]
    """The rules ended the game (not the ply cap)."""
    positions: Array
    """[T, B, ...] encoded positions before each move: a cache that `games.replay` rebuilds."""
    told: SoftPolicy | tuple[()] = ()
    """The likeliest moves of what A told, leading axes [T, B]; only where the objective learns
    them. Those of W itself where its protocol never asks, or put a thought of its own there."""


class Truth(NamedTuple):
    """What only the measurer may see. No protocol and no objective takes one."""

    corrupted: Bool[Array, "T B"]
    """The misalignment intervened in the (first) advice."""
    honest: Int[Array, "T B"]
    """E's own best move, 16 bits; -1 where A was not asked."""
    value: Float[Array, "T B"]
    """E's own value for the mover; 0 where A was not asked."""
    adjudicated: Float[Array, "B"]
    """Result for the first player with the arena's adjudication: 1, 0 or -1."""


class Behaviour(NamedTuple):
    """What a policy gradient has to know of the moves played; N samples, or [T, B]."""

    log_prob: Float[Array, "*N"]
    """Of the move, in W's policy at the temperature at which it played."""
    advantage: Float[Array, "*N"]
    legal: Array | tuple[()]
    """Legal moves in bits, [*N, A / 8] of 8 bits; nothing where a position's code tells them."""


class Window(NamedTuple):
    """Training samples: of an update, or of the last rounds, oldest overwritten."""

    positions: Array
    moves: Int[Array, "N"]
    policy_weight: Float[Array, "N"]
    value_target: Float[Array, "N"]
    """For the side to move, in [-1, 1]."""
    value_weight: Float[Array, "N"]
    behaviour: Behaviour | SoftPolicy | tuple[()] = ()
    """What a policy gradient has to know; or, where whole distributions are learnt in the place of
    `moves`, these."""


class TrainState(NamedTuple):
    """A network in training: everything that a resumed run needs."""

    params: Params
    optimizer: PyTree[Array]
    step: Int[Array, ""]


class Metrics(NamedTuple):
    """Means over the updates of one call."""

    policy_loss: Float[Array, ""]
    value_loss: Float[Array, ""]
    finite: Bool[Array, ""]
    """No loss was NaN or infinite; parameters after a false one are not to be kept."""
    bad_step: Int[Array, ""]
    """The first update with a loss that was not finite, or -1."""


class Saver(Protocol):
    """Where checkpoints go."""

    def latest(self, like: Any) -> tuple[int, Any] | None:
        """The last whole checkpoint and its number, if there is one."""
        ...

    def save(self, number: int, tree: Any) -> None:
        """Saves checkpoint `number`."""
        ...


Hash = UInt[Array, "B 2"]
State = Any
"""A batch of game positions: whatever pytree the game uses, leading axis B."""
