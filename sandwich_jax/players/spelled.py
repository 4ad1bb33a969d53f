"""Networks by their spelling.

zoo:NAME    a network shipped with the package (zoo:expert, zoo:weak)
ckpt:PATH   a network stored by `sandwich-jax pretrain`, or of a run's folder
fresh:SEED  an untrained network

Where any player will do, `board_player`, `seats` and `matches` know more spellings.
"""

from __future__ import annotations

import pathlib
import re

import jax

from sandwich_jax import games, nets
from sandwich_jax.config import CHESS, Config
from sandwich_jax.engines import fens
from sandwich_jax.folders import store
from sandwich_jax.models import Model, Models
from sandwich_jax.players import engine_players
from sandwich_jax.types import SettingError

ZOO = pathlib.Path(__file__).parents[1] / "training" / "zoo"
MOST_SEED = 2**32 - 1
"""Of fresh networks."""
REMEDY = (
    ": take fresh:SEED, which is untrained, or train one by self-play (sandwich-jax run"
    " --game {game} --expert fresh:1 --weak fresh:1 --protocol never_ask"
    " --objective imitate_wins --out FOLDER)"
    " and take ckpt:FOLDER/networks/never_ask"
)
"""Where a network of a game is to come from that the zoo has none of."""
SPELLINGS = (
    "a network zoo:NAME, ckpt:PATH or fresh:SEED; where any player will do, random or"
    f" {engine_players.SPELLINGS} as well"
)


def load_network(spec: str, game_name: str = "chess", size: str = "tiny") -> Model:
    """The network that `spec` names.

    Args:
        spec: zoo:NAME, ckpt:PATH or fresh:SEED.
        game_name: the game it must be for.
        size: of a fresh network.

    Raises:
        SettingError: `spec` names no network, or one of another game or architecture.
    """
    game, folder = games.make(game_name), folder_of(spec)
    if folder is not None:
        return stored(folder, game, spec)
    net = nets.make(size, game.heads)
    return Model(net, net.init(jax.random.key(int(spec.partition(":")[2]))))


def folder_of(spec: str) -> pathlib.Path | None:
    """Where the network that `spec` names is stored; None for a fresh one.

    Raises:
        SettingError: `spec` names no network.
    """
    kind, _, rest = spec.partition(":")
    if kind == "fresh" and re.fullmatch("[0-9]+", rest):
        if len(rest) > 10 or int(rest) > MOST_SEED:
            raise SettingError(f"{fens.shown(spec)}: a seed must be between 0 and {MOST_SEED}.")
        return None
    if kind == "zoo":
        names = sorted(path.parent.name for path in ZOO.glob("*/network.json"))
        if rest not in names:
            known = ", ".join(names)
            raise SettingError(f"No network {fens.shown(rest)} in the zoo: it has {known}.")
        return ZOO / rest
    if kind == "ckpt" and rest and rest.isprintable():
        return pathlib.Path(rest)
    raise SettingError(f"Unknown player {fens.shown(spec)}: spell {SPELLINGS}.")


def inputs_of(*specs: str) -> list[pathlib.Path]:
    """The files that players are read from, also those of W with an assistant."""
    folders = [
        pathlib.Path(part.removeprefix("assisted:").removeprefix("ckpt:"))
        for spec in specs
        for part in spec.split(",")
        if part.removeprefix("assisted:").startswith("ckpt:")
    ]
    return [folder / name for folder in folders for name in ("network.json", "params.npz")]


def stored(folder: pathlib.Path, game: games.Game, spec: str = "") -> Model:
    """The network in `folder`, which must be for `game`; `spec` is what it was asked for by.

    Raises:
        SettingError: it is not, or it is damaged.
    """
    card = store.read_card(folder)
    if card.game != game.name.removeprefix("pgx:"):
        remedy = "" if game.name in CHESS else REMEDY.format(game=game.name)
        raise SettingError(
            f"{spec or folder} plays {card.game}, but {game.name} is wanted{remedy}."
        )
    net = nets.make(card.network, game.heads)
    like = jax.eval_shape(net.init, jax.random.key(0))
    return Model(net, store.load_params(folder, like))


def load_pair(expert: str, weak: str, game_name: str, size: str) -> tuple[Model, Model]:
    """E and W, which may differ in architecture.

    Raises:
        SettingError: one of them cannot be loaded.
    """
    return load_network(expert, game_name, size), load_network(weak, game_name, size)


def load_models(config: Config) -> Models:
    """The networks of a run: E, W and, if there is one, M.

    Raises:
        SettingError: one of them cannot be loaded.
    """
    models = Models(*load_pair(config.expert, config.weak, config.game, config.network))
    if not config.saboteur:
        return models
    # A bare name is one of the zoo's.
    spec = config.saboteur if ":" in config.saboteur else f"zoo:{config.saboteur}"
    return models._replace(saboteur=load_network(spec, config.game, config.network))


def of_other_capacity(config: Config, models: Models) -> str:
    """A sentence where W has not the architecture of E; nothing where it has."""
    expert, weak = models.expert.net, models.weak.net
    if expert.config == weak.config:
        return ""
    return (
        f"E ({config.expert}) has {expert.num_params:,} parameters and W ({config.weak})"
        f" {weak.num_params:,}, in another architecture: W may lack the capacity to become E."
    )
