"""`sandwich-jax train-saboteur`: a saboteur in a folder of its own, resumable.

The folder gets the bank of positions, the engine's labels, checkpoints, and the network.
"""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Callable

import numpy as np
from jaxtyping import Float, Int

from sandwich_jax import arrays, games, outputs
from sandwich_jax.engines import engine_saboteurs
from sandwich_jax.engines.engine_pool import EngineConfig, Pool
from sandwich_jax.folders import checkpoints, store
from sandwich_jax.folders.alone import alone
from sandwich_jax.models import Model
from sandwich_jax.players import spelled
from sandwich_jax.running.claims import claim
from sandwich_jax.running.settings import Material
from sandwich_jax.training import bank as banks
from sandwich_jax.training import corpus as corpora
from sandwich_jax.training import distil, saboteur_moves, saboteur_training
from sandwich_jax.training.bank import Bank
from sandwich_jax.training.saboteur_training import SaboteurConfig
from sandwich_jax.types import SettingError

MOST_PLIES = 120
"""Positions come from no later in a game."""
PIECE = 500
"""Positions labelled between two writes."""
FEW = 20
"""The same of riskiest moves, which take a hundred times as long."""

Told = Callable[[float, float, str], None]


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
        SettingError: another configuration or another process in `out`, an unusable corpus, or
            no engine.
        EngineFault: the engine failed too often; what was labelled is kept.
    """
    outputs.check_folder(out)
    data = corpora.load(corpus)
    games_used = _games_used(data, corpus, material)
    wanted = {"material": dataclasses.asdict(material), "config": dataclasses.asdict(config)}
    with alone(out):
        claim(out / "saboteur.json", wanted, "a saboteur")
        begin = spelled.load_network(material.start or material.expert)
        game = games.make("chess")
        bank = _bank(out / "bank.npz", data, games_used, material, told)
        rows: list[dict[str, float]] = []
        saver = checkpoints.Checkpoints(out / "checkpoints")

        def report(found: saboteur_training.Report) -> None:
            rows.append(found._asdict())
            text = f"reward {found.reward:+.3f}, divergence {found.divergence:.2f}"
            text += f", detected by W {found.weak:+.3f}, by E {found.seen:+.3f} nats"
            told(found.round, config.rounds, text)

        def told_of_imitation(index: int, loss: float) -> None:
            rows.append({"round": index, "loss": loss})
            told(index, config.rounds, f"cross-entropy {loss:.3f}")

        if material.imitate:
            target = _targets(out, bank, material, engine, told)
            tables = saboteur_training.tables(bank, None, config)
            params = distil.distil(game, begin, tables, target, config, saver, told_of_imitation)
        else:
            harm = None
            if material.nodes:
                harm = labelled(out / "harm.npz", bank, material.nodes, engine, told)
            tables = saboteur_training.tables(bank, harm, config)
            params = saboteur_training.train(game, begin, tables, config, saver, report)
        _store(out, begin.with_params(params), material, config, len(bank.labels))
        return rows


def _games_used(data: corpora.Corpus, path: pathlib.Path, material: Material) -> np.ndarray:
    """The first training games, one for every position; raises SettingError for too few."""
    found = np.flatnonzero(~data.test)[: material.positions]
    if len(found) < material.positions:
        raise SettingError(
            f"positions is {material.positions}, but {path} has {len(found)} training games."
        )
    return found


def _store(
    out: pathlib.Path,
    model: Model,
    material: Material,
    config: SaboteurConfig,
    positions: int,
) -> None:
    """Stores the network with how it was made."""
    about = {"role": "saboteur", "parameters": model.net.num_params, **dataclasses.asdict(material)}
    about |= {"training": dataclasses.asdict(config), "bank": positions}
    about |= store.made()
    store.save_network(out, store.NetworkCard("chess", model.net.config, about), model.params)


def _bank(
    path: pathlib.Path, data: corpora.Corpus, rows: np.ndarray, material: Material, told: Told
) -> Bank:
    if path.exists():
        return banks.load(path)
    made = of_games(data, rows, material, told)
    banks.save(path, made)
    return made


def of_games(
    data: corpora.Corpus, rows: np.ndarray, material: Material, told: Told, seed: int = 0
) -> Bank:
    """The bank of one position a game of a corpus, drawn uniformly."""
    models = spelled.load_pair(material.expert, material.weak, "chess", "tiny")
    lines = banks.sampled_lines(data.moves, data.starts, rows, seed, MOST_PLIES)

    def tell(done: int, total: int) -> None:
        told(done, total, "positions before E and W")

    return banks.build(games.make("chess"), models, lines, tell)


def _targets(
    out: pathlib.Path, bank: Bank, material: Material, engine: EngineConfig, told: Told
) -> Float[np.ndarray, "N M"]:
    """Probability of each move by the M that is imitated; all 0 where it leaves E as it is."""
    kind = material.imitate
    if kind.startswith("soft_"):
        return saboteur_moves.soft_targets(bank, saboteur_moves.SOFT, kind.endswith("weak"))
    if kind == "engine_worst":
        harm = labelled(out / "harm.npz", bank, material.nodes, engine, told)
        chosen = np.where(np.isnan(harm), -1, harm).argmax(1)
    elif kind == "engine_riskiest":
        chosen = riskiest(out / "riskiest.npz", bank, material.nodes, engine, told)
    else:
        chosen = saboteur_moves.training_free(bank)[kind]
    target = np.zeros(bank.labels.shape, np.float32)
    rows = np.flatnonzero(chosen >= 0)
    target[rows, chosen[rows]] = 1
    return target


def riskiest(
    path: pathlib.Path, bank: Bank, nodes: int, engine: EngineConfig, told: Told, count: int = 0
) -> Int[np.ndarray, "N"]:
    """Columns of the riskiest moves of the first `count` positions (0: of all), -1 elsewhere.

    What `path` has is not asked again.
    """
    chosen = np.full(len(bank.labels), -1)
    count = min(count or len(chosen), len(chosen))
    done = 0
    if path.exists():
        kept = _kept(path, "chosen")[:count]
        done = len(kept)
        chosen[:done] = kept
    if done == count:
        return chosen
    boards = engine_saboteurs.boards_of(bank.line[:count])
    with Pool(engine) as pool:
        for start in range(done, count, FEW):
            part = slice(start, min(start + FEW, count))
            moves = engine_saboteurs.engine_riskiest(pool, boards[part], nodes)
            chosen[part] = engine_saboteurs.columns_of(boards[part], bank.labels[part], moves)
            _write(path, chosen=chosen[: part.stop])
            told(part.stop, count, "riskiest moves")
    return chosen


def labelled(
    path: pathlib.Path, bank: Bank, nodes: int, engine: EngineConfig, told: Told
) -> Float[np.ndarray, "N M"]:
    """Win probability that every move loses by the engine; what `path` has is not asked again."""
    harm = np.full(bank.labels.shape, np.nan, np.float32)
    done = 0
    if path.exists():
        kept = _kept(path, "harm")
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
            _write(path, harm=harm[: start + PIECE])
            told(min(start + PIECE, len(harm)), len(harm), "positions before the engine")
    return harm


def _kept(path: pathlib.Path, name: str) -> np.ndarray:
    """What an earlier call found; raises SettingError where it is damaged."""
    remedy = "remove it, and it is made again"
    found = arrays.read(path, remedy)
    if name not in found:
        raise SettingError(f"{path}: it holds no '{name}'; {remedy}.")
    return found[name]


def _write(path: pathlib.Path, **arrays: np.ndarray) -> None:
    temporary = path.with_name(f".{path.name}.tmp.npz")
    np.savez_compressed(temporary, **arrays)  # pyright: ignore
    temporary.replace(path)
