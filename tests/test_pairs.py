"""E and W of every kind that has a spelling, together in one run."""

import gzip
import itertools

import fake_engine
import jax
import numpy as np
import pytest
from lc0_writer import Writer

import sandwich_jax
from sandwich_jax import games, nets
from sandwich_jax.config import Config
from sandwich_jax.engines import analyses, engine_network, processes
from sandwich_jax.folders import log, places, rollouts, store
from sandwich_jax.nets import tower
from sandwich_jax.players import spelled

EXPERTS = ("tiny", "base", "maia", "maia with history", "engine")
WEAK = ("tiny", "base", "maia", "maia with history")
FAST = {("maia", "tiny")}
"""The others are slow: each compiles programs of its own."""
PAIRS = [
    pytest.param(*pair, marks=[] if pair in FAST else pytest.mark.slow)
    for pair in itertools.product(EXPERTS, WEAK)
]


@pytest.fixture(scope="module")
def spellings(tmp_path_factory):
    """How each kind is spelled; nothing is known of the engine's answers at first."""
    folder = tmp_path_factory.mktemp("kinds")
    maia = folder / "maia.pb.gz"
    found = {"maia": f"lc0:{maia}", "maia with history": f"lc0-history:{maia}"}
    found["engine"] = "stockfish:nodes=10"
    maia.write_bytes(gzip.compress(Writer(0).file()))
    heads = games.make("chess").heads
    for seed, name in enumerate(("tiny", "base")):
        net = nets.make(tower.SIZES[name], heads)
        card = store.NetworkCard("chess", net.config, {})
        store.save_network(folder / name, card, net.init(jax.random.key(seed)))
        found[name] = f"ckpt:{folder / name}"
    engine = tmp_path_factory.mktemp("engine")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(processes.VARIABLE, fake_engine.make(engine))
        patch.setattr(analyses, "default_path", lambda: engine / "answers.sqlite")
        engine_network.model.cache_clear()
        yield found
        engine_network.model.cache_clear()


@pytest.mark.parametrize(("expert", "weak"), PAIRS)
def test_a_run_follows_its_e_and_stores_a_w_of_its_kind(spellings, tmp_path, expert, weak):
    config = Config(
        expert=spellings[expert], weak=spellings[weak], p=(0.0,), rounds=1, games=4, lanes=4,
        max_plies=4, updates=1, batch=4, arena_max_plies=2, round_openings=2, final_openings=2,
        control=False,
    )  # fmt: skip
    folder = tmp_path / "run"
    sandwich_jax.run(config, folder, wandb="disabled")
    (row,) = log.read_rows(folder / "rows.jsonl")
    assert row["corrupted"] == 0 and row["round"] == 1
    _, rollout, truth = rollouts.load(places.games_file(folder, row["member"]))
    turns = np.asarray(rollout.assisted)
    assert turns.any() and (np.asarray(rollout.moves) == np.asarray(truth.honest))[turns].all()
    before = spelled.load_network(spellings[weak])
    after = spelled.load_network(f"ckpt:{folder / 'networks' / places.slug(row['member'])}")
    assert after.net.config == before.net.config
    moved = jax.tree.map(lambda a, b: bool((a != b).any()), after.params, before.params)
    assert any(jax.tree.leaves(moved))
