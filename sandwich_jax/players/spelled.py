"""Networks by their spelling.

zoo:NAME    a network shipped with the package (zoo:expert, zoo:weak)
ckpt:PATH   a network stored by `sandwich-jax pretrain`, or of a run's folder
fresh:SEED  an untrained network
lc0:PATH    a network of Leela Chess Zero, such as a Maia (.pb or .pb.gz), that sees the present
            position; lc0-history:PATH sees the last eight, as lc0 itself shows them
stockfish:nodes=N  an engine in the place of a network: its best move after N nodes, and the value
            of its score

Where any player will do, `board_player`, `seats` and `matches` know more spellings.
"""

from __future__ import annotations

import pathlib
import re

import jax

from sandwich_jax import games, nets
from sandwich_jax.config import CHESS, Config, protocol_of
from sandwich_jax.controls import BENIGN
from sandwich_jax.engines import engine_network, fens
from sandwich_jax.folders import store
from sandwich_jax.misalign import transforms
from sandwich_jax.models import Model, Models
from sandwich_jax.nets import lc0
from sandwich_jax.nets.transformer import TextConfig
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
    "a network zoo:NAME, ckpt:PATH, fresh:SEED, lc0:PATH or lc0-history:PATH; where any player will"
    " do, random or"
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
    if spec.partition(":")[0] in (*LC0, engine_players.KIND):
        return _of_chess(spec, game_name)
    game, folder = games.make(game_name), folder_of(spec)
    if folder is not None:
        return stored(folder, game, spec)
    net = nets.make(size, game.heads)
    return Model(net, net.init(jax.random.key(int(spec.partition(":")[2]))))


LC0 = ("lc0", "lc0-history")


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


def folder_of(spec: str) -> pathlib.Path | None:
    """Where the network that `spec` names is stored; None where it is in no folder.

    Raises:
        SettingError: `spec` names no network.
    """
    kind, _, rest = spec.partition(":")
    if kind in (*LC0, engine_players.KIND):
        return None
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
    parts = [part.removeprefix("assisted:") for spec in specs for part in spec.split(",")]
    pairs = [part.partition(":")[::2] for part in parts]
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
    if models.weak.net.by_moves:
        raise SettingError(f"weak is {config.weak}: an engine cannot be trained; choose a network.")
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
    if "logits" in protocol_of(config).wants:
        raise SettingError(
            f"{who}: protocol {config.protocol} needs their probabilities; choose one that asks"
            " for moves or values."
        )


def of_other_capacity(config: Config, models: Models) -> str:
    """A sentence where W has not the architecture of E; nothing where it has."""
    expert, weak = models.expert.net, models.weak.net
    if expert.config == weak.config or expert.by_moves:
        return ""
    return (
        f"E ({config.expert}) has {expert.num_params:,} parameters and W ({config.weak})"
        f" {weak.num_params:,}, in another architecture: W may lack the capacity to become E."
    )
