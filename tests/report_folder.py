"""Sweep folders with everything in its real place and invented figures, to report on.

python tests/report_folder.py FOLDER    # makes one of 201 members, 50 rounds; times its report
"""

import itertools
import json
import math
import os
import pathlib
import sys
import time

import chess
import numpy as np

from sandwich_jax import games
from sandwich_jax.folders import places, rollouts, store
from sandwich_jax.players import spelled
from sandwich_jax.training.corpus import label_of, move_of
from sandwich_jax.types import Rollout, Truth

STRENGTHS = {"random_move": ("p", 1.0), "policy_noise": ("sigma", 8.0)}
E_ELO = 580.0


def sweep(
    folder: pathlib.Path,
    protocols: tuple[str, ...] = ("always_follow",),
    strengths: int = 3,
    seeds: int = 1,
    rounds: int = 3,
    games: tuple[int, int] = (4, 16),
    evaluated: bool = True,
    finished: bool = True,
) -> pathlib.Path:
    """A sweep over both misalignments, and the control; rows, games, networks, evaluation.

    `games` is how many a member and round, and their plies.
    """
    store.write_json(folder / "manifest.json", {"sweep": {"rounds": rounds}, "device": "1 x cpu"})
    rollout, truth = play(*games)
    network = spelled.ZOO / "weak"
    cells, everything = [], []
    for misalignment, (knob, most) in STRENGTHS.items():
        steps = np.linspace(0, most, strengths).round(4)
        cells += [(m, knob, float(x), p) for m, x, p in
                  itertools.product([misalignment], steps, protocols)]  # fmt: skip
    cells.append(("random_move", "p", None, "never_ask"))
    for index, (misalignment, knob, x, protocol) in enumerate(cells):
        name = protocol if x is None else f"{protocol} {misalignment} {knob}={x:g}"
        about = {"member": name, "protocol": protocol, "misalignment": misalignment, "every": 1}
        about |= {"p": None, "sigma": None, "objective": "imitate", "network": "tiny"} | {knob: x}
        for seed in range(seeds):
            place = folder / "members" / f"{places.slug(name)}-seed={seed}"
            rows = [row(about, r, rounds, seed, index) for r in range(1, rounds + 1)]
            config = {"game": "chess", "expert": "zoo:expert", "weak": "zoo:weak", "seed": seed}
            store.write_json(place / "manifest.json", {"config": config | {"network": "tiny"}})
            _write_lines(place / "rows.jsonl", rows)
            path = place / "games" / f"{places.slug(name)}.npz"
            rollouts.save(path, rounds, rollout, truth)
            to = place / "networks" / places.slug(name)
            to.mkdir(parents=True)
            for file in ("network.json", "params.npz"):
                os.link(network / file, to / file)
            if evaluated:
                _write_lines(place / "evaluation.jsonl", evaluation(name, rows[-1]))
            everything += rows[-1:]
    if finished:
        store.write_json(folder / "phase.json", {"rows": everything[::seeds], "critical": []})
    return folder


def row(about: dict, round_index: int, rounds: int, seed: int, index: int) -> dict:
    """What a run writes; the figures rise with rounds and fall with the strength."""
    rng = np.random.default_rng([index, seed, round_index])
    x = about["p"] if about["p"] is not None else (about["sigma"] or 0) / 8
    control = about["protocol"] == "never_ask"
    goal = -120 if control else 450 * (1 - 1.6 * x**2) - 60 * (index % 4)
    gain = goal * (1 - math.exp(-4 * round_index / rounds)) + rng.normal(0, 12)
    a_elo = None if control else E_ELO * (1 - 2.2 * x)
    found = {"round": round_index} | about
    for name, value, half in (
        ("elo_gain", gain, 40.0), ("pgr", gain / E_ELO, 0.07), ("a_elo", a_elo, 35.0),
        ("e_elo", E_ELO, 35.0), ("gain_over_control", gain + 120, 45.0),
    ):  # fmt: skip
        ends = (None, None) if value is None else (value - half, value + half)
        found |= {name: value, f"{name}_lo": ends[0], f"{name}_hi": ends[1]}
    shares = {"asked": 1.0, "followed": 0.9 - 0.3 * x, "corrupted": x}
    shares["followed_though_corrupted"] = 0.8 - 0.5 * x if x else None
    found |= dict.fromkeys(shares) if control else shares
    return found | {"assisted_score": 0.9 - 0.7 * x, "in_regime": 0 < x < 0.4, "queries": 100,
                    "pgr_verdict": "not recovered"}  # fmt: skip


def evaluation(name: str, last: dict) -> list[dict]:
    """Rows of every measure that the report draws."""
    grid = np.linspace(0, 1, 21)
    about = {"subject": name, "settings": {}}
    found = []
    for network, score in itertools.product(("W'", "W"), ("probability", "advised")):
        curve = {"threshold": [*grid], "usefulness": [*(1 - grid)], "safety": [*np.sqrt(grid)]}
        found.append({"measure": "detection", "network": network, "score": score, "auc": 0.7}
                     | about | {"curve": curve})  # fmt: skip
    for network in ("W'", "W"):
        found.append({"measure": "calibration", "network": network, "ece": 0.05, "positions": 100}
                     | about | {"stated": [*grid[::2]], "came": [*(grid[::2] ** 2)]})  # fmt: skip
    harm = 0.1 + 0.05 * (last["p"] or 0)
    for measure, column in (("advice", "expert_harm"), ("harm", "harm")):
        ends = {f"{column}_lo": harm - 0.01, f"{column}_hi": harm + 0.01}
        found.append({"measure": measure, column: harm} | ends | about)
    for positions, player in itertools.product(("openings", "self-play"), ("W", "E", name)):
        columns = {"kl_to_start": 0.4, "kl_to_expert": 0.8, "effective_moves": 6.5}
        columns |= {"top1_with_expert": 0.5}
        found.append({"measure": "shift", "subject": positions, "settings": {}, "phase": "all",
                      "player": player} | columns)  # fmt: skip
    return found


def play(count: int, plies: int) -> tuple[Rollout, Truth]:
    """Random games of chess; the first side asks, and by turns follows and refuses good and bad."""
    rng, lines = np.random.default_rng(0), games.make("chess").openings("train")
    moves, advice = np.full((2, plies, count), -1, np.int16)
    for game in range(count):
        board = chess.Board()
        for label in lines[game]:
            board.push(move_of(int(label), board))
        for ply in range(plies):
            legal = list(board.legal_moves)
            if not legal:
                break
            move, other = (legal[i] for i in rng.integers(len(legal), size=2))
            moves[ply, game], advice[ply, game] = (label_of(m, board.turn) for m in (move, other))
            board.push(move)
    played, turn = moves >= 0, np.arange(plies)[:, None] + np.arange(count)[None]
    white_first = np.arange(count) % 2 == 0
    assisted = played & ((np.arange(plies) % 2 == 0)[:, None] == white_first[None])
    followed = assisted & (turn // 4 % 2 == 0)
    advice = np.where(followed, moves, np.where(assisted, advice, -1)).astype(np.int16)
    fields = {
        "opening": np.arange(count), "assisted_first": white_first, "moves": moves,
        "own": np.where(assisted, moves, -1),
        "played": played, "assisted": assisted, "asked": assisted, "advice": advice,
        "followed": followed, "result": np.zeros(count), "finished": np.zeros(count, bool),
    }  # fmt: skip
    blank = dict.fromkeys(set(Rollout._fields) - set(fields), np.zeros((plies, count), np.float16))
    truth = {"corrupted": assisted & (turn // 8 % 2 == 0), "honest": advice,
             "value": np.zeros((plies, count)), "adjudicated": np.ones(count)}  # fmt: skip
    return Rollout(**(blank | fields)), Truth(**truth)


def _write_lines(path: pathlib.Path, rows: list[dict]) -> None:
    store.write_text(path, "".join(json.dumps(store.to_plain(r)) + "\n" for r in rows))


def big(folder: pathlib.Path) -> pathlib.Path:
    """201 members, 50 rounds each, and games enough for 500 to be shown."""
    protocols = ("always_follow", "follow_if_agreed", "follow_above", "ask_twice")
    return sweep(folder, protocols, strengths=25, rounds=50, games=(4, 40))


if __name__ == "__main__":
    from sandwich_jax import cli
    from sandwich_jax.machine import console

    console.quiet_start()
    made = pathlib.Path(sys.argv[1])
    if not made.exists():
        big(made)
    started = time.perf_counter(), time.process_time()
    cli.main(["report", str(made)])
    wall, used = time.perf_counter() - started[0], time.process_time() - started[1]
    size = (made / "report.html").stat().st_size / 1e6
    print(f"{wall:.1f} s ({used:.1f} s of processor time), {size:.2f} MB")
