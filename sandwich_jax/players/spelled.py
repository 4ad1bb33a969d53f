"""Networks by their spelling.

zoo:NAME    a network shipped with the package (zoo:expert, zoo:weak), of the game that is played
ckpt:PATH   a network stored by `sandwich-jax pretrain`, or of a run's folder
fresh:SEED  an untrained network
lc0:PATH    a network of Leela Chess Zero, such as a Maia (.pb or .pb.gz), that sees the present
            position; lc0-history:PATH sees the last eight, as lc0 itself shows them
stockfish:nodes=N  an engine in the place of a network: its best move after N nodes, and the value
            of its score
search:SPEC,simulations=N  a tree search by one of these networks, which looks at N positions
            (32 if nothing is said): the policy and the value that it comes to
mean:SPEC+SPEC  what several networks agree on: the mean of their logits, and of their values

Where any player will do, `board_player`, `seats` and `matches` know more spellings.
"""

from __future__ import annotations

import pathlib
import re
from collections.abc import Iterable
from typing import Any

import jax

from sandwich_jax import games, nets, search
from sandwich_jax.config import CHESS, Config, protocol_of
from sandwich_jax.controls import BENIGN
from sandwich_jax.engines import engine_network, fens
from sandwich_jax.folders import store
from sandwich_jax.kinds import book
from sandwich_jax.misalign import transforms
from sandwich_jax.models import Model, Models, game_of
from sandwich_jax.nets import lc0, mean
from sandwich_jax.nets.transformer import TextConfig
from sandwich_jax.players import engine_players
from sandwich_jax.types import SettingError

ZOO = pathlib.Path(__file__).parents[1] / "training" / "zoo"
MOST_SEED = 2**32 - 1
"""Of fresh networks."""
REMEDY = (
    ": take fresh:SEED, which is untrained, or train one by self-play (sandwich-jax train-alphazero"
    " --game {game} --out FOLDER) and take ckpt:FOLDER"
)
"""Where a network of a game is to come from that the zoo has none of."""
SPELLINGS = (
    "a network zoo:NAME, ckpt:PATH, fresh:SEED, lc0:PATH or lc0-history:PATH, or a search by one,"
    " search:SPEC,simulations=N, or a mean of networks, mean:SPEC+SPEC; where any player will do,"
    " random or"
    f" {engine_players.SPELLINGS} as well"
)


def load_network(spec: str, game_name: str = "chess", size: str = "tiny") -> Model:
    """The network that `spec` names.

    Args:
        spec: see above.
        game_name: the game it must be for.
        size: of a fresh network.

    Raises:
        SettingError: `spec` names no network, or one of another game or architecture.
    """
    kind = spec.partition(":")[0]
    if kind == SEARCH:
        inner, simulations = searched(spec)
        thinker = load_network(inner, game_name, size)
        game = game_of(game_name, [thinker])
        return Model(search.network(thinker.net, game, simulations), thinker.params)
    if kind == MEAN:
        models = [load_network(part, game_name, size) for part in parts_of(spec)]
        net = mean.network(tuple(model.net for model in models))
        return Model(net, tuple(model.params for model in models))
    if kind in (*LC0, engine_players.KIND):
        return _of_chess(spec, game_name)
    game, folder = games.make(game_name), folder_of(spec, game_name)
    if folder is not None:
        return stored(folder, game, spec)
    net = nets.make(size, game.heads)
    return Model(net, net.init(jax.random.key(int(spec.partition(":")[2]))))


LC0 = ("lc0", "lc0-history")
SEARCH = "search"
MEAN = "mean"
_NEXT = re.compile(r"\+(?=[a-z0-9-]+:)")
"""Between networks of a mean; a path may have a + of its own."""
SIMULATIONS = 32
"""Of a search that says nothing of them."""


def searched(spec: str) -> tuple[str, int]:
    """The network that a search is spelled by, and its simulations.

    Raises:
        SettingError: it is no such spelling.
    """
    inner, given, number = spec.removeprefix(f"{SEARCH}:").partition(",simulations=")
    if inner.startswith(f"{SEARCH}:") or (given and not re.fullmatch("[0-9]{1,9}", number)):
        raise SettingError(
            f"Unknown player {fens.shown(spec)}: spell a search by a network"
            " search:SPEC,simulations=N."
        )
    return inner, int(number) if given else SIMULATIONS


def parts_of(spec: str) -> list[str]:
    """The networks that a search or a mean is made of; else `spec` alone.

    Raises:
        SettingError: it is a search that cannot be.
    """
    kind, _, rest = spec.partition(":")
    if kind == SEARCH:
        return parts_of(searched(spec)[0])
    return _NEXT.split(rest) if kind == MEAN else [spec]


def _of_chess(spec: str, game_name: str) -> Model:
    """A network of Leela Chess Zero, or an engine.

    Raises:
        SettingError: it cannot be read or started, or another game is wanted.
    """
    if game_name != "chess":
        raise SettingError(f"{fens.shown(spec)} plays chess, but {game_name} is wanted.")
    kind, _, rest = spec.partition(":")
    if kind in LC0:
        if not (rest and rest.isprintable()):
            raise SettingError(f"Unknown player {fens.shown(spec)}: spell {SPELLINGS}.")
        return Model(*lc0.load(pathlib.Path(rest), history=kind == "lc0-history"))
    asked = engine_players.parse(spec)
    if asked.q != 1 or asked.strength.elo is not None:
        raise SettingError(
            f"{fens.shown(spec)} errs at random: in the place of a network spell an engine"
            " stockfish:nodes=N, and let a misalignment err."
        )
    return engine_network.model(engine_network.EngineNet(asked.strength.nodes))


def folder_of(spec: str, game_name: str = "chess") -> pathlib.Path | None:
    """Where the network that `spec` names is stored; None where it is in no folder.

    Args:
        spec: see above; of a search, its network. A mean is in no folder: see `parts_of`.
        game_name: the game whose zoo is meant.

    Raises:
        SettingError: `spec` names no network.
    """
    kind, _, rest = spec.partition(":")
    if kind == SEARCH:
        return folder_of(searched(spec)[0], game_name)
    if kind in (*LC0, MEAN, engine_players.KIND):
        return None
    if kind == "fresh" and re.fullmatch("[0-9]+", rest):
        if len(rest) > 10 or int(rest) > MOST_SEED:
            raise SettingError(f"{fens.shown(spec)}: a seed must be between 0 and {MOST_SEED}.")
        return None
    if kind == "zoo":
        zoo = ZOO if game_name in CHESS else ZOO / game_name
        names = sorted(path.parent.name for path in zoo.glob("*/network.json"))
        if rest not in names:
            of = "" if game_name in CHESS else f" of {game_name}"
            known = f"it has {', '.join(names)}" if names else "it has none"
            remedy = "" if game_name in CHESS else REMEDY.format(game=game_name)
            raise SettingError(f"No network {fens.shown(rest)} in the zoo{of}: {known}{remedy}.")
        return zoo / rest
    if kind == "ckpt" and rest and rest.isprintable():
        return pathlib.Path(rest)
    raise SettingError(f"Unknown player {fens.shown(spec)}: spell {SPELLINGS}.")


def inputs_of(*specs: str) -> list[pathlib.Path]:
    """The files that players are read from, also those of W with an assistant."""
    parts = [part.removeprefix("assisted:") for spec in specs for part in spec.split(",")]
    pairs = [one.partition(":")[::2] for part in parts for one in parts_of(part)]
    folders = [pathlib.Path(rest) for kind, rest in pairs if kind == "ckpt"]
    files = [pathlib.Path(rest) for kind, rest in pairs if kind in LC0]
    return files + [folder / name for folder in folders for name in ("network.json", "params.npz")]


def stored(folder: pathlib.Path, game: games.Game, spec: str = "") -> Model:
    """The network in `folder`, which must be for `game`; `spec` is what it was asked for by.

    Raises:
        SettingError: it is not, or it is damaged.
    """
    card = store.read_card(folder)
    if isinstance(card.network, TextConfig):
        raise SettingError(f"{spec or folder} is a network of text, and plays no {game.name}.")
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


def check(config: Config, models: Models) -> None:
    """Raises SettingError where a network cannot do what a run wants of it."""
    if not models.weak.net.learns:
        net = models.weak.net
        what = "an engine" if net.by_moves else "a mean" if net.of_several else "a search"
        raise SettingError(f"weak is {config.weak}: {what} cannot be trained; choose a network.")
    together(models.all)
    if not models.expert.net.by_moves:
        return
    who = f"E is {config.expert}, which says one move and nothing of the others"
    kinds = [*transforms.parse(config.misalignment)]
    kinds += [BENIGN["misalignment"]] if "benign" in config.controls else []
    for name in kinds:
        if transforms.TRANSFORMS[name].reads_policy:
            known = (n for n, kind in transforms.TRANSFORMS.items() if not kind.reads_policy)
            raise SettingError(
                f"{who}: misalignment {name} needs their probabilities; choose one of"
                f" {', '.join(known)}."
            )
    if "logits" in book().named("objective", config.objective).wants:
        raise SettingError(f"{who}: objective {config.objective} learns their probabilities.")
    if "logits" in protocol_of(config).wants:
        raise SettingError(
            f"{who}: protocol {config.protocol} needs their probabilities; choose one that asks"
            " for moves or values."
        )


def together(models: Iterable[Model]) -> None:
    """Raises SettingError where a search cannot play the game that others look back on."""
    found = tuple(models)
    back = any(model.net.looks_back for model in found)
    if any(model.net.sees is not None and model.net.looks_back != back for model in found):
        raise SettingError(
            "A search beside networks that look back over the game (lc0-history) must be by one of"
            " them: search:lc0-history:PATH."
        )


def of_other_capacity(config: Config, models: Models) -> str:
    """A sentence where W has not the architecture of E; nothing where it has."""
    expert, weak = models.expert.net, models.weak.net
    if expert.by_moves or all(one == weak.config for one in _architectures(expert.config)):
        return ""
    return (
        f"E ({config.expert}) has {expert.num_params:,} parameters and W ({config.weak})"
        f" {weak.num_params:,}, in another architecture: W may lack the capacity to become E."
    )


def _architectures(config: Any) -> list[Any]:
    """Of the networks behind a search or a mean."""
    if isinstance(config, search.SearchConfig):
        return _architectures(config.network)
    return list(config.networks) if isinstance(config, mean.MeanConfig) else [config]
