"""An engine in the place of E: what it is asked, how often, and what cannot be done with it."""

import os
import re
import signal
import sqlite3
import subprocess
import sys
import time

import chess
import fake_engine
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sandwich_jax
from sandwich_jax import board, games
from sandwich_jax.config import Config
from sandwich_jax.engines import analyses, engine_network, processes
from sandwich_jax.engines.engine_network import Asked, EngineNet, boards_of
from sandwich_jax.engines.engine_pool import EngineConfig, Pool
from sandwich_jax.folders import log, places, rollouts
from sandwich_jax.players import board_player, spelled
from sandwich_jax.running import run_folder
from sandwich_jax.training.corpus import label_of
from sandwich_jax.types import SettingError

CHESS = games.make("chess")
FENS = [
    chess.STARTING_FEN,
    "r3k2r/pppq1ppp/2npbn2/2b1p3/2B1P3/2NPBN2/PPPQ1PPP/R3K2R b Kq - 4 9",
    "rnbqkbnr/ppp1p1pp/8/3pPp2/8/8/PPPP1PPP/RNBQKBNR w KQkq f6 0 3",
    "8/2P5/8/8/8/7k/8/4K3 w - - 11 60",
    "rnbqkbnr/pppp1ppp/8/4p3/3P4/8/PPP1PPPP/RNBQKBNR b KQkq - 0 2",
]


@pytest.fixture
def fake(tmp_path, monkeypatch):
    """The engine is `fake_engine`, and nothing is known of it; gives the file of its answers."""
    monkeypatch.setenv(processes.VARIABLE, fake_engine.make(tmp_path))
    monkeypatch.setattr(analyses, "default_path", lambda: tmp_path / "answers.sqlite")
    engine_network.model.cache_clear()
    yield tmp_path / "answers.sqlite"
    engine_network.model.cache_clear()


def _first(position: chess.Board) -> int:
    """What the fake engine plays."""
    legal = sorted(position.legal_moves, key=lambda move: move.promotion is None)
    return label_of(legal[0], position.turn)


def test_boards_are_those_that_were_encoded():
    wanted = [chess.Board(fen) for fen in FENS]
    codes = np.stack([board_player.encode(position) for position in wanted])
    for found, position in zip(boards_of(codes), wanted, strict=True):
        assert found.epd() == position.epd() and found.is_valid()
        assert found.halfmove_clock == position.halfmove_clock


def test_its_move_is_certain_and_its_value_that_of_its_score(fake):
    model = spelled.load_network("stockfish:nodes=10")
    state = board.from_fen(FENS)
    outputs = jax.jit(lambda s: model.at(CHESS, s))(state)
    assert outputs.logits.argmax(-1).tolist() == [_first(chess.Board(fen)) for fen in FENS]
    assert (np.sort(outputs.logits)[:, -2] < -1e8).all()
    np.testing.assert_allclose(outputs.value, 2 / (1 + np.exp(-0.00368208 * 42)) - 1, atol=1e-6)


def test_only_what_is_wanted_is_asked_and_nothing_twice(fake):
    asked = Asked(EngineNet(10), fake)
    codes = np.stack([board_player.encode(chess.Board(fen)) for fen in FENS])
    shown = codes * (np.arange(len(codes)) < 3)[:, None].astype(np.uint32)
    labels, values = asked.of(shown[None])
    assert labels.shape == values.shape == (1, len(FENS)) and asked.answers.asked == 3
    asked.of(np.concatenate([codes, codes]))
    assert asked.answers.asked == len(FENS)
    again = Asked(EngineNet(10), fake)  # as after a kill
    assert again.of(codes)[0].tolist()[:3] == labels[0, :3].tolist()
    assert again.answers.asked == 0
    other = Asked(EngineNet(11), fake)
    other.of(codes[:1])
    assert other.answers.asked == 1


def test_memory_has_an_end_and_the_file_answers_what_is_forgotten(fake, monkeypatch):
    monkeypatch.setattr(engine_network, "MOST_KNOWN", 3)
    asked = Asked(EngineNet(10), fake)
    codes = np.stack([board_player.encode(chess.Board(fen)) for fen in FENS])
    first = [found.tolist() for found in asked.of(codes)]
    for part in (codes[:2], codes[2:], codes):
        asked.of(part)
        assert len(asked.known) <= 3
    assert [found.tolist() for found in asked.of(codes)] == first
    assert asked.answers.asked == len(FENS)


def test_mapped_over_members_it_answers_each(fake):
    model = spelled.load_network("stockfish:nodes=10")
    state = board.from_fen(FENS[:4])
    codes = CHESS.encode(state).reshape(2, 2, -1)
    together = jax.jit(jax.vmap(lambda x: model.of_encoded(CHESS, x).logits.argmax(-1)))(codes)
    assert together.reshape(-1).tolist() == [_first(chess.Board(fen)) for fen in FENS[:4]]


def test_games_that_are_over_are_judged_by_the_rules(fake):
    asked = Asked(EngineNet(10), fake)
    over = ["rnb1kbnr/pppp1ppp/8/4p3/6Pq/5P2/PPPPP2P/RNBQKBNR w KQkq - 1 3", "7k/5K2/6Q1/8/8/8/8/8 b - - 0 1"]  # fmt: skip  # noqa: E501
    _, values = asked.of(np.stack([board_player.encode(chess.Board(fen)) for fen in over]))
    assert values.tolist() == [-1.0, 0.0] and asked.answers.asked == 0


TINY = dict(
    expert="stockfish:nodes=10", weak="fresh:2", network="nano", rounds=1, games=8, lanes=8,
    max_plies=4, updates=1, batch=8, arena_max_plies=2, round_openings=4, final_openings=4,
    control=False,
)  # fmt: skip


def test_a_run_follows_the_engine_and_when_it_is_killed_asks_nothing_twice(tmp_path):
    """Only what the engine was thinking about when the run was killed is asked again."""
    fake, cache = fake_engine.make(tmp_path), tmp_path / "cache"
    compiled = {"JAX_COMPILATION_CACHE_DIR": str(jax.config.jax_compilation_cache_dir)}  # pyright: ignore
    environment = os.environ | compiled | {processes.VARIABLE: fake, "XDG_CACHE_HOME": str(cache)}
    command = [sys.executable, "-m", "sandwich_jax.cli", "run", "--out", str(tmp_path / "run")]
    command += ["--wandb", "disabled", "--no-control", "--p", "0", "1"]
    for name, value in TINY.items():
        command += [f"--{name}", str(value)] if name != "control" else []
    asked = tmp_path / "asked"
    with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) as process:
        while process.poll() is None and (not asked.exists() or asked.read_text().count("\n") < 8):
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL and fake_engine.die_out(tmp_path)
    before = asked.read_text().splitlines()
    (path,) = cache.rglob("*.sqlite")
    query = "select position from choices"
    kept = {position for (position,) in sqlite3.connect(path).execute(query)}
    assert len(kept) >= len(before) - Pool(EngineConfig(fake)).size > 0
    subprocess.run(command, env=environment, check=True, capture_output=True)
    after = asked.read_text().splitlines()[len(before) :]
    assert after and not kept & set(after) and len(set(after)) == len(after)
    rows = log.read_rows(tmp_path / "run" / "rows.jsonl")
    assert [row["corrupted"] for row in rows] == [0.0, 1.0]
    _, rollout, truth = rollouts.load(places.games_file(tmp_path / "run", "always_follow E"))
    turns = np.asarray(rollout.assisted)
    assert turns.any() and (np.asarray(rollout.moves) == np.asarray(truth.honest))[turns].all()


def test_progress_tells_how_long_the_engine_took(fake):
    told: list[str] = []
    work = run_folder.Work(2.0, lambda done, total, text: told.append(text))
    work.step(1.0, "a round")
    asked = Asked(EngineNet(10), fake)
    asked.of(np.stack([board_player.encode(chess.Board(fen)) for fen in FENS]))
    work.step(1.0, "a round")
    assert told[0] == "a round" and re.fullmatch(r"a round \| engine \d+%", told[1])


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        (
            {"misalignment": "policy_noise", "sigma": (1.0,)},
            "misalignment policy_noise needs their probabilities",
        ),
        ({"protocol": "product"}, "protocol product needs their probabilities"),
        ({"objective": "distil_policy"}, "objective distil_policy learns their probabilities"),
        ({"weak": "stockfish:nodes=10", "network": "tiny"}, "an engine cannot be trained"),
        ({"expert": "stockfish:nodes=10,q=0.5"}, "errs at random"),
        ({"game": "tic_tac_toe"}, "plays chess, but tic_tac_toe is wanted"),
    ],
)
def test_what_an_engine_cannot_do_is_one_sentence(fake, tmp_path, settings, says):
    with pytest.raises(SettingError, match=says):
        sandwich_jax.run(Config(**(TINY | settings)), tmp_path / "run", wandb="disabled")
    assert not (tmp_path / "run").exists()


def test_there_is_no_layer_to_look_into(fake):
    model = spelled.load_network("stockfish:nodes=10")
    with pytest.raises(SettingError, match="no layers"):
        model.net.inspect((), jnp.zeros((1, 9), jnp.uint32))
