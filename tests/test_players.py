"""Players by their spelling."""

import dataclasses
import random

import chess
import jax
import numpy as np
import pytest

from sandwich_jax import games, nets
from sandwich_jax.config import Config
from sandwich_jax.folders import store
from sandwich_jax.players import board_player, seats, spelled
from sandwich_jax.types import SettingError


def _boards(count: int) -> list[chess.Board]:
    rng, boards = random.Random(0), []
    while len(boards) < count:
        board = chess.Board()
        for _ in range(rng.randrange(80)):
            if board.is_game_over():
                break
            board.push(rng.choice(list(board.legal_moves)))
        if not board.is_game_over():
            boards.append(board)
    return boards


@pytest.mark.parametrize("spec", ["zoo:expert", "zoo:weak", "fresh:3", "random"])
def test_best_moves_are_legal(spec):
    boards = _boards(9)
    moves = board_player.load(spec).best_moves(boards)
    assert all(b.is_legal(m) for b, m in zip(boards, moves, strict=True))


def test_a_batch_gives_the_moves_of_boards_one_by_one():
    boards, player = _boards(5), board_player.load("zoo:expert")
    assert player.best_moves(boards) == [player.best_moves([board])[0] for board in boards]


def test_the_expert_takes_back():
    board = chess.Board()
    for san in ["e4", "e5", "Nf3", "Nc6", "Bb5", "a6", "Bxc6"]:
        board.push_san(san)
    (move,) = board_player.load("zoo:expert").best_moves([board])
    assert board.san(move) in ("dxc6", "bxc6")


def test_a_finished_game_has_no_best_move():
    board = chess.Board("rnb1kbnr/pppp1ppp/8/4p3/6Pq/5P2/PPPPP2P/RNBQKBNR w KQkq - 1 3")
    with pytest.raises(ValueError, match="no legal move"):
        board_player.load("random").best_moves([board])


def test_stored_networks_are_checked(tmp_path):
    loaded = spelled.load_network("fresh:0")
    card = store.NetworkCard("chess", loaded.net.config, {})
    store.save_network(tmp_path, card, loaded.params)
    again = spelled.load_network(f"ckpt:{tmp_path}")
    np.testing.assert_array_equal(again.params["stem"]["bias"], loaded.params["stem"]["bias"])
    other = dataclasses.replace(loaded.net.config, width=16)
    store.write_json(
        tmp_path / "network.json", dataclasses.asdict(store.NetworkCard("chess", other, {}))
    )
    with pytest.raises(SettingError, match="another architecture"):
        spelled.load_network(f"ckpt:{tmp_path}")
    store.write_json(tmp_path / "network.json", dataclasses.asdict(card))
    whole = (tmp_path / "params.npz").read_bytes()
    for cut in (0, 100, len(whole) // 2):
        (tmp_path / "params.npz").write_bytes(whole[:cut])
        with pytest.raises(SettingError, match="missing or damaged"):
            spelled.load_network(f"ckpt:{tmp_path}")
    (tmp_path / "network.json").write_text("{}")
    with pytest.raises(SettingError, match="does not describe a network"):
        spelled.load_network(f"ckpt:{tmp_path}")


def test_that_e_and_w_differ_in_architecture_is_told(tmp_path):
    net = nets.make(nets.NetConfig(width=16, blocks=1), games.make("chess").heads)
    params = net.init(jax.random.key(0))
    store.save_network(tmp_path, store.NetworkCard("chess", net.config, {}), params)
    config = Config(expert="zoo:expert", weak=f"ckpt:{tmp_path}")
    models = spelled.load_models(config)
    assert models.weak.net == net != models.expert.net
    assert "may lack the capacity" in spelled.of_other_capacity(config, models)
    same = dataclasses.replace(config, weak="zoo:weak")
    assert not spelled.of_other_capacity(same, spelled.load_models(same))


@pytest.mark.parametrize(
    "spec",
    [
        *("", "zoo", "zoo:", "expert", "ckpt:", "fresh:x", "fresh:²", "fresh:٣", "fresh:-1"),
        *("fresh: 1", "fresh:1e3", "Random", "random ", "ZOO:weak", "zoo:../zoo/weak", "zoo:a\nb"),
        *("ckpt:a\nb", "ckpt:a\0b", "²", "stockfish:nodes=²", "stockfish:nodes=٣"),
        *("stockfish:nodes=" + "9" * 5000, "stockfish:nodes=1,q=٣", "assisted:,", "assisted:x"),
    ],
)
def test_unknown_spellings(spec):
    with pytest.raises(SettingError, match=r"^(Unknown player|No network) '.*") as error:
        seats.load(spec)
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("fresh:4294967296", "seed must be between 0 and 4294967295"),
        ("fresh:" + "9" * 5000, "seed must be between 0 and 4294967295"),
        ("ckpt:" + "a" * 300, "no network there"),
        ("stockfish:nodes=9007199254740993", "between 1 and 9007199254740992"),
        ("assisted:zoo:weak,zoo:expert,p=0.5,p=0.6", "p is there twice"),
        ("assisted:zoo:weak,zoo:expert,every=" + "9" * 5000, "must be a number"),
        ("assisted:random,zoo:expert", "Unknown player 'random': spell a network"),
    ],
)
def test_spellings_that_cannot_be_used(spec, says):
    with pytest.raises(SettingError, match=says) as error:
        seats.load(spec)
    assert len(str(error.value).splitlines()) == 1
