"""How strong is A by itself, against the strength of its misalignment? Kind by kind, in the arena.

    python experiments/assistant_strength.py --openings 64

Every A meets W and E; the curve is A's Elo over W. Prints where it falls to W's own strength,
interpolated, with its 95% interval over openings, and draws it.
"""

import dataclasses
import pathlib
from collections.abc import Callable
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import tyro
from matplotlib.figure import Figure
from rich.table import Table

from sandwich_jax import Config, cli, sandwich, sweep
from sandwich_jax.measures import critical, standing
from sandwich_jax.members import members_of, strengths_used
from sandwich_jax.outside import display, players, store

P = (0.0, 0.1, 0.25, 0.5, 0.75, 1.0)
NATS = (0.0, 0.5, 1.0, 2.0, 4.0)
KINDS = {
    "random_move": P,
    "sandbag": P,
    "policy_noise": NATS,
    "gumbel_noise": NATS,
    "temperature": NATS,
    "dirichlet_noise": (0.0, 0.2, 0.4, 0.6, 0.8, 1.0),
    "bias_capture": (-8.0, -4.0, -2.0, 0.0, 2.0, 4.0, 8.0),
    "bias_check": (-8.0, 0.0, 4.0, 8.0, 16.0),
    "bias_queen": (-8.0, -4.0, 0.0, 2.0, 4.0, 8.0),
    "steer_to_loss": (0.0, 1.0, 2.0, 4.0, 8.0),
    "value_noise": (0.0, 0.05, 0.1, 0.2, 0.4),
    "value_flip": (0.0, 0.02, 0.05, 0.1, 0.3),
    "value_tilt": (-0.2, -0.05, 0.0, 0.05, 0.2),
}


@dataclasses.dataclass(frozen=True)
class Strength:
    """Settings."""

    kinds: tuple[str, ...] = tuple(KINDS)
    openings: int = 64
    """Of each match; each is played twice. A multiple of 32."""
    max_plies: int = 160
    seed: int = 0
    out: pathlib.Path = pathlib.Path("runs/assistant_strength")


def curve(args: Strength, kind: str, told: Callable) -> dict:
    """A's Elo over W for each strength, and where it falls to 0."""
    (strength,) = strengths_used(kind)
    settings: dict[str, Any] = {"p": (0.0,)} | {strength: KINDS[kind]}
    settings |= {"arena_max_plies": args.max_plies, "final_openings": args.openings}
    config = Config(misalignment=kind, control=False, seed=args.seed, **settings)
    net, models = players.load_models(config)
    standings = sandwich.standings_of(sandwich.prepare(config, models, net), sweep.layout())
    members = members_of(config)
    jobs = standings.baseline(config, members)
    fit = standing.elo_of(standings.play(jobs, args.openings, told))
    axis = np.asarray(KINDS[kind])
    elos = np.stack([fit.of(member.assistant) for member in members], axis=1)
    up = axis >= 0
    falls = critical.crossing(critical.falls_below(axis[up], elos[:, up], 0.0), axis[up])
    points = [dataclasses.astuple(fit.difference(m.assistant, "W")) for m in members]
    expert = dataclasses.astuple(fit.difference("E", "W"))
    found = {"kind": kind, "strength": strength, "axis": axis.tolist(), "elo": points}
    return found | {"expert": expert, "falls_to_w": str(falls)}


def draw(found: list[dict]) -> Figure:
    """A small picture a kind."""
    columns = 4
    rows = -(-len(found) // columns)
    figure, axes = plt.subplots(rows, columns, figsize=(11, 2.4 * rows), layout="constrained")
    for place, one in zip(np.ravel(axes), found, strict=False):
        value, low, high = np.asarray(one["elo"]).T
        errors = np.maximum([value - low, high - value], 0)
        place.errorbar(one["axis"], value, errors, fmt="o-", markersize=3, capsize=2)
        place.axhline(one["expert"][0], color="black", linewidth=0.8)
        place.axhline(0, color="black", linewidth=0.8, linestyle=":")
        place.set_title(f"{one['kind']}: W at {one['falls_to_w']}", fontsize=8)
        place.set_xlabel(one["strength"], fontsize=8)
        place.tick_params(labelsize=7)
    for place in np.ravel(axes)[len(found) :]:
        place.set_axis_off()
    figure.supylabel("A's Elo over W (line: E, dots: W)", fontsize=8)
    return figure


def main(args: Strength) -> None:
    """Plays kind by kind, keeping and drawing what was found so far."""
    found, path = [], args.out / "curves.json"
    args.out.mkdir(parents=True, exist_ok=True)
    with display.bar("Kinds") as bar:
        for done, kind in enumerate(args.kinds):
            told = lambda _, i=done, k=kind: bar.update(i, len(args.kinds), k)  # noqa: E731
            found.append(curve(args, kind, told))
            settings = store.to_plain(dataclasses.asdict(args) | {"out": str(args.out)})
            store.write_json(path, {"settings": settings, "curves": found})
            pictures.save(args.out / "curves.png", draw(found))
    table = Table("kind", "strength", "A's Elo over W", "falls to W at")
    for one in found:
        elos = ", ".join(
            f"{x:g}: {e[0]:+.0f}" for x, e in zip(one["axis"], one["elo"], strict=True)
        )
        table.add_row(one["kind"], one["strength"], elos, one["falls_to_w"])
    cli.OUT.print(table)


if __name__ == "__main__":
    cli.guarded(lambda: main(tyro.cli(Strength, description=__doc__)))
