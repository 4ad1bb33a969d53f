"""Puts W' of a run into the zoo, with a card that says how far it came.

    sandwich-jax run --game connect_four --p 0 --no-control --rounds 4 --games 12288 \
        --updates 6000 --window 4 --protocol only_listen --objective distil_policy \
        --out runs/recovered
    python experiments/make_recovered.py runs/recovered --member "only_listen E" --name recovered

A folder that `scripts/on_accelerator.py train` left serves as well:

    python experiments/make_recovered.py out --member "only_listen random_move p=0.5" \
        --name recovered_p50 --out sandwich_jax/training/zoo --openings 500

Of Connect Four the card also tells what a perfect solver says of W' (bitbully, AGPL-3, which you
install by yourself). Anybody can then repeat the match:

    sandwich-jax match zoo:recovered zoo:expert --game connect_four --openings 376
"""

import dataclasses
import pathlib
import sys
from collections.abc import Mapping
from typing import Annotated, Any, NamedTuple

import tyro

from sandwich_jax.machine import console

console.start()  # before the imports below, which put arrays on a device

from sandwich_jax import grid
from sandwich_jax.evaluation import solver
from sandwich_jax.folders import log, places, store
from sandwich_jax.players import matches, spelled
from sandwich_jax.players.settings import MatchConfig
from sandwich_jax.report import doc_pages
from sandwich_jax.types import Params, SettingError

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))

from scripts.accelerator import train

TOLD = ("protocol", "listens", "pool", "objective", "misalignment", "rounds", "games", "max_plies",
        "updates", "batch", "window", "learning_rate", "temperature", "expert", "weak",
        "seed")  # fmt: skip
MADE = ("versions", "device", "commit")


@dataclasses.dataclass(frozen=True)
class Config:
    """Settings."""

    run: Annotated[pathlib.Path, tyro.conf.Positional]
    """Its folder."""
    member: str
    """Whose W' it is, as in rows."""
    name: str
    """In the zoo."""
    out: pathlib.Path = pathlib.Path("sandwich_jax/training/zoo/connect_four")
    positions: int = 1000
    openings: int = 376
    seed: int = 0
    """Of a sweep on a bare machine."""
    sweep: pathlib.Path | None = None
    """The file of that sweep, if it had one."""


class Taught(NamedTuple):
    """W' and what made it."""

    network: store.NetworkCard
    params: Params
    settings: Mapping[str, Any]
    rows: list[dict[str, Any]]
    """Of all rounds."""
    made: Mapping[str, Any]
    """Versions, device and commit, as far as they are known."""


def of_run(config: Config) -> Taught:
    """Of a run's folder."""
    manifest = store.read_json(config.run / "manifest.json")
    place = config.run / "networks" / places.slug(config.member)
    model = spelled.load_network(f"ckpt:{place}", manifest["config"]["game"])
    rows = [r for r in log.read_rows(config.run / "rows.jsonl") if r["member"] == config.member]
    made = {name: manifest[name] for name in MADE if name in manifest}
    return Taught(store.read_card(place), model.params, manifest["config"], rows, made)


def of_device(config: Config) -> Taught:
    """Of what a training on a bare machine left, which began with networks of the zoo.

    Raises:
        SettingError: the member is not among those stored.
    """
    every = log.read_rows(config.run / "rows.jsonl")
    machine = next(row for row in every if row["stage"] == "machine")
    own = [r for r in every if r.get("member") == config.member and r["seed"] == config.seed]
    parts = [
        part
        for part in grid.parse(train.plan_of(config.sweep, toy=False).sweep)
        if part.config.seed == config.seed
    ]
    found = [part for part in parts if part.member.name == config.member]
    if not own or not found:
        names = ", ".join(part.member.name for part in parts)
        raise SettingError(f"no member {config.member!r} of seed {config.seed}; there are {names}.")
    (part,) = found
    weak = spelled.load_network("zoo:weak", part.config.game)
    params = next(
        params
        for path in sorted(config.run.glob("students-*.npz"))
        if (params := train.student(path, part.id, weak.params)) is not None
    )
    card = store.NetworkCard(part.config.game, weak.net.config, {})
    made = {"versions": machine["versions"], "device": machine["device"]}
    return Taught(card, params, part.config.plain() | {"rounds": own[-1]["round"]}, own, made)


def main(config: Config) -> None:
    """Measures W' and stores it."""
    of = of_run if (config.run / "manifest.json").exists() else of_device
    card, params, settings, rows, made = of(config)
    game, row = settings["game"], rows[-1]
    place = config.out / config.name
    store.save_network(place, card, params)
    spec, strength = f"ckpt:{place}", {}
    asked = MatchConfig(openings=config.openings, game=game)
    for role in ("expert", "weak"):
        with matches.Hall((spec, settings[role]), asked) as hall:
            found = matches.match_row(hall, spec, settings[role])
        against = {"expert": "E", "weak": "W"}[role]
        strength[f"score against {against}"] = round(found["score"], 4)
        strength[f"Elo over {against}"] = doc_pages.interval(found, "elo", "+.0f")
    about = {
        "role": config.name,
        "p": row["p"],
        **{name: settings[name] for name in TOLD if name in settings},
        "advised moves": sum(one.get("queries") or 0 for one in rows),
        "Elo gain": doc_pages.interval(row, "elo_gain", "+.0f"),
        "PGR": doc_pages.interval(row, "pgr", ".2f"),
        "strength": strength | {"games a match": 2 * config.openings},
        **made,
    }
    if game == "connect_four":
        model = spelled.load_network(spec, game)
        about["perfect play"] = solver.on_card(model, solver.sets(config.positions, 0))
    print(about)
    store.save_network(place, dataclasses.replace(card, about=about), params)


if __name__ == "__main__":
    console.guarded(lambda: main(tyro.cli(Config, description=__doc__)))
