"""How strong is A by itself, against the strength of its misalignment? Kind by kind, in the arena.

    python experiments/assistant_strength.py --openings 64

Every A meets W and E; the curve is A's Elo over W. Prints where it falls to W's own strength,
interpolated, with its 95% interval over openings, and draws it. Called again for other kinds, it
keeps those that the folder has.
"""

import dataclasses
import pathlib
from collections.abc import Callable
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import tyro
from matplotlib.figure import Figure

from sandwich_jax.machine import console

console.start()  # before the imports below, which put arrays on a device

from sandwich_jax import Config, lane_layout, sandwich
from sandwich_jax.folders import store
from sandwich_jax.machine import display
from sandwich_jax.measures import critical, standing
from sandwich_jax.members import members_of, strengths_used
from sandwich_jax.players import spelled
from sandwich_jax.report import doc_pages, figures

P = (0.0, 0.1, 0.25, 0.5, 0.75, 1.0)
NATS = (0.0, 0.5, 1.0, 2.0, 4.0)
KINDS = {
    "random_move": P,
    "sandbag": P,
    "borrow": P,
    "policy_noise": NATS,
    "gumbel_noise": NATS,
    "temperature": NATS,
    "dirichlet_noise": (0.0, 0.2, 0.4, 0.6, 0.8, 1.0),
    "bias_capture": (-8.0, -4.0, -2.0, 0.0, 2.0, 4.0, 8.0),
    "bias_check": (-8.0, 0.0, 4.0, 8.0, 16.0),
    "bias_queen": (-8.0, -4.0, 0.0, 2.0, 4.0, 8.0),
    # These look at all successors: some thirty forward passes a move.
    "value_worst": (0.0, 0.1, 0.25, 0.5),
    "plausible_worst": (0.0, 0.5, 1.0),
    "soft_saboteur": (0.0, 0.5, 1.0),
    "soft_saboteur_weak": (0.0, 0.5, 1.0),
    "steer_to_loss": (0.0, 4.0, 8.0, 16.0),
    "value_noise": (0.0, 0.05, 0.2),
    "value_flip": (0.0, 0.05, 0.3),
    "value_tilt": (-0.05, 0.0, 0.05, 0.2, 1.0),
}


@dataclasses.dataclass(frozen=True)
class Strength:
    """Settings."""

    kinds: tuple[str, ...] = tuple(KINDS)
    openings: int = 64
    """Of each match; each is played twice. At most 32, or a multiple of it."""
    max_plies: int = 160
    saboteur: str = "subtle_loser"
    """Whose moves `borrow` plays."""
    seed: int = 0
    out: pathlib.Path = pathlib.Path("runs/assistant_strength")


def curve(args: Strength, kind: str, told: Callable) -> dict:
    """A's Elo over W for each strength, and where it falls to 0."""
    (strength,) = strengths_used(kind)
    settings: dict[str, Any] = {"p": (0.0,)} | {strength: KINDS[kind]}
    settings |= {"arena_max_plies": args.max_plies, "final_openings": args.openings}
    few = min(args.openings, 32)
    settings |= {"lanes": 2 * few, "round_openings": few}
    settings |= {"saboteur": args.saboteur if kind == "borrow" else ""}
    config = Config(misalignment=kind, control=False, seed=args.seed, **settings)
    setup = sandwich.prepare(config, spelled.load_models(config))
    standings = sandwich.standings_of(setup, lane_layout.layout())
    members = members_of(config)
    jobs = standings.baseline(config, members)
    fit = standing.elo_of(standings.play_matches(jobs, args.openings, told))
    axis = np.asarray(KINDS[kind])
    elos = np.stack([fit.of(member.assistant) for member in members], axis=1)
    up = axis >= 0
    falls = critical.crossing(critical.falls_below(axis[up], elos[:, up], 0.0), axis[up])
    points = [dataclasses.astuple(fit.difference(m.assistant, "W")) for m in members]
    expert = dataclasses.astuple(fit.difference("E", "W"))
    found = {"kind": kind, "strength": strength, "axis": axis.tolist(), "elo": points}
    found |= {"openings": args.openings, "max_plies": args.max_plies, "seed": args.seed}
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
        place.set_title(f"{one['kind']}: W at {one['falls_to_w']}", fontsize=7)
        place.set_xlabel(one["strength"], fontsize=8)
        place.tick_params(labelsize=7)
    for place in np.ravel(axes)[len(found) :]:
        place.set_axis_off()
    figure.supylabel("A's Elo over W (line: E, dots: W)", fontsize=8)
    return figure


def markdown(found: list[dict]) -> str:
    """A row a kind."""
    head = ("kind", "openings, plies", "strength: A's Elo over W, 95% interval", "falls to W at")
    lines = []
    for one in found:
        elos = "; ".join(
            f"{x:g}: {value:+.0f} [{low:.0f}, {high:.0f}]"
            for x, (value, low, high) in zip(one["axis"], one["elo"], strict=True)
        )
        kind, sizes = f"`{one['kind']}` (`{one['strength']}`)", (one["openings"], one["max_plies"])
        lines.append((kind, "{}, {}".format(*sizes), elos, one["falls_to_w"]))
    return doc_pages.table(head, lines)


def main(args: Strength) -> None:
    """Plays kind by kind, keeping and drawing what was found so far."""
    path = args.out / "curves.json"
    args.out.mkdir(parents=True, exist_ok=True)
    curves = store.read_json(path) if path.exists() else []
    found = {one["kind"]: one for one in curves}
    with display.bar("Kinds") as bar:
        for done, kind in enumerate(args.kinds):
            told = lambda _, i=done, k=kind: bar.update(i, len(args.kinds), k)  # noqa: E731
            found[kind] = curve(args, kind, told)
            curves = [found[name] for name in KINDS if name in found]
            store.write_json(path, curves)
            figures.save(args.out / "curves.png", draw(curves))
    print(markdown(curves))


if __name__ == "__main__":
    console.guarded(lambda: main(tyro.cli(Strength, description=__doc__)))
