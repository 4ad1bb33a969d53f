"""`sandwich-jax train-saboteur`: a saboteur in a folder of its own, resumable.

The folder gets the bank of positions, the engine's labels, checkpoints, and the network.
"""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from sandwich_jax import games
from sandwich_jax.outside import engine_saboteurs, players, store
from sandwich_jax.outside.engines import EngineConfig, Pool
from sandwich_jax.training import bank as banks
from sandwich_jax.training import corpus as corpora
from sandwich_jax.training import saboteur
from sandwich_jax.training.bank import Bank
from sandwich_jax.training.saboteur import SaboteurConfig
from sandwich_jax.types import SettingError

MOST_PLIES = 120
"""Positions come from no later in a game."""
PIECE = 500
"""Positions labelled between two writes."""

Told = Callable[[float, float, str], None]


@dataclasses.dataclass(frozen=True)
class Material:
    """Static: whom a saboteur is trained against, and on what."""

    expert: str = "zoo:expert"
    weak: str = "zoo:weak"
    positions: int = 6400
    """Games of the corpus of which one position each is taken."""
    nodes: int = 3000
    """Of the engine, for all moves of a position together; 0: no engine, E's values alone."""

    def __post_init__(self) -> None:
        """Raises SettingError for a setting out of range."""
        if self.positions < 1 or self.nodes < 0:
            raise SettingError("positions must be at least 1, nodes at least 0.")


def train_in(
    out: pathlib.Path,
    corpus: pathlib.Path,
    material: Material,
    config: SaboteurConfig,
    engine: EngineConfig,
    told: Told = lambda done, total, text: None,
) -> list[dict[str, float]]:
    """Trains a saboteur in `out`, or goes on with what an earlier call left there.

    Args:
        out: gets `bank.npz`, `harm.npz`, `checkpoints/`, and at the end the network.
        corpus: a corpus file; its training games are used, the first ones.
        material: positions and models.
        config: static settings of the training.
        engine: which engine labels moves.
        told: progress of each stage.

    Returns:
        What each round of this call reported.

    Raises:
        SettingError: another configuration in `out`, an unusable corpus, or no engine.
        EngineFault: the engine failed too often; what was labelled is kept.
    """
    _claim(out, material, config)
    net, expert, _ = players.load_pair(material.expert, material.weak, "chess", "tiny")
    game = games.make("chess")
    bank = _bank(out / "bank.npz", corpus, material, told)
    harm = None
    if material.nodes:
        harm = labelled(out / "harm.npz", bank, material.nodes, engine, told)
    rows: list[dict[str, float]] = []

    def report(found: saboteur.Report) -> None:
        rows.append(found._asdict())
        text = f"reward {found.reward:+.3f}, divergence {found.divergence:.2f}"
        text += f", detected by W {found.weak:+.3f}, by E {found.seen:+.3f} nats"
        told(found.round, config.rounds, text)

    saver = store.Checkpoints(out / "checkpoints")
    data = saboteur.tables(bank, harm, config)
    params = saboteur.train(game, net, expert, data, config, saver, report)
    made = store.manifest({})
    about = {"role": "saboteur", "parameters": net.num_params, **dataclasses.asdict(material)}
    about |= {"training": dataclasses.asdict(config), "bank": len(bank.labels)}
    about |= {key: made[key] for key in ("versions", "device", "cpus", "commit")}
    store.save_network(out, store.NetworkCard("chess", net.config, about), params)
    return rows


def _claim(out: pathlib.Path, material: Material, config: SaboteurConfig) -> None:
    """Marks `out` as this configuration's, or says that it is another's."""
    path = out / "saboteur.json"
    wanted = {"material": dataclasses.asdict(material), "config": dataclasses.asdict(config)}
    if path.exists():
        if store.read_json(path) != wanted:
            raise SettingError(
                f"{out} holds a saboteur of another configuration; choose another --out."
            )
        return
    if out.exists() and any(out.iterdir()):
        raise SettingError(f"{out} is not empty and holds no saboteur; choose another --out.")
    store.write_json(path, wanted)


def _bank(path: pathlib.Path, corpus: pathlib.Path, material: Material, told: Told) -> Bank:
    if path.exists():
        return banks.load(path)
    data = corpora.load(corpus)
    rows = np.flatnonzero(~data.test)[: material.positions]
    if len(rows) < material.positions:
        raise SettingError(
            f"positions is {material.positions}, but {corpus} has {len(rows)} training games."
        )
    made = of_games(data, rows, material, told)
    banks.save(path, made)
    return made


def of_games(
    data: corpora.Corpus, rows: np.ndarray, material: Material, told: Told, seed: int = 0
) -> Bank:
    """The bank of one position a game of a corpus, drawn uniformly."""
    net, expert, weak = players.load_pair(material.expert, material.weak, "chess", "tiny")
    lines = banks.sampled_lines(data.moves, data.starts, rows, seed, MOST_PLIES)

    def tell(done: int, total: int) -> None:
        told(done, total, "positions before E and W")

    return banks.build(games.make("chess"), net, (expert, weak), lines, tell)


def labelled(
    path: pathlib.Path, bank: Bank, nodes: int, engine: EngineConfig, told: Told
) -> Float[np.ndarray, "N M"]:
    """Win probability that every move loses by the engine; what `path` has is not asked again."""
    harm = np.full(bank.labels.shape, np.nan, np.float32)
    done = 0
    if path.exists():
        with np.load(path) as found:
            kept = found["harm"]
        done = len(kept)
        harm[:done] = kept
    if done == len(harm):
        return harm
    boards = engine_saboteurs.boards_of(bank.line)
    with Pool(engine) as pool:
        for start in range(done, len(harm), PIECE):
            part = slice(start, start + PIECE)
            each = engine_saboteurs.all_moves(pool, boards[part], nodes)
            harm[part] = engine_saboteurs.losses(boards[part], bank.labels[part], each)
            _write(path, harm[: start + PIECE])
            told(min(start + PIECE, len(harm)), len(harm), "positions before the engine")
    return harm


def _write(path: pathlib.Path, harm: np.ndarray) -> None:
    temporary = path.with_name(f".{path.name}.tmp.npz")
    np.savez_compressed(temporary, harm=harm)
    temporary.replace(path)
