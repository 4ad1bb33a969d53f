"""One position, and what every kind of misalignment makes of E's answer: docs/misalignments.png.

python experiments/draw_misalignments.py
"""

import dataclasses
import pathlib

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import tyro
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from sandwich_jax.machine import console

console.start()  # before the imports below, which put arrays on a device

from sandwich_jax import board, games, sampling
from sandwich_jax.members import Config, knobs_of
from sandwich_jax.misalign import assistant, transforms
from sandwich_jax.misalign.sight import Seen, Sight
from sandwich_jax.players import spelled
from sandwich_jax.report import figures

GLYPHS = dict(zip("KQRBNPkqrbnp", "♔♕♖♗♘♙♚♛♜♝♞♟", strict=True))
STRENGTHS = {
    "sigma": 3.0,
    "eps": 0.8,
    "heat": 2.0,
    "beta": 8.0,
    "lam": 20.0,
    "value_sigma": 0.3,
    "shrink": 0.7,
    "offset": 0.3,
    "tilt": 0.1,
}
"""Others, such as p, at 1."""


@dataclasses.dataclass(frozen=True)
class Drawing:
    """Settings."""

    fen: str = "r1bq1rk1/pp2bppp/2n1pn2/3p4/3P4/2NB1N2/PP3PPP/R1BQ1RK1 w - - 0 10"
    """White to move."""
    saboteur: str = "fresh:0"
    """M of `borrow`."""
    out: pathlib.Path = pathlib.Path("docs/misalignments.png")


def answers(args: Drawing) -> dict[str, tuple[str, str, str]]:
    """By kind: E's move and A's as UCI, and a title."""
    game, config = games.make("chess"), Config(misalignment="borrow", saboteur=args.saboteur)
    models = spelled.load_models(config)
    state = board.from_fen([args.fen])
    legal, features = game.legal(state), game.features(state)
    needs = transforms.needs(tuple(transforms.TRANSFORMS))
    asked = jnp.ones(1, bool)
    look = jax.jit(lambda m, s: assistant.look(game, m, s, legal, features, needs, asked))
    sight = jax.tree.map(lambda x: x[0], look(models, state))
    e, weak, saboteur = (jax.tree.map(lambda x: x[0], m.of(features)) for m in models if m)
    seen = Seen(sight.features, weak.value, saboteur.value)
    kinds = transforms.TRANSFORMS
    strengths = {
        k.strength: STRENGTHS.get(k.strength, k.about_strength.high) for k in kinds.values()
    }
    knobs = knobs_of(config, None, 0.5) | {k: jnp.float32(x) for k, x in strengths.items()}

    @jax.jit
    def ask(key: jax.Array, logits: jax.Array, value: jax.Array, sight: Sight, seen: Seen) -> dict:
        said = {}
        for name in kinds:
            move = transforms.compose((name,))(key, logits, sight, knobs)
            told, _ = transforms.compose_values((name,))(key, value, seen, knobs)
            said[name] = (sampling.greedy(move[0], sight.legal), move[1], told)
        return said

    keys = jax.random.split(jax.random.key(0), 20)
    tries = jax.vmap(ask, (0, *[None] * 4))(keys, e.logits, e.value, sight, seen)
    twice = board.take(state, jnp.zeros(2, int))
    best, found = int(sampling.greedy(e.logits, legal[0])), {}
    for name, (moves, changed, told) in jax.device_get(tries).items():
        first = int(changed.argmax())  # noise may leave the best move: take one that does not
        strength = kinds[name].strength
        title = f"{name}\n{strength} = {strengths[strength]:g}"
        if told[first] != e.value:
            title += f"; value {float(e.value):+.2f} told as {told[first]:+.2f}"
        honest, said = board.to_uci(twice, [best, int(moves[first])])
        found[name] = honest, said, title
    return found


def panel(axes: Axes, fen: str, honest: str, said: str, title: str) -> None:
    """One small board with two arrows."""
    for square in range(64):
        colour = "#d8c3a5" if (square // 8 + square % 8) % 2 == 0 else "#f5eee0"
        axes.add_patch(Rectangle((square // 8, square % 8), 1, 1, color=colour, linewidth=0))
    for row, line in enumerate(fen.split()[0].split("/")):
        cells = "".join(" " * int(c) if c.isdigit() else c for c in line)
        for file, piece in enumerate(cells):
            if piece != " ":
                where = (file + 0.5, 7.42 - row)
                axes.text(*where, GLYPHS[piece], ha="center", va="center", fontsize=11)
    for move, colour in ((honest, "tab:green"), (said, "tab:red")):
        start, end = ((ord(move[i]) - 96.5, int(move[i + 1]) - 0.5) for i in (0, 2))
        style = dict(arrowstyle="-|>", color=colour, linewidth=2.2, alpha=0.8)
        axes.annotate("", end, start, arrowprops=style)
        if said == honest:
            break
    axes.set(xlim=(0, 8), ylim=(0, 8), aspect="equal")
    axes.set_axis_off()
    axes.set_title(title, fontsize=6)


def main(args: Drawing) -> None:
    """Asks, draws, writes."""
    found, columns = answers(args), 6
    rows = -(-len(found) // columns)
    figure, grid = plt.subplots(rows, columns, figsize=(11, 2.1 * rows), layout="constrained")
    for axes in grid.ravel()[len(found) :]:
        axes.set_axis_off()
    for axes, (honest, said, title) in zip(grid.ravel(), found.values(), strict=False):
        panel(axes, args.fen, honest, said, title)
    figure.suptitle("E's move green, A's red; one green arrow: the same", fontsize=8)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    figures.save(args.out, figure)
    for name, (honest, said, title) in found.items():
        console.OUT.print(name, honest, said, title.split("\n")[1], highlight=False)


if __name__ == "__main__":
    console.guarded(lambda: main(tyro.cli(Drawing, description=__doc__)))
