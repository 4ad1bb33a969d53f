"""A sweep's file: what is read of it, and the one sentence for what is not."""

import pathlib

import pytest
from hostile.common import call

from sandwich_jax import grid, sweep_file
from sandwich_jax.config import Config
from sandwich_jax.running import sweep_toml
from sandwich_jax.types import SettingError

START = 'misalignment = "random_move"\np = [0.0, 0.5]\nrounds = 1\n'
FINE = ", ".join(str(i / 1000) for i in range(1000))
RANGE_OF_SEEDS = "it must be between -2,147,483,648 and 4,294,967,295"
HOW_MANY = "give how many, at least 1, or a list of them"


def _written(text: str | bytes, place: pathlib.Path) -> pathlib.Path:
    path = place / "grid.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize(
    ("text", "strengths", "seeds"),
    [
        (START, {0.0, 0.5}, {0}),
        (b"\xef\xbb\xbf" + START.encode(), {0.0, 0.5}, {0}),
        (START.replace("\n", "\r\n"), {0.0, 0.5}, {0}),
        (START.replace("[0.0, 0.5]", "[0, 1]"), {0.0, 1.0}, {0}),
        (START.replace("[0.0, 0.5]", "0.5"), {0.5}, {0}),
        (START.replace("[0.0, 0.5]", "[-0.0, 0.5]"), {0.0, 0.5}, {0}),
        (START + "seeds = [-5]", {0.0, 0.5}, {-5}),
        (START + "seeds = 3", {0.0, 0.5}, {0, 1, 2}),
        (START + "seeds = [4294967295]", {0.0, 0.5}, {4294967295}),
    ],
    ids=["plain", "byte order mark", "crlf", "whole", "one", "minus 0", "negative", "many", "far"],
)
def test_files_that_are_read(text, strengths, seeds, tmp_path):
    parts = grid.parse(sweep_toml.read(_written(text, tmp_path)))
    asking = [part for part in parts if part.config.protocol != "never_ask"]
    assert {part.config.p for part in asking} == {(p,) for p in strengths}
    assert {part.config.seed for part in parts} == seeds
    assert len(parts) == (len(strengths) + 1) * len(seeds)
    assert all(str(value) in ("0.0", "0.5", "1.0") for p in asking for value in p.config.p)


REFUSED = {
    "the same twice": (START + "rounds = 2\n", "not TOML"),
    "nothing": ("", "Misalignment 'random_move' needs p: a list of strengths"),
    "latin-1": (START.encode() + b'expert = "ckpt:\xe9"\n', "grid.toml"),
    "a table": ("[run]\n" + START, "Unknown setting 'run': did you mean"),
    "a list of tables": ("[[runs]]\n" + START, "Unknown setting 'runs'"),
    "a table of seeds": (START + "[seeds]\na = 1\n", "seeds is {'a': 1}: give how many"),
    "a dash": (START + 'noise-loss = "symmetric"\n', "'noise-loss': did you mean noise_loss?"),
    "a name of two lines": (START + '"a\\nb" = 1\n', "Unknown setting 'a"),
    "a number as a text": (START.replace("[0.0, 0.5]", '"0.5"'), "p is '0.5': it must be of type"),
    "a text among numbers": (START.replace("0.5", '"0.5"'), "p is '0.5': it must be of type float"),
    "a list in a list": (START.replace("[0.0, 0.5]", "[[0.0]]"), "p is [0.0]: it must be of type"),
    "a date": (START.replace("0.5", "2024-01-01"), "p is 2024-01-01: it must be of type float"),
    "a bool": (START.replace("0.5", "true"), "p is True: it must be of type float"),
    "a table for a number": (START.replace("[0.0, 0.5]", "{a = 1}"), "p is {'a': 1}: it must be"),
    "no values": (START.replace("0.0, 0.5", ""), "p is []: give at least one value"),
    "nan": (START.replace("0.5", "nan"), "p is nan: it must be between 0 and 1"),
    "inf": ('misalignment = "policy_noise"\nsigma = [inf]', "sigma is inf: it must be between"),
    "negative": (START.replace("0.5", "-0.1"), "p is -0.1: it must be between 0 and 1"),
    "beyond floats": (START.replace("0.5", "1" + "0" * 400), "p is inf: it must be between"),
    "a float for a whole": (START.replace("= 1", "= 1.0"), "rounds is 1.0: it must be of type int"),
    "a list of rounds": (START.replace("= 1", "= [1, 2]"), "rounds is a list, but only network"),
    "no rounds": (START.replace("= 1", "= -1"), "rounds is -1: it must be at least 1"),
    "rounds for ever": (START.replace("= 1", "= 99999999999999999999"),
                        "rounds is 99999999999999999999: it must be between 1 and 1,000,000"),
    "digits beyond all": (START.replace("= 1", "= 0x1" + "0" * 5000),
                          "rounds is a number of thousands of digits: it must be between 1 and"),
    "games beyond memory": (START + "games = 1_000_000_000\n", "games is 1000000000: with"),
    "samples beyond memory": (START + 'protocol = "majority"\nsamples = 1_000_000\n',
                              "samples is 1000000: it must be between 1 and 10,000"),
    "odd games": (START + "games = 3\n", "games makes 3 games, which 64 lanes do not divide"),
    "another kind": (START.replace("random_", "Random_"), "Unknown misalignment 'Random_move'"),
    "a value twice": (START.replace("0.0, 0.5", "0.5, 0.50"), "p has 0.5 more than once"),
    "a value twice in 32 bits": (START.replace("0.0, 0.5", "0.5, 0.5000000001"),
                                 "p has 0.5000000001 more than once: give each value once"),
    "a word twice": (START + 'schedule = ["always", " always+always"]\n', "schedule has ' always+"),
    "a network twice": ('misalignment = "borrow"\np = [0.5]\n'
                        'saboteur = ["subtle_loser", "zoo:subtle_loser"]\n', "more than once"),
    "controls as a text": (START + 'controls = "random"\n',
                           "controls is 'random': it must be a list of names"),
    "controls as a number": (START + "controls = 3\n", "controls is 3: it must be a list of names"),
    "an unknown control": (START + 'controls = ["nope"]\n', "Unknown control 'nope': choose"),
    "controls in a list": (START + 'controls = [["random"]]\n', "controls is ['random']: it must"),
    "controls twice": (START + 'controls = ["random", "random"]\n', "controls has 'random' more"),
    "controls without an A": ('protocol = "never_ask"\ncontrols = ["ceiling"]\n',
                              "Protocol 'never_ask' never asks: controls ceiling need one"),
    "benign without noise": (START + 'controls = ["benign"]\n', "a sweep needs benign_sigma"),
    "noise as a text": (START + 'controls = ["benign"]\nbenign_sigma = ["a"]\n',
                        "benign_sigma is 'a': it must be of type float"),
    "noise as a number": (START + "benign_sigma = 0.5\n",
                          "benign_sigma is 0.5: it must be a list of numbers"),
    "noise below 0": (START + 'controls = ["benign"]\nbenign_sigma = [-1]\n',
                      "benign_sigma is -1: it must be between 0 and 100"),
    "noise without benign": (START + "benign_sigma = [0.5]\n", "benign_sigma is set, but controls"),
    "seeds below 0": (START + "seeds = -1\n", f"seeds is -1: {HOW_MANY}"),
    "no seeds": (START + "seeds = 0\n", f"seeds is 0: {HOW_MANY}"),
    "an empty list of seeds": (START + "seeds = []\n", f"seeds is []: {HOW_MANY}"),
    "half a seed": (START + "seeds = 2.0\n", f"seeds is 2.0: {HOW_MANY}"),
    "true seeds": (START + "seeds = true\n", f"seeds is True: {HOW_MANY}"),
    "seeds as a text": (START + 'seeds = "0,1"\n', f"seeds is '0,1': {HOW_MANY}"),
    "a seed as a text": (START + 'seeds = ["0"]\n', "seeds is '0': it must be of type int"),
    "a seed beyond 64 bits": (START + "seeds = [99999999999999999999]\n",
                              f"seeds is 99999999999999999999: {RANGE_OF_SEEDS}"),
    "a seed beyond 32 bits": (START + "seeds = [4294967296]\n",  # to JAX that is seed 0
                              f"seeds is 4294967296: {RANGE_OF_SEEDS}"),
    "a seed below 32 bits": (START + "seeds = [-2147483649]\n", RANGE_OF_SEEDS),
    "a seed twice": (START + "seeds = [1, 1]\n", "seeds has 1 more than once"),
    "one key by two seeds": (START + "seeds = [-5, 4294967291]\n", "seeds has 4294967291 more"),
    "millions of seeds": (START + "seeds = 50_000_000\n",
                          "seeds (50,000,000 values), p (2 values) would make a grid of 100,000,000"
                          " members: it may have at most 10,000"),
    "seeds beyond 64 bits": (START + "seeds = 10_000_000_000_000_000_000_000\n",
                             "more than 1,000,000,000,000,000 members: it may have at most 10,000"),
    "a product too large": (START.replace("0.0, 0.5", FINE) + "seeds = 1000\n",
                            "would make a grid of 1,000,000 members: it may have at most 10,000"),
    "a product of kinds": (
        START + f"protocol = {['prior_gate', 'value_gate']}\ntau = [{FINE}]\ndelta = [{FINE}]\n"
        "seeds = 10\n", "would make a grid of 40,000 members"),
    "noise for millions": (START + 'controls = ["benign"]\nseeds = 1000\n'
                           f"benign_sigma = [{FINE}]\n", "would make a grid of 2,000,000 members"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_files_that_are_refused_in_one_sentence_and_before_a_grid_is_built(
    case, tmp_path, monkeypatch
):
    text, says = REFUSED[case]
    path, out = _written(text, tmp_path), tmp_path / "out"
    built, make = [], Config.__init__

    def counted(self, **settings):
        built.append(settings)
        make(self, **settings)

    monkeypatch.setattr(Config, "__init__", counted)
    done = call("sweep", path, "--out", out, "--wandb", "disabled")
    assert len(built) < 100
    (line,) = done.err.strip().splitlines()
    assert done.status == 2 and says in line and line.startswith("sandwich-jax: "), line
    assert not out.exists()


def test_utf_16_is_read_or_named(tmp_path):
    path = _written(START.encode("utf-16"), tmp_path)
    try:
        assert len(grid.parse(sweep_toml.read(path))) == 3
    except SettingError as error:
        assert str(path) in str(error)


def test_a_grid_is_counted_by_what_makes_a_difference():
    """Axes of one kind are none of another, and W that never asks has none of A."""
    settings = {"protocol": ["prior_gate", "value_gate", "never_ask"], "seeds": 2, "p": [0.1, 0.2],
                "tau": [0.1, 0.2, 0.3], "delta": [0.0, 0.1]}  # fmt: skip
    chosen = sweep_file.choices(sweep_file.read(settings))
    assert [set(one.axes) for one in chosen] == [
        {"p", "tau", "seeds"}, {"p", "delta", "seeds"}, {"seeds"}
    ]  # fmt: skip
    assert len(grid.parse(settings)) == 2 * (2 * 3 + 2 * 2 + 1)


def test_a_grid_of_the_size_allowed_is_planned():
    parts = grid.parse({"p": [0.5], "seeds": 500, "control": False})
    assert len({part.id for part in parts}) == 500
