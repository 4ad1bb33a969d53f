"""Settings of a run: what is refused, by `run` as by `sweep`, and what numbers are called."""

import dataclasses
import itertools

import member_folders
import numpy as np
import pytest
from helpers import SMALL, small
from hostile.common import call

from sandwich_jax import given, grid, uses
from sandwich_jax.config import default_of
from sandwich_jax.folders import log, places
from sandwich_jax.members import Config, changed, members_of, program_of, strength_names
from sandwich_jax.players import assisted
from sandwich_jax.types import SettingError

IDLE = [name for name in sorted(uses.conditional()) if name != "p"]
"""p has a default for random_move, which is no mistake anywhere."""


def _without_use(name: str) -> dict:
    """Kinds that have no use of a setting that is given; of one that every A has: no A."""
    _, config = member_folders.pair(name)
    value = getattr(config, name)
    if value == default_of(name):
        value = getattr(member_folders.pair(name)[0], name)
    corpus = {"objective": "own_corpus", "corpus": "games.npz"}
    for way in ({}, {"protocol": "never_ask"}, {"objective": "ppo"}, corpus):
        choice = uses.choice_of(dataclasses.replace(Config(), **way))
        if name in uses.idle(choice):
            return way | {name: value}
    return {"misalignment": "bias_check", "beta": (1.0,), name: value}


@pytest.mark.parametrize("name", IDLE)
def test_a_setting_without_use_is_refused_by_run_as_by_sweep(name):
    settings = {name: (1.0,)} if name == "benign_sigma" else _without_use(name)
    says = "but objective 'ppo' has no" if name == "noise_loss" else f"{name} is set, but "
    with pytest.raises(SettingError, match=says) as by_run:
        Config(**settings)
    told = {n: list(v) if isinstance(v, tuple) else v for n, v in settings.items()}
    strengths = {} if "misalignment" in settings else {"p": [0.5]}
    with pytest.raises(SettingError, match=says) as by_sweep:
        grid.parse(strengths | told)
    assert name == "noise_loss" or str(by_run.value) == str(by_sweep.value)


@pytest.mark.parametrize(
    ("misalignment", "strength"),
    [("policy_noise", "sigma"), ("bias_check", "beta"), ("random_move+value_noise", "value_sigma")],
)
def test_a_misalignment_needs_its_strength(misalignment, strength):
    says = f"Misalignment '.*' needs {strength}: "
    with pytest.raises(SettingError, match=says):
        Config(misalignment=misalignment)
    with pytest.raises(SettingError, match=says):
        grid.parse({"misalignment": misalignment, "p": [0.5]})
    given_ = {strength: (0.0,)}  # an honest A that is asked for in so many words
    assert Config(misalignment=misalignment, **given_)


def test_the_command_refuses_as_the_sweep_does(tmp_path):
    out = tmp_path / "out"
    for arguments, says in (
        (("--misalignment", "policy_noise"), "needs sigma: give at least one value"),
        (("--nth", "3"), "nth is set, but schedule 'always' has no use of it: it is for every_nth"),
        (("--protocol", "only_listen", "--pool", "medoid"), "pool is set, but no objective here"),
        (("--clip", "0.1"), "clip is set, but objective 'imitate' has no use of it: it is for ppo"),
        (("--p", "0.5", "0.5"), "p has 0.5 more than once: give each value once"),
        (("--misalignment", "policy_noise", "--sigma", "1", "--p", "0.3"), "p is set, but"),
        (("--protocol", "never_ask", "--every", "2"), "'never_ask' never asks A"),
        (("--protocol", "never_ask", "--p", "0.3"), "p is set, but protocol 'never_ask' never"),
        (("--network", "base"), "network is set, but no network is fresh:SEED"),
        (("--seed", "99999999999999999999"), "seed is 99999999999999999999: it must be between"),
    ):
        done = call("run", "--out", out, *arguments)
        assert done.status == 2 and says in done.err, done
        assert len(done.err.strip().splitlines()) == 1 and not out.exists()


def test_numbers_that_would_be_one_member_are_refused():
    for name, way in (
        ("nth", {"schedule": "every_nth"}),
        ("budget", {"protocol": "ask_when_unsure"}),
    ):
        with pytest.raises(SettingError, match=f"{name} is 2.5: it must be a whole number"):
            Config(**way | {name: 2.5})


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"p": 0.5}, "p is 0.5: it must be a list of numbers"),
        ({"p": "0.5"}, "p is '0.5': it must be a list of numbers"),
        ({"p": ("a",)}, "p is 'a': it must be of type float"),
        ({"controls": "random"}, "controls is 'random': it must be a list of names"),
        ({"controls": 3}, "controls is 3: it must be a list of names"),
        ({"controls": ("random", "random")}, "controls has 'random' more than once"),
        ({"rounds": 2.0}, "rounds is 2.0: it must be of type int"),
        ({"rounds": True}, "rounds is True: it must be of type int"),
        ({"rounds": 10**20}, "rounds is 100000000000000000000: it must be between 1 and 1,000,000"),
        (
            {"seed": 2**32},
            "seed is 4294967296: it must be between -2,147,483,648 and",
        ),
        ({"expert": None}, "expert is None: it must be of type str"),
        ({"kl": float("nan")}, "kl is nan: it must be between 0 and 1000"),
        ({"objective": "hope\nand pray"}, r"Unknown objective 'hope\\nand pray'"),
        ({"controls": ("benign",), "benign_sigma": (np.nan,)}, "benign_sigma is nan: it must be"),
        ({"game": "tic_tac_toe", "controls": ("nope",)}, "Unknown control 'nope'"),
    ],
)
def test_settings_of_another_type_or_range_are_one_sentence(settings, says):
    with pytest.raises(SettingError, match=says) as caught:
        Config(**settings)
    assert len(str(caught.value).splitlines()) == 1


def test_settings_may_be_lists_and_numbers_of_numpy():
    config = Config(p=[np.float32(0.5), 1], seed=np.int64(3), rounds=np.int32(2), kl=1)  # pyright: ignore
    assert config == Config(p=(0.5, 1.0), seed=3, rounds=2, kl=1.0)
    assert {type(x) for x in (*config.p, config.kl)} == {float} and type(config.seed) is int
    assert hash(config) == hash(Config(p=(0.5, 1.0), seed=3, rounds=2, kl=1.0))


def test_what_is_idle_for_a_control_is_as_by_default_in_its_program():
    settings = {"protocol": "prior_gate", "tau": 0.2, "schedule": "every_nth", "nth": 3.0}
    config = small(**settings, lasts="game", every=2, controls=("random", "expert_labels"))
    programs = {m.role or m.name: program_of(config, m) for m in members_of(config)}
    for role, program in programs.items():
        choice = uses.choice_of(program)
        for name in uses.idle(choice) - set(strength_names()):
            assert getattr(program, name) == default_of(name), (role, name)
    never, random = programs["never_ask"], programs["random"]
    assert (never.tau, never.nth, never.every, never.lasts) == (0.05, 2.0, 1, "query")
    assert (random.tau, random.nth, random.every) == (0.2, 2.0, 2)


def test_w_that_never_asks_is_compared_by_its_protocol_s_name_alone():
    one = changed(Config(p=(0.5,)), {"protocol": "never_ask"})
    assert [m.name for m in members_of(one)] == ["never_ask"]


def test_settings_without_use_leave_members_of_a_sweep_as_they_are():
    plain = {"protocol": ["always_follow", "prior_gate"], "p": [0.5]}
    ids = {part.id for part in grid.parse(plain)}
    assert ids < {part.id for part in grid.parse(plain | {"tau": [0.05, 0.1]})}
    mixed = {"misalignment": ["random_move", "borrow"], "saboteur": "subtle_loser", "p": [0.5]}
    assert ids & {part.id for part in grid.parse(mixed)}
    lasting = {"misalignment": ["random_move", "bias_check"], "beta": [1.0], "p": [0.5]}
    parts = grid.parse(lasting | {"lasts": ["query", "game"], "control": False})
    assert len(parts) == 3  # a leaning draws nothing, so it lasts as long as it lasts


def test_an_assistant_at_the_board_is_honest_until_its_strengths_are_set():
    assert assisted.parse("assisted:fresh:1,fresh:2,policy_noise").sigma == (0.0,)
    assert assisted.parse("assisted:fresh:1,fresh:2,policy_noise,sigma=2").sigma == (2.0,)
    with pytest.raises(SettingError, match="nth is set, but schedule 'always'"):
        assisted.parse("assisted:fresh:1,fresh:2,p=0.5,nth=3")


# --- names --------------------------------------------------------------------------------------


def test_numbers_are_called_by_as_many_digits_as_they_need():
    assert [given.exact(x) for x in (0.5, 2.0, 1e-5, 100.0)] == ["0.5", "2", "1e-05", "100"]
    near = (0.12345671, 0.12345672)
    members = members_of(small(p=near))
    assert len({m.name for m in members}) == len({m.assistant for m in members[:2]}) + 1 == 3


def _long_pair() -> list[grid.Part]:
    """Two members whose names have 200 letters in common."""
    kind = "+".join(["random_move", "value_noise", "policy_noise", "temperature"] * 4)
    given_ = {"p": [0.5], "value_sigma": [0.5], "sigma": [0.5], "heat": [0.25, 0.75]}
    parts = grid.parse({"misalignment": kind, "control": False} | given_)
    names = [part.member.name for part in parts]
    assert len(parts) == 2 and sum(1 for _ in itertools.takewhile(
        lambda pair: pair[0] == pair[1], zip(*names, strict=True))) > 200  # fmt: skip
    return list(parts)


def test_long_names_keep_what_tells_them_apart():
    parts = _long_pair()
    identifiers = {log._identifier("sweep", part.id) for part in parts}
    assert len(identifiers) == 2 and max(map(len, identifiers)) <= 128
    assert len({log._identifier("f" * 300, part.id) for part in parts}) == 2
    for cut in (lambda part: part.id, lambda part: places.slug(part.member.name)):
        names = {cut(part) for part in parts}
        assert len(names) == 2 and max(map(len, names)) < 240
    assert log._identifier("sweep", "a b") == "sweep-a-b" and places.slug("p=0.5") == "p-0.5"


def test_members_with_long_names_have_runs_of_their_own(tmp_path, monkeypatch):
    opened: list[dict] = []

    class Opened:
        def log(self, row, step):
            pass

        def finish(self):
            pass

    monkeypatch.setattr(log.wandb, "init", lambda **about: opened.append(about) or Opened())
    logged = log.WandbRuns(tmp_path / "sweep", "offline")
    for part in _long_pair():
        logged.log(part.id, {}, {"round": 1})
    logged.close()
    assert len({about["id"] for about in opened}) == 2


def test_a_member_with_a_long_name_can_be_stored(tmp_path):
    (part, _) = _long_pair()
    for name in (part.id, f"round-0000001-{places.slug(part.member.name)}.pgn.tmp"):
        (tmp_path / f".{name}").touch()
    assert SMALL["games"] == 16
