"""A bank of positions with every legal move's numbers beside them: Q, policy and trunk of E and W.

Training a saboteur on it needs no search and no sampling: the expected reward of a policy is a sum
over the legal moves of a position. Positions come from games that are given as lines of labels, one
position a game, so that positions are independent.
"""

from __future__ import annotations

import functools
import pathlib
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from sandwich_jax import arrays, lookahead, sampling
from sandwich_jax.games import Game
from sandwich_jax.models import Model
from sandwich_jax.types import SettingError, State

LANES = 64
"""Positions looked at together."""
MOVES = 8
"""Moves of each of them looked at together."""


class View(NamedTuple):
    """What one network knows of N positions and their M moves; on host or device."""

    logp: Any
    """Log-probability among legal moves, [N, M]; `sampling.ILLEGAL` where there is no move."""
    after: Any
    """Q(s, a) for the mover, [N, M], in [-1, 1]; 0 where there is no move."""
    value: Any
    """Of the positions, [N]."""
    trunk: Any
    """The tower's output on each square, [N, S, D]."""
    trunk_after: Any
    """The same after the move, its mean over squares: the opponent's view; [N, M, D]."""


class Bank(NamedTuple):
    """N positions with at most M legal moves each."""

    positions: np.ndarray
    """Encoded, [N, ...]."""
    line: Int[np.ndarray, "N L"]
    """The labels that led there, -1 after the last."""
    labels: Int[np.ndarray, "N M"]
    """Legal moves, -1 after the last."""
    expert: View
    weak: View

    @property
    def legal(self) -> Bool[np.ndarray, "N M"]:
        """Where there is a move."""
        return self.labels >= 0


def build(
    game: Game,
    models: tuple[Model, Model],
    lines: Int[np.ndarray, "N L"],
    told: Callable[[int, int], None] = lambda done, total: None,
) -> Bank:
    """The bank of the positions that `lines` lead to; those where the game is over are left out.

    Args:
        game: their rules.
        models: E and W.
        lines: labels, -1 after the last.
        told: called with positions done and in all.
    """
    parts, count = [], len(lines)
    look = functools.partial(_look, game)
    for start in range(0, count, LANES):
        part = lines[start : start + LANES]
        padded = np.pad(part, ((0, LANES - len(part)), (0, 0)), constant_values=-1)
        found = jax.tree.map(np.asarray, look(models, jnp.asarray(padded, jnp.int32)))
        *fields, done = found
        keep = np.flatnonzero(~done[: len(part)])
        width = int((fields[1] >= 0).sum(1).max())
        parts.append(_slim([part[keep], *(_take(field, keep) for field in fields)], width))
        told(min(start + LANES, count), count)
    return _joined(parts)


def _take(field, keep: np.ndarray):
    return jax.tree.map(lambda x: x[keep], field)


def _slim(fields: list, width: int) -> Bank:
    line, positions, labels, *views = fields
    views = [
        View(
            v.logp[:, :width],
            v.after[:, :width],
            v.value,
            v.trunk.astype(np.float16),
            v.trunk_after[:, :width].astype(np.float16),
        )
        for v in views
    ]
    return Bank(positions, line, labels[:, :width].astype(np.int16), *views)


def _joined(parts: list[Bank]) -> Bank:
    width = max(part.labels.shape[1] for part in parts)

    def widen(x: np.ndarray, fill: float) -> np.ndarray:
        padding = [(0, 0), (0, width - x.shape[1])] + [(0, 0)] * (x.ndim - 2)
        return np.pad(x, padding, constant_values=fill)

    def view(v: View) -> View:
        return v._replace(
            logp=widen(v.logp, sampling.ILLEGAL),
            after=widen(v.after, 0),
            trunk_after=widen(v.trunk_after, 0),
        )

    wide = [
        p._replace(labels=widen(p.labels, -1), expert=view(p.expert), weak=view(p.weak))
        for p in parts
    ]
    return jax.tree.map(lambda *xs: np.concatenate(xs), *wide)


@functools.partial(jax.jit, static_argnums=0)
def _look(game: Game, models: tuple[Model, Model], lines: Int[Array, "B L"]):
    state = along(game, lines)
    labels, done = game.moves(state), game.done(state)
    views = [_view(game, model, state, labels) for model in models]
    return game.encode(state), jnp.where(done[:, None], -1, labels), *views, done


def along(game: Game, lines: Int[Array, "B L"]) -> State:
    """States after lines of different length, -1 after the last label of each."""

    def ply(state: State, label: Int[Array, "B"]) -> tuple[State, None]:
        return game.where(label >= 0, game.step(state, jnp.maximum(label, 0)), state), None

    return jax.lax.scan(ply, game.init(lines.shape[0]), lines.T)[0]


def _view(game: Game, model: Model, state: State, labels: Int[Array, "B M"]):
    outputs, trunk = model.net.inspect(model.params, model.net.view(game, state))
    index, there = jnp.maximum(labels, 0), labels >= 0
    logits = jnp.take_along_axis(outputs.logits, index, axis=-1)
    logp = jax.nn.log_softmax(jnp.where(there, logits, sampling.ILLEGAL), axis=-1)
    after, seen = _after(game, model, state, labels, trunk.shape[-1])
    b, h, w, d = trunk.shape
    return View(
        jnp.where(there, logp, sampling.ILLEGAL),
        jnp.where(there, after, 0.0),
        outputs.value,
        trunk.reshape(b, h * w, d),
        seen,
    )


def _after(game: Game, model: Model, state: State, labels: Int[Array, "B M"], depth: int):
    """Q and the mean trunk after each move, `MOVES` moves of all positions at a time."""
    batch, width = labels.shape
    size = MOVES
    padded = jnp.pad(labels, ((0, 0), (0, -width % size)), constant_values=-1)
    blank = jnp.zeros(padded.shape), jnp.zeros((*padded.shape, depth))

    def more(carry: tuple) -> Array:
        start, _ = carry
        places = jax.lax.dynamic_slice_in_dim(padded, jnp.minimum(start, width - 1), 1, axis=1)
        return (start < width) & (places >= 0).any()

    def look(carry: tuple) -> tuple:
        start, (values, seen) = carry
        moves = jax.lax.dynamic_slice_in_dim(padded, start, size, axis=1)
        trunks = []

        def evaluate(after: State) -> Array:
            outputs, trunk = model.net.inspect(model.params, model.net.view(game, after))
            trunks.append(trunk.mean((1, 2)).reshape(batch, size, depth))
            return outputs.value

        found = lookahead.values_after(game, evaluate, state, moves)
        place = (0, start)
        values = jax.lax.dynamic_update_slice(values, found, place)
        return start + size, (values, jax.lax.dynamic_update_slice(seen, trunks[0], (*place, 0)))

    _, (values, seen) = jax.lax.while_loop(more, look, (jnp.int32(0), blank))
    return values[:, :width], seen[:, :width]


def save(path: pathlib.Path, bank: Bank) -> None:
    """Writes a bank to a .npz file, aside first."""
    leaves = {f"{i}": x for i, x in enumerate(jax.tree.leaves(bank))}
    temporary = path.with_name(f".{path.name}.tmp.npz")
    np.savez(temporary, **leaves)
    temporary.replace(path)


def load(path: pathlib.Path) -> Bank:
    """A bank from its file.

    Raises:
        SettingError: it is damaged, or holds something else.
    """
    remedy = "remove it, and it is made again"
    stored = arrays.read(path, remedy)
    size = len(View._fields)
    if set(stored) != {str(i) for i in range(3 + 2 * size)}:
        raise SettingError(f"{path}: it holds no bank of positions; {remedy}.")
    found = [stored[str(i)] for i in range(len(stored))]
    top, views = found[:3], found[3:]
    return Bank._make([*top, View._make(views[:size]), View._make(views[size:])])


def sampled_lines(
    moves: Int[np.ndarray, "N"],
    starts: Int[np.ndarray, "G"],
    rows: np.ndarray,
    seed: int,
    most: int,
) -> Int[np.ndarray, "R L"]:
    """One uniformly drawn beginning of each game `rows` of a corpus, of 6 to `most` plies."""
    rng = np.random.default_rng(seed)
    lines = np.full((len(rows), most), -1, np.int16)
    for line, row in zip(lines, rows, strict=True):
        begin, end = int(starts[row]), int(starts[row + 1])
        length = int(rng.integers(min(6, end - begin - 1), min(end - begin - 1, most) + 1))
        line[:length] = moves[begin : begin + length]
    return lines


def move_features(
    view: View, labels: Int[Array, "B M"], targets: tuple[int, ...] | None
) -> Float[Array, "B M F"]:
    """What a network knows of each move: policy, one-ply values, and its trunk.

    Of the policy: log-probability, how much likelier the likeliest is, entropy, the share of moves
    that are less likely. Of the values: of the position, after the move, how far that is below the
    best and above the worst, and the share of moves that are worse. Of the trunk: means over
    the board before and after the move, and where labels are moves between squares (`targets`),
    its output on both of them.
    """
    logp, after, value, trunk, seen = (jnp.asarray(x, jnp.float32) for x in view)
    there = labels >= 0
    index = jnp.maximum(labels, 0).astype(jnp.int32)
    entropy = -jnp.where(there, jnp.exp(logp) * logp, 0.0).sum(-1)
    best = jnp.where(there, after, -1.0).max(-1, keepdims=True)
    worst = jnp.where(there, after, 1.0).min(-1, keepdims=True)
    logp = jnp.maximum(logp, -30.0)

    def everywhere(x: Float[Array, "B *D"]) -> Float[Array, "B M *D"]:
        return jnp.broadcast_to(x[:, None], (x.shape[0], logp.shape[1], *x.shape[1:]))

    numbers = (logp, logp.max(-1, keepdims=True) - logp, everywhere(entropy))
    numbers += (everywhere(value), after, best - after, after - worst)
    numbers += tuple(_share_below(x, there) for x in (logp, after))
    parts = [jnp.stack(numbers, -1), everywhere(trunk.mean(1)), seen]
    if targets is not None:
        planes = len(targets) // trunk.shape[1]
        squares = (index // planes, jnp.maximum(jnp.asarray(targets)[index], 0))
        parts += [jnp.take_along_axis(trunk, s[..., None], axis=1) for s in squares]
    return jnp.concatenate(parts, axis=-1) * there[..., None]


def _share_below(x: Float[Array, "B M"], there: Bool[Array, "B M"]) -> Float[Array, "B M"]:
    """The share of a position's moves that have a lower number."""
    lower = (x[:, None] < x[..., None]) & there[:, None]
    return lower.sum(-1) / jnp.maximum(there.sum(-1, keepdims=True), 1)
