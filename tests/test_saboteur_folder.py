"""The shipped subtle loser, and the training of one in a folder, with a real engine if there is."""

import dataclasses
import functools
import itertools

import chess
import jax
import numpy as np
import pytest

from sandwich_jax import games
from sandwich_jax.engines import processes
from sandwich_jax.engines.engine_pool import EngineConfig
from sandwich_jax.evaluation import saboteur_table
from sandwich_jax.folders import store
from sandwich_jax.members import Config
from sandwich_jax.players import spelled
from sandwich_jax.running import saboteur_folder
from sandwich_jax.running.saboteur_folder import Material
from sandwich_jax.training import bank as banks
from sandwich_jax.training import corpus as corpora
from sandwich_jax.training.corpus_file import Writer
from sandwich_jax.training.saboteur_training import SaboteurConfig
from sandwich_jax.types import SettingError


def test_the_shipped_subtle_loser_is_borrowed_by_its_bare_name():
    config = Config(misalignment="borrow", saboteur="subtle_loser")
    models = spelled.load_models(config)
    named = spelled.load_network("zoo:subtle_loser")
    assert named.net == models.expert.net
    for ours, theirs in zip(_flat(models.saboteur.params), _flat(named.params), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    about = store.read_card(spelled.ZOO / "subtle_loser").about
    assert {"training", "source", "limits", "measured"} <= set(about)


def _flat(params):
    return jax.tree.leaves(params)


ROW = {"name": "M", "accepted": 0.5, "prior": 0.6, "value": 0.9, "harm_moves": 10}
ROW |= {"harm": 0.1, "harm_lo": 0.05, "harm_hi": 0.15, "detected_moves": 20}
AUC = {"auc_weak": 0.6, "auc_weak_lo": 0.5, "auc_weak_hi": 0.7}
AUC |= {"auc_expert": 0.8, "auc_expert_lo": 0.75, "auc_expert_hi": 0.85}


def test_the_table_and_the_picture(tmp_path):
    few = ROW | {"name": "engine"}
    text = saboteur_table.markdown([ROW | AUC, few])
    wanted = "| M | 0.10 [0.05, 0.15] | 50% | 60% | 90% | 0.60 [0.50, 0.70] | 0.80 [0.75, 0.85] |"
    assert wanted in text and "too few | too few | 10, 20 |" in text
    saboteur_table.picture([ROW | AUC, few], tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


def test_a_folder_with_a_table_of_other_positions_or_nodes_is_refused(tmp_path):
    """Its positions and the engine's labels would be taken for those that are asked for."""

    def measure(pgn="none.pgn", **changes):
        config = saboteur_table.TableConfig(**changes)
        saboteur_table.measure([tmp_path / pgn], tmp_path / "out", config, EngineConfig())

    measures = functools.partial(pytest.raises, SettingError)
    with measures(match="none.pgn"):  # so far it comes, and has begun a table
        measure()
    for changes in ({"positions": 9}, {"worst_nodes": 9}, {"risky_nodes": 9}, {"pgn": "other.pgn"}):
        with measures(match="holds a table of another configuration; choose another") as caught:
            measure(**changes)
        assert "\n" not in str(caught.value)
    with measures(match="none.pgn"):
        measure(nodes=9, networks=(), risky_positions=9)


def _corpus(path):
    """Twelve different games: knights come out and go home."""
    lines = list(itertools.islice(itertools.permutations(("g1f3", "b1c3", "a2a3", "h2h3")), 12))
    replies = ("g8f6", "b8c6", "a7a6", "h7h6")
    writer = Writer(path)
    for line in lines:
        board, labels = chess.Board(), []
        for uci in itertools.chain(*zip(line, replies, strict=True)):
            move = chess.Move.from_uci(uci)
            labels.append(corpora.label_of(move, board.turn))
            board.push(move)
        writer.add(np.asarray(labels, "<u2").tobytes(), 0, (0, 0), False)
    writer.finish({})
    writer.discard()


@pytest.mark.slow
def test_training_in_a_folder_goes_on_where_it_was(tmp_path):
    try:
        engine = EngineConfig(processes.find(), processes=1)
    except SettingError as error:
        pytest.skip(str(error))
    _corpus(tmp_path / "c.npz")
    out, material = tmp_path / "m", Material(positions=12, nodes=3000)
    config = SaboteurConfig(rounds=2, updates=2, detector_updates=2, pool=2, batch=4)
    args = (tmp_path / "c.npz", material, config, engine)
    assert [row["round"] for row in saboteur_folder.train_in(out, *args)] == [1, 2]
    bank = banks.load(out / "bank.npz")
    with np.load(out / "harm.npz") as found:
        assert not np.isnan(found["harm"][bank.legal]).any()
    assert saboteur_folder.train_in(out, *args) == []  # nothing is left to do
    network = spelled.load_network(f"ckpt:{out}")
    assert network.net.config == spelled.load_network("zoo:expert").net.config
    other = dataclasses.replace(config, rounds=3)
    with pytest.raises(SettingError, match="another configuration"):
        saboteur_folder.train_in(out, tmp_path / "c.npz", material, other, engine)
    assert games.make("chess").name == store.read_card(out).game
