"""What every game looks like to the rest of the package."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from sandwich_jax.types import Hash, Heads, State

Split = Literal["train", "arena"]


class Symmetry(NamedTuple):
    """A way to turn the board over under which the rules stay what they are."""

    squares: tuple[int, ...]
    """Square of the position, row by row, that comes to stand on each square ..."""
    labels: tuple[int, ...]
    """... and what each label becomes."""


@dataclasses.dataclass(frozen=True)
class Game:
    """Batched pure functions over states of B games.

    After the end of a game its state is undefined, but `done` and `result` stay as they are.
    """

    name: str
    num_actions: int
    feature_shape: tuple[int, int, int]
    """[H, W, C] of the network features."""
    max_plies: int
    """The implementation follows a game no further than this."""
    init: Callable[[int], State]
    """`init(batch)`: that many initial positions."""
    step: Callable[[State, Int[Array, "B"]], State]
    legal: Callable[[State], Bool[Array, "B A"]]
    done: Callable[[State], Bool[Array, "B"]]
    """The rules have ended the game."""
    result: Callable[[State], Float[Array, "B"]]
    """By the rules, for the first player (White): 1, 0 or -1; 0 while the game goes on."""
    encode: Callable[[State], Array]
    """A position in few bytes, [B, ...]."""
    decode: Callable[[Array], Float[Array, "B H W C"]]
    """Network features of encoded positions, from the side to move's view."""
    position_hash: Callable[[State], Hash]
    """Equal for equal positions, whatever the way to them."""
    replay_step: Callable[[State, Int[Array, "B"]], State]
    """Like `step` for moves known to be legal, also after a draw by rule; `legal`, `done` and
    `result` of it are undefined."""
    first_to_move: Callable[[State], Bool[Array, "B"]]
    """Whether the first player is to move."""
    moves: Callable[[State], Int[Array, "B M"]]
    """Labels of all legal moves, -1 after the last; M places are enough for any position."""
    material: Callable[[State], Int[Array, "B"]] | None
    """First player's lead in material (1, 3, 3, 5, 9), where the game has such a thing."""
    take: Callable[[State, Int[Array, "N"] | slice], State]
    """`take(state, lanes)`: the games in these lanes."""
    where: Callable[[Bool[Array, "B"], State, State], State]
    """`where(mask, a, b)`: lane by lane, one state or the other."""
    swap: Callable[[State], State]
    """The second half of the lanes before the first."""
    targets: tuple[int, ...] | None
    """The square that each label moves to (-1: none), where labels are moves between squares."""
    openings: Callable[[Split], Int[np.ndarray, "N L"]]
    """Opening lines as labels, an even number of plies each; the two splits are disjoint."""
    legal_of: Callable[[Array], Bool[Array, "B A"]] | None = None
    """Legal moves of encoded positions, where their code tells them."""
    symmetries: tuple[Symmetry, ...] = ()
    """All ways to turn the board over, the identity first; for games whose encoded positions are
    boards [B, H, W, C]. None: the identity alone."""

    def features(self, state: State) -> Float[Array, "B H W C"]:
        """Network features of the positions in `state`, from the side to move's view."""
        return self.decode(self.encode(state))

    def legal_bits(self, legal: Bool[Array, "*N A"]) -> Array | tuple[()]:
        """What is kept of legal moves beside encoded positions: bits [*N, A / 8], or nothing where
        the code tells them."""
        return jnp.packbits(legal, axis=-1) if self.legal_of is None else ()

    @property
    def heads(self) -> Heads:
        """What a network for this game sees and answers."""
        return Heads(self.feature_shape, self.num_actions, self.targets)

    def replay(self, moves: Int[Array, "T B"]) -> Array:
        """Encoded positions [T, B, ...] before each move; undefined after a label of -1."""

        def ply(state: State, label: Int[Array, "B"]) -> tuple[State, Array]:
            return self.replay_step(state, label), self.encode(state)

        return jax.lax.scan(ply, self.init(moves.shape[1]), moves)[1]

    def after(self, lines: Int[Array, "B L"]) -> State:
        """States after whole lines of legal labels."""

        def ply(state: State, label: Int[Array, "B"]) -> tuple[State, None]:
            return self.step(state, label), None

        return jax.lax.scan(ply, self.init(lines.shape[0]), lines.T)[0]


def take(state: State, lanes: Int[Array, "N"] | slice) -> State:
    """`Game.take` of states whose leaves begin with the batch."""
    return jax.tree.map(lambda x: x[lanes], state)


def where(mask: Bool[Array, "B"], a: State, b: State) -> State:
    """`Game.where` of states whose leaves begin with the batch."""

    def pick(x: Array, y: Array) -> Array:
        return jnp.where(mask.reshape(-1, *([1] * (x.ndim - 1))), x, y)

    return jax.tree.map(pick, a, b)


def swap(state: State) -> State:
    """`Game.swap` of states whose leaves begin with the batch."""
    return jax.tree.map(lambda x: jnp.roll(x, x.shape[0] // 2, axis=0), state)


def moves_of(legal: Bool[Array, "B A"], most: int) -> Int[Array, "B M"]:
    """`Game.moves` from a legal mask; `most` bounds the number of legal moves."""
    width = min(most, legal.shape[1])

    def one(mask: Bool[Array, "A"]) -> Int[Array, "M"]:
        return jnp.flatnonzero(mask, size=width, fill_value=-1)

    return jax.vmap(one)(legal)
