"""Many games at once in one jitted loop: what self-play and the arena share.

Lanes play game after game, so that none idles for long. The side called `a` is the first player in
one half of the lanes and the second player in the other, so at every ply each side moves in
exactly one half: neither network ever runs on a lane where it is not its turn. The halves change
places after every ply, so that `a` always moves in the front one.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PyTree

from sandwich_jax import forms
from sandwich_jax.games import Game
from sandwich_jax.types import PRNGKey, State

Mover = Callable[
    [PRNGKey, State, PyTree[Array], PyTree[Array], Bool[Array, ""]],
    tuple[Int[Array, "B"], PyTree[Array], PyTree[Array]],
]
"""`(key, state, seen, memory, ask) -> labels, extras to record, memory`.

Extras have leading axis B. `seen` is what the loop's `look` found of the positions. `ask` is one
flag for all lanes: whether this is a turn on which an assistant may be asked.
"""

Look = Callable[[State], PyTree[Array]]
"""`state -> seen`: what both sides want to know of a position; leaves with leading axis B."""


@dataclasses.dataclass(frozen=True)
class Adjudication:
    """When a game is called won by material, as engine testers do (1, 3, 3, 5, 9).

    Small networks trained on games that end by resignation cannot mate, so by the rules alone
    strength hardly shows.
    """

    margin: int = 5
    """A lead of this much ..."""
    plies: int = 6
    """... for so many plies on end wins;"""
    cap_margin: int = 3
    """so does a lead of this much when the ply cap is reached."""

    def streak(self, lead: Any, before: Any) -> Any:
        """Plies on end with a lead of the margin, negative for the second player's.

        Of one game or many: numbers, or arrays of NumPy or JAX.

        Args:
            lead: the first player's in material, after one more ply.
            before: the streak before that ply.
        """
        side = (lead >= self.margin) * 1 - (lead <= -self.margin)
        return side + (side * before > 0) * before

    def decides(self, lead: Any, streak: Any, capped: Any) -> tuple[Any, Any]:
        """Whether a long lead ends a game, and whether material decides it, so or at the cap.

        Args:
            lead: the first player's in material.
            streak: see `streak`.
            capped: whether the ply cap is reached.
        """
        long_lead = abs(streak) >= self.plies
        return long_lead, long_lead | capped & (abs(lead) >= self.cap_margin)


@dataclasses.dataclass(frozen=True)
class PlayConfig:
    """Static settings of the loop."""

    lanes: int
    """Games at the same time; even, and a divisor of the number of games."""
    max_plies: int
    """A game is cut off after so many plies beyond its opening."""
    every: int = 1
    """`a` may ask on every n-th of its turns, from its first."""
    adjudication: Adjudication = Adjudication()
    stop_when_adjudicated: bool = True
    """A verdict ends the game; otherwise it is only noted, and the rules alone end it."""
    record_positions: bool = False


class Record(NamedTuple):
    """What was played; entries after a game's end are False, -1 or 0."""

    moves: Int[Array, "T B"]
    """Labels, 16 bits."""
    played: Bool[Array, "T B"]
    by_a: Bool[Array, "T B"]
    extras: PyTree[Array]
    """What mover `a` recorded on its own plies, [T, B]."""
    positions: Array | None
    """Encoded positions before each move, [T, B, ...]."""
    result: Float[Array, "B"]
    """By the rules, for the first player; 0 where unfinished."""
    finished: Bool[Array, "B"]
    """The rules ended the game."""
    verdict: Float[Array, "B"]
    """For the first player, with adjudication."""
    adjudicated: Bool[Array, "B"]
    """The verdict came from material, not from the rules."""


class _Carry(NamedTuple):
    time: Int[Array, ""]
    """Plies since the loop began."""
    state: State
    memory: PyTree[Array]
    slot: Int[Array, "L"]
    """Which of its games a lane plays; -1 before the first."""
    ply: Int[Array, "L"]
    idle: Bool[Array, "L"]
    streak: Int[Array, "L"]
    """Plies on end with a lead of the adjudication margin, negative for the second player's."""
    judged: Bool[Array, "L"]
    record: Record


def a_is_first(games: int, lanes: int) -> Bool[Array, "B"]:
    """Whether side `a` is the first player, game by game."""
    return jnp.arange(games) % lanes < lanes // 2


def opening_rows(games: int, lanes: int) -> Int[Array, "B"]:
    """Which opening each game starts from: each of games / 2 openings once with either colour."""
    index = jnp.arange(games)
    return index // lanes * (lanes // 2) + index % (lanes // 2)


class Players(NamedTuple):
    """Who plays: static, but for what their functions close over."""

    a: Mover
    """One side; its extras are recorded and its memory is kept lane by lane."""
    b: Mover
    """The other side."""
    memory: Callable[[int], PyTree[Array]] = lambda batch: ()
    """What `a` starts a game with, for a number of lanes."""
    look: Look = lambda state: ()
    """What both are shown of a position. An accelerator looks at all lanes at once."""


def play(
    key: PRNGKey,
    game: Game,
    players: Players,
    starts: State,
    rows: Int[Array, "B"],
    config: PlayConfig,
    games: Int[Array, ""] | int | None = None,
) -> Record:
    """Plays B games, game g in lane g mod `lanes`.

    Args:
        key: drawn from anew every ply.
        game: rules.
        players: both sides.
        starts: positions to start from, the first player to move.
        rows: which of `starts` each game starts from.
        config: static settings; `lanes` must divide B.
        games: play only the first so many, a multiple of `lanes`; the others stay empty.
    """
    count = rows.shape[0]
    slots = (count if games is None else games) // config.lanes
    loop = _Loop(key, game, players, starts, rows, config, slots)
    return jax.lax.while_loop(loop.unfinished, loop.plies, loop.begin(count)).record


class _Loop(NamedTuple):
    """What stays as it is from ply to ply; its methods are pure functions of the carry."""

    key: PRNGKey
    game: Game
    players: Players
    starts: State
    rows: Int[Array, "B"]
    config: PlayConfig
    slots: Int[Array, ""] | int
    """Games of a lane."""

    def begin(self, count: int) -> _Carry:
        """Before the first ply: no lane plays yet."""
        game, players, lanes = self.game, self.players, self.config.lanes
        first = game.take(self.starts, self.rows[:lanes])
        half = game.take(first, slice(0, lanes // 2))
        seen = jax.eval_shape(players.look, half)
        memory = players.memory(lanes // 2)
        extras = jax.eval_shape(players.a, self.key, half, seen, memory, jnp.bool_(True))[1]
        zeros = jnp.zeros(lanes, jnp.int32)
        return _Carry(
            time=jnp.int32(0),
            state=first,
            memory=players.memory(lanes),
            slot=zeros - 1,
            ply=zeros,
            idle=jnp.ones(lanes, bool),
            streak=zeros,
            judged=jnp.zeros(lanes, bool),
            record=_empty_record(game, self.config, count, extras, first),
        )

    def unfinished(self, carry: _Carry) -> Bool[Array, ""]:
        """Whether any lane of any member has something left to play."""
        return _of_any_member((~carry.idle | (carry.slot < self.slots - 1)).any())

    def plies(self, carry: _Carry) -> _Carry:
        """As many plies as go between two looks at whether there is more to play."""
        count = forms.here().plies_a_check
        if count == 1:
            return self.ply(carry)
        return jax.lax.scan(lambda c, _: (self.ply(c), None), carry, length=count)[0]

    def ply(self, carry: _Carry) -> _Carry:
        """Both sides move, each on its half of the lanes."""
        game, lanes = self.game, self.config.lanes
        lane = _lanes(carry.time, lanes)
        turn = carry.time // 2
        fresh = (carry.time % 2 == 0) & (turn % self.config.every == 0)
        # Only where all lanes are in phase, so that one flag says whether `a` may ask.
        due = carry.idle & (carry.slot < self.slots - 1) & fresh
        carry = self._restarted(carry, due, lane)
        keys = jax.random.split(jax.random.fold_in(self.key, carry.time))
        ask = turn % self.config.every == 0
        label, extras, memory = _choose(game, self.players, carry, (keys[0], keys[1]), ask)
        after = game.step(carry.state, label)
        column = jnp.maximum(carry.slot, 0) * lanes + lane
        record = _note(game, self.config, carry, label, extras, column)
        carry = carry._replace(
            state=after, memory=memory, ply=carry.ply + ~carry.idle, record=record
        )
        return _change_places(game, _judge(game, self.config, carry, column))

    def _restarted(self, carry: _Carry, due: Bool[Array, "L"], lane: Int[Array, "L"]) -> _Carry:
        small = carry._replace(record=None)  # what a conditional returns, it copies
        if forms.here().skip:
            again = lambda c: self._restart(c, due, lane)  # noqa: E731
            small = jax.lax.cond(due.any(), again, lambda c: c, small)
        else:
            small = self._restart(small, due, lane)
        return small._replace(record=carry.record)

    def _restart(self, carry: _Carry, due: Bool[Array, "L"], lane: Int[Array, "L"]) -> _Carry:
        slot, lanes = carry.slot + due, self.config.lanes
        begin = self.game.take(self.starts, self.rows[slot * lanes + lane])
        return carry._replace(
            state=self.game.where(due, begin, carry.state),
            memory=_where(due, self.players.memory(lanes), carry.memory),
            slot=slot,
            ply=jnp.where(due, 0, carry.ply),
            idle=carry.idle & ~due,
            streak=jnp.where(due, 0, carry.streak),
            judged=carry.judged & ~due,
        )


@jax.custom_batching.custom_vmap
def _of_any_member(holds: Bool[Array, ""]) -> Bool[Array, ""]:
    """Mapped over members: whether it holds for any of them, one flag for all.

    A loop that members leave at different times would keep the carry of those that are done by a
    select, ply by ply. A ply of a member that is done changes nothing that is recorded.
    """
    return holds


@_of_any_member.def_vmap
def _(size: int, batched: list[bool], holds: Bool[Array, "P"]) -> tuple[Bool[Array, ""], bool]:
    return _of_any_member(holds.any(0)), False


def _lanes(time: Int[Array, ""], lanes: int) -> Int[Array, "L"]:
    """Which lane stands at each place."""
    return (jnp.arange(lanes) + (time % 2) * (lanes // 2)) % lanes


def _change_places(game: Game, carry: _Carry) -> _Carry:
    """The half where `b` just moved comes to the front."""
    half = carry.idle.shape[0] // 2
    record, state, time = carry.record, game.swap(carry.state), carry.time + 1
    others = carry._replace(record=None, state=None, time=None)
    moved: _Carry = jax.tree.map(lambda x: jnp.roll(x, half, axis=0), others)
    return moved._replace(record=record, state=state, time=time)


def _choose(
    game: Game,
    players: Players,
    carry: _Carry,
    keys: tuple[PRNGKey, PRNGKey],
    ask: Bool[Array, ""],
) -> tuple[Int[Array, "L"], PyTree[Array], PyTree[Array]]:
    """Labels of all lanes, extras of `a` (zeros where it did not move), memory."""
    half = carry.idle.shape[0] // 2
    front, back = slice(0, half), slice(half, None)
    states = game.take(carry.state, front), game.take(carry.state, back)
    if forms.here().one_pass:
        whole = players.look(carry.state)
        seen = [jax.tree.map(lambda x, part=part: x[part], whole) for part in (front, back)]
    else:
        seen = [players.look(state) for state in states]
    own = jax.tree.map(lambda x: x[front], carry.memory)
    label_a, extras, own = players.a(keys[0], states[0], seen[0], own, ask)
    label_b, _, _ = players.b(keys[1], states[1], seen[1], (), ask)
    label = jnp.concatenate([label_a, label_b])
    extras = jax.tree.map(lambda x: jnp.concatenate([x, jnp.zeros_like(x)]), extras)
    memory = jax.tree.map(lambda new, old: jnp.concatenate([new, old[back]]), own, carry.memory)
    return label, extras, memory


def _empty_record(game: Game, config: PlayConfig, games: int, extras: Any, state: State) -> Record:
    shape = (config.max_plies, games)
    code = jax.eval_shape(game.encode, state)
    positions = jnp.zeros((*shape, *code.shape[1:]), code.dtype)
    by_first = jnp.arange(config.max_plies) % 2 == 0
    return Record(
        moves=jnp.full(shape, -1, jnp.int16),
        played=jnp.zeros(shape, bool),
        by_a=by_first[:, None] == a_is_first(games, config.lanes),
        extras=jax.tree.map(lambda x: jnp.zeros((*shape, *x.shape[1:]), x.dtype), extras),
        positions=positions if config.record_positions else None,
        result=jnp.zeros(games),
        finished=jnp.zeros(games, bool),
        verdict=jnp.zeros(games),
        adjudicated=jnp.zeros(games, bool),
    )


def _note(
    game: Game,
    config: PlayConfig,
    carry: _Carry,
    label: Int[Array, "L"],
    extras: PyTree[Array],
    column: Int[Array, "L"],
) -> Record:
    """Records the ply about to be played."""
    record, active = carry.record, ~carry.idle
    row = jnp.where(active, carry.ply, config.max_plies)  # out of range: dropped

    def write(kept: Array, new: Array) -> Array:
        return kept.at[row, column].set(new.astype(kept.dtype), mode="drop")

    if record.positions is not None:
        record = record._replace(positions=write(record.positions, game.encode(carry.state)))
    return record._replace(
        moves=write(record.moves, label),
        played=write(record.played, active),
        extras=jax.tree.map(write, record.extras, extras),
    )


def _judge(game: Game, config: PlayConfig, carry: _Carry, column: Int[Array, "L"]) -> _Carry:
    """Ends games by the rules, by the cap, or by material."""
    rule, active = config.adjudication, ~carry.idle
    over, result = game.done(carry.state), game.result(carry.state)
    capped = carry.ply >= config.max_plies
    lead = jnp.zeros_like(carry.ply) if game.material is None else game.material(carry.state)
    streak = rule.streak(lead, carry.streak)
    long_lead, decided = rule.decides(lead, streak, capped)
    by_material = ~over & decided
    verdict = jnp.where(over, result, jnp.where(by_material, jnp.sign(lead), 0.0))
    stop = over | capped | (long_lead & config.stop_when_adjudicated)
    judge = active & ~carry.judged & (stop | long_lead)
    ended = active & stop
    record = carry.record
    games = record.result.shape[0]

    def write(kept: Array, new: Array, where: Bool[Array, "L"]) -> Array:
        index = jnp.where(where, column, games)  # out of range: dropped
        return kept.at[index].set(new.astype(kept.dtype), mode="drop")

    record = record._replace(
        result=write(record.result, jnp.where(over, result, 0.0), ended),
        finished=write(record.finished, over, ended),
        verdict=write(record.verdict, verdict, judge),
        adjudicated=write(record.adjudicated, by_material, judge),
    )
    return carry._replace(
        streak=jnp.where(active, streak, carry.streak),
        judged=carry.judged | judge,
        idle=carry.idle | ended,
        record=record,
    )


def _where(mask: Bool[Array, "L"], new: PyTree[Array], old: PyTree[Array]) -> PyTree[Array]:
    """`new` on the lanes in `mask`, else `old`."""

    def pick(a: Array, b: Array) -> Array:
        return jnp.where(mask.reshape(-1, *([1] * (a.ndim - 1))), a, b)

    return jax.tree.map(pick, new, old)
