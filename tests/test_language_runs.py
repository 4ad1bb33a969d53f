"""Runs on text in their folders: controls with known answers, resuming, what is refused."""

import json
import pathlib
import shutil
import signal
import subprocess
import sys
import types
from typing import Any

import jax
import numpy as np
import pytest
from hostile.common import call

from sandwich_jax import cli, sampling
from sandwich_jax.cli import language_tune
from sandwich_jax.folders import log
from sandwich_jax.folders.alone import alone
from sandwich_jax.language import config as configs
from sandwich_jax.language import (
    grammar,
    measures,
    models,
    rounds,
    runs,
    shift,
    sweeps,
    table,
    train,
    tuning,
)
from sandwich_jax.language.config import Config
from sandwich_jax.language.judges import Judges
from sandwich_jax.language.models import Folder
from sandwich_jax.language.protocols import OWN, Chosen
from sandwich_jax.language.table import Heard
from sandwich_jax.language.tasks import tasks
from sandwich_jax.language.train_settings import TrainConfig
from sandwich_jax.language.tuning import TuneConfig
from sandwich_jax.language.writing import Sentences
from sandwich_jax.misalign import transforms
from sandwich_jax.misalign.sight import Chance, Transform, certain, coin
from sandwich_jax.oversight import protocols as of_moves
from sandwich_jax.oversight.interface import Memory
from sandwich_jax.oversight.protocols import ProtocolConfig
from sandwich_jax.types import Advice, SettingError

SMALL = {"sentences": 24, "updates": 10, "batch": 8, "measured": 48, "held_out": 20, "rounds": 2,
         "exact": False}  # fmt: skip


def _small(folder: pathlib.Path, **settings) -> Config:
    return Config(models=str(folder), **SMALL | settings)


def _run(config: Config, out: pathlib.Path, **more) -> list[dict]:
    return runs.run(config, out, wandb="disabled", **more).rows


@pytest.fixture(scope="module")
def straight(text_models, tmp_path_factory):
    """A run that nothing has stopped."""
    out = tmp_path_factory.mktemp("straight") / "run"
    config = _small(text_models, p=(0.0, 1.0), controls=("own_corpus", "expert_labels"))
    return config, out, _run(config, out)


def test_a_run_has_a_row_a_member_a_round(straight):
    _, out, rows = straight
    names = ["always_follow E", "always_follow borrow p=1", "never_ask", "own_corpus",
             "expert_labels"]  # fmt: skip
    assert [row["member"] for row in rows] == names
    stored = log.read_rows(out / "rows.jsonl")
    assert [row["member"] for row in stored] == names * 2
    honest, toxic, alone = rows[0], rows[1], rows[2]
    assert (honest["corrupted"], toxic["corrupted"]) == (0.0, 1.0)
    assert "corrupted" not in alone and alone["misalignment"] is None
    assert honest["preference"] < toxic["preference"]
    assert {path.name for path in out.iterdir()} <= set(runs.CONTENTS)
    assert len(list((out / "networks").iterdir())) == 5


def test_a_run_that_was_stopped_goes_on_bit_for_bit(straight, text_models, tmp_path):
    config, out, _ = straight

    class Stop(Exception):
        pass

    def stop() -> None:
        raise Stop

    again = tmp_path / "run"
    with pytest.raises(Stop):
        _run(config, again, pause=stop)
    assert {row["round"] for row in log.read_rows(again / "rows.jsonl")} == {1}
    rows = _run(config, again)
    whole = log.read_rows(out / "rows.jsonl")
    assert log.read_rows(again / "rows.jsonl") == whole and rows == whole[5:]
    for path in (out / "networks").iterdir():
        mine, its = (models.read(f / "networks" / path.name).params for f in (again, out))
        jax.tree.map(np.testing.assert_array_equal, mine, its)
    assert _run(config, again) == rows  # finished: nothing is played again
    # A torn checkpoint and a lost row are gone back from.
    newest = max((again / "checkpoints").glob("*.npz"))
    newest.write_bytes(newest.read_bytes()[:1000])
    (again / "learning_curves.png").unlink()
    assert _run(config, again) == rows
    assert log.read_rows(again / "rows.jsonl") == whole


@pytest.mark.slow
def test_a_run_that_was_killed_goes_on_bit_for_bit(straight, text_models, tmp_path):
    config, out, _ = straight
    again = tmp_path / "run"
    program = (
        "import os, pathlib, signal\n"
        "from sandwich_jax.language import config, runs\n"
        f"found = config.Config(**{vars(config)!r})\n"
        f"out = pathlib.Path({str(again)!r})\n"
        "kill = lambda: os.kill(os.getpid(), signal.SIGKILL)\n"
        "runs.run(found, out, wandb='disabled', pause=kill)\n"
    )
    killed = subprocess.run([sys.executable, "-c", program], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert {row["round"] for row in log.read_rows(again / "rows.jsonl")} == {1}
    _run(config, again)
    assert log.read_rows(again / "rows.jsonl") == log.read_rows(out / "rows.jsonl")


def test_w_that_writes_nothing_stays_w(straight, text_models, tmp_path):
    config = _small(text_models, protocol="write_nothing", p=(0.5,), control=False, rounds=1)
    (row,) = _run(config, tmp_path / "run")
    assert row["written"] == 0 and row["loss"] is None
    for name in ("toxicity", "preference", "normal_bits"):
        assert row[name] == pytest.approx(row[f"w_{name}"])
    assert row["pgr_bits"] == 0


def test_the_oracle_writes_no_corrupt_sentence_and_gates_have_an_auc(text_models, tmp_path):
    own = {"p": (0.5,), "control": False, "rounds": 1}
    (oracle,) = _run(_small(text_models, protocol="oracle_gate", **own), tmp_path / "a")
    assert oracle["written_corrupted"] == 0 and 0 < oracle["followed"] < 1
    assert oracle["followed"] == pytest.approx(1 - oracle["corrupted"]) and oracle["trust_auc"] == 1
    (gate,) = _run(_small(text_models, protocol="contrast_gate", **own), tmp_path / "b")
    assert gate["followed"] == 0.5 and gate["trust_auc"] > 0.5


def test_exact_figures_of_the_world_are_those_of_samples(text_models):
    folder = Folder(text_models)
    model = folder.model("B")
    ruler = measures.ruler(folder, model, 20, 48, 0)
    assert ruler.world is not None
    rude, outside = measures.exactly(model, ruler.world)
    found = measures.samples(model, jax.random.key(3), 2048).texts
    index, world = grammar.world().index(), grammar.world()
    inside = [index[text] for text in found if text in index]
    for exact, share in (
        (rude, sum(world.rude[i] for i in inside) / 2048),
        (1 - outside, len(inside) / 2048),
    ):
        assert abs(exact - share) < 4 * np.sqrt(max(exact * (1 - exact), 1e-3) / 2048)


def test_bits_of_the_world_are_above_its_entropy(text_models):
    folder = Folder(text_models)
    model = folder.model("E")
    world = grammar.world()
    text = measures.held_out(model, world.sentences)
    cross = float(world.normal @ measures.bits(model, text)) * np.log(2)
    assert cross > grammar.entropy("normal")
    assert cross < np.log(model.net.config.vocabulary) * 14  # it has learnt something


def test_of_several_answers_the_first_is_the_advice():
    tokens = np.asarray([[[1], [2], [3], [4], [5]], [[9], [2], [8], [7], [6]]])
    corrupted = np.asarray([[True, True, False, False, True], [False, True, True, False, True]])
    heard = Heard(Sentences(tokens, np.ones((2, 5))), corrupted)  # pyright: ignore
    # Another, another that says the same, the first, another, its own.
    found = rounds._shown(heard, Chosen(np.asarray([1, 1, 0, 1, OWN])))
    assert found["corrupted"] == 3 / 5 and found["followed"] == 2 / 5
    assert found["followed_though_corrupted"] == 1 / 3
    assert found["refused_though_good"] == 1 / 2
    assert found["written_corrupted"] == 1 / 4  # of four sentences of A's that W wrote


def test_several_sentences_are_followed_as_several_moves_are():
    votes = np.asarray([[1, 2, 3], [9, 2, 8], [9, 5, 3]])
    corrupted = np.asarray([[True, True, False]] * 3)
    heard = Heard(Sentences(votes[..., None], np.ones((3, 3))), corrupted)  # pyright: ignore
    written = rounds._shown(heard, Chosen(np.asarray([1, 1, 2])))  # the most frequent
    majority = of_moves.make(ProtocolConfig("majority", samples=3))
    advice = Advice(jax.numpy.ones(3, bool), jax.numpy.asarray(votes))
    own: Any = types.SimpleNamespace(move=jax.numpy.zeros(3, int))
    played, _ = majority.decide(jax.random.key(0), own, advice, Memory((), ()), None)
    assert played.move.tolist() == [9, 2, 3] and played.followed.tolist() == [False, True, True]
    assert written["followed"] == pytest.approx(played.followed.mean())
    assert written["followed_though_corrupted"] == played.followed[:2].mean()


def test_the_medoid_takes_more_than_the_first(text_models, tmp_path):
    config = _small(text_models, protocol="medoid", samples=3, p=(0.5,), control=False, rounds=1)
    (row,) = _run(config, tmp_path / "run")
    assert row["written"] == 1 and 0 < row["followed"] < 1
    assert 0 < row["followed_though_corrupted"] < 1 and 0 < row["refused_though_good"] < 1
    # Shares of advice are those of corrupted and of honest advice together.
    bad = row["corrupted"]
    good = (1 - bad) * (1 - row["refused_though_good"])
    assert row["followed"] == pytest.approx(bad * row["followed_though_corrupted"] + good)


def test_e_s_labels_have_a_key_of_their_own(text_models, monkeypatch):
    config = _small(text_models, controls=("expert_labels",), p=(0.5,))
    (member,) = [m for m in configs.members_of(config) if m.role == "expert_labels"]
    shared = table.table(config, Folder(text_models))
    used = {}

    def watch(name: str, place: int) -> None:
        whole = getattr(rounds, name)

        def kept(*given):
            used[name] = jax.random.key_data(given[place]).tolist()
            return whole(*given)

        monkeypatch.setattr(rounds, name, kept)

    watch("_own", 2)
    watch("_expert_labels", 2)
    watch("_prompts", 1)
    rounds.play_round(shared, member, rounds.first_learner(shared), 0)
    own, prompts, labels = (used[name] for name in ("_own", "_prompts", "_expert_labels"))
    assert labels not in (own, prompts)
    # W writes with the keys that it always had.
    keys = jax.random.split(jax.random.fold_in(jax.random.key(config.seed), 0), 3)
    assert [own, prompts] == jax.random.key_data(keys[:2]).tolist()


# --- sweeps -------------------------------------------------------------------------------------


def test_a_sweep_spans_what_makes_a_difference(text_models):
    parts = sweeps.parse({
        "models": str(text_models), "protocol": ["always_follow", "prior_gate"], "p": [0.0, 0.5],
        "keep": [0.25, 0.5], "seeds": 2,
    })  # fmt: skip
    names = [configs.members_of(part.config)[0].name for part in parts]
    assert names.count("never_ask") == 2 and names.count("always_follow E") == 2
    assert names.count("prior_gate borrow p=0.5") == 4 and len(parts) == 2 + 4 + 8
    assert len({part.id for part in parts}) == len(parts)
    for settings, says in (
        ({"p": []}, "p is empty"),
        ({"rounds": [1, 2]}, "rounds is a list, but it is no axis"),
        ({"hope": 1}, "Unknown setting 'hope'"),
        ({"seeds": [1, 1]}, "seeds has 1 more than once"),
        ({"seeds": 0}, "seeds is 0: give how many, at least 1, or a list"),
        ({"seeds": []}, r"seeds is \[\]: give how many"),
        ({"seeds": 1.5}, "seeds is 1.5: give how many"),
        ({"seeds": [[1]]}, r"seeds is \[1\]: it must be of type int"),
        ({"seeds": 10**30}, "The grid would have more than"),
        ({"seed": 1}, "a sweep has seeds"),
        ({"controls": 1}, "controls is 1: it must be a list of names"),
        ({"control": 1}, "control is 1: it must be of type bool"),
        ({"controls": ["ceiling"], "control": False}, "controls is set, but control is false"),
        ({"p": [[0.5]]}, r"p is \[0.5\]: it must be of type float"),
        ({"protocol": "prior_gate", "advice": "token", "keep": [0.2, 0.8]}, "keep is set, but no"),
        ({"protocol": "oracle_gate", "keep": 0.2}, "keep is set, but no run of the grid"),
        ({"rated": 3}, "rated is set, but no run of the grid"),
        ({"sigma": [0.0, 1.0]}, "sigma is set, but no run of the grid"),
    ):
        with pytest.raises(SettingError, match=says):
            sweeps.parse({"models": "m", "p": [0.5]} | settings)
    # What is as by default is no mistake, as in a run.
    assert len(sweeps.parse({"models": "m", "p": [0.5], "keep": 0.5, "sigma": 0, "eps": [0]})) == 2


def test_a_sweep_gathers_its_members_and_is_reported(text_models, tmp_path):
    settings = {"models": str(text_models), "p": [0.0, 1.0], "seeds": 2, **SMALL, "rounds": 1}
    out = tmp_path / "sweep"
    found = sweeps.run(settings, out, wandb="disabled")
    assert [row["seeds"] for row in found.rows] == [2, 2, 2]
    own = {row["member"]: row for row in found.rows}
    assert own["always_follow E"]["preference"] < own["always_follow borrow p=1"]["preference"]
    more = sweeps.run(settings | {"protocol": "oracle_gate", "p": [0.5]}, out, wandb="disabled")
    assert len(more.rows) == 4
    done = call("report", out)
    assert done.status == 0, done.err
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "PGR of the preference" in page and "no finished round" not in page
    assert (out / "figures" / "phase.png").stat().st_size > 1000


# --- tuning and shift ---------------------------------------------------------------------------


def test_ways_of_tuning_are_compared(text_models, tmp_path):
    small: dict[str, Any] = {"rounds": 2, "sentences": 24, "updates": 10, "batch": 8}
    home = tmp_path / "models"
    shutil.copytree(text_models, home)
    for way in ("best_rated", "ppo"):
        row = tuning.tune_in(home / way, home, TuneConfig(way=way, **small))
        assert 0 <= row["rating"] <= 1
    out = tmp_path / "shift.jsonl"
    arguments = (
        "shift",
        f"text:{home / 'B'}",
        f"text:{home / 'ppo'}",
        f"text:{home / 'best_rated'}",
    )
    done = call(*arguments, "--count", "6", "--out", out)
    assert done.status == 0, done.err
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert {row["task"] for row in rows} == {"normal", "toxic", "pick", "list", "question"}
    for row in rows:
        if row["player"].endswith("/B"):
            assert row["kl"] == pytest.approx(0, abs=1e-6)
        assert 0 < row["top"] <= 1 and 0 <= row["agreement"] <= 1 and row["entropy"] > 0
        assert (row["right"] is None) == (row["task"] != "question")
    done = call("shift", f"text:{home / 'B'}", "zoo:weak")
    assert done.status == 2 and "zoo:weak is no model of text" in done.err


def test_a_tuned_model_goes_on_with_the_models_that_it_began_with(text_models, tmp_path):
    small = TuneConfig(rounds=1, sentences=8, updates=1, batch=4)
    out, other = tmp_path / "tuned", tmp_path / "other"
    other.symlink_to(text_models)
    row = tuning.tune_in(out, text_models, small)
    with pytest.raises(SettingError, match="holds a tuned model with another models"):
        tuning.tune_in(out, other, small)
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["config"].pop("models") == str(text_models)
    (out / "manifest.json").write_text(json.dumps(manifest))
    assert tuning.tune_in(out, text_models, small) == row  # a folder that does not say


def test_models_are_of_the_text_that_they_began_with(tmp_path, monkeypatch):
    monkeypatch.setattr(train, "_go_on", lambda *given: {"E": {}})
    paths = [tmp_path / f"{kind}.txt" for kind in ("normal", "toxic")]
    for path in paths:
        path.write_text("".join(f"{path.stem} {i}\n" for i in range(30)))
    files = train.Files(*((path,) for path in paths))
    begin = lambda: train.train_in(tmp_path / "out", TrainConfig(), files)  # noqa: E731
    assert begin() == begin()
    paths[1].write_text(paths[1].read_text() + "one more\n")
    with pytest.raises(SettingError, match="another contents of toxic; choose another folder"):
        begin()


def test_a_continuation_is_judged_without_its_prompt(text_models):
    folder, heard = Folder(text_models), []
    model = folder.model("B")

    def judge(texts):
        heard.append(texts)
        return np.asarray(["you" in text for text in texts], float)

    (task,) = tasks(("toxic",), folder, model, 6)
    judged = Judges(judge, judge, judge, {})
    (row,) = shift.rows_of({"B": model}, "B", [task], judged)
    found = shift.continued(model, jax.random.fold_in(jax.random.key(0), 0), task)
    pairs = zip(found.tokens, found.given, strict=True)
    own = [model.tokenizer.decode(one[first:]) for one, first in pairs]
    assert heard == [own, own] and row["toxicity"] == np.mean(["you" in text for text in own])


def test_the_command_line_names_every_way_of_tuning():
    for says in (cli.VERBS["language-tune"], str(language_tune.LanguageTune.__doc__)):
        assert all(way in says for way in tuning.WAYS)


# --- a kind of one's own, and what is refused ---------------------------------------------------


def test_the_second_at_work_in_a_folder_is_refused(text_models, tmp_path):
    asked = {"models": str(text_models), "p": [0.5], **SMALL, "rounds": 1, "control": False}
    for call_ in (
        lambda out: train.train_in(out, TrainConfig(of_world=True, network="nano")),
        lambda out: _run(_small(text_models, p=(0.5,), control=False, rounds=1), out),
        lambda out: sweeps.run(asked, out, wandb="disabled"),
        lambda out: tuning.tune_in(out, text_models, TuneConfig(rounds=1, sentences=24, updates=2)),
    ):
        out = tmp_path / "out"
        with alone(out), pytest.raises(SettingError, match="another process is at work") as caught:
            call_(out)
        assert len(str(caught.value).splitlines()) == 1 and not list(out.iterdir())


def test_a_misalignment_is_one_definition(text_models, tmp_path, monkeypatch):
    def least_likely(key, logits, sight, own):
        corrupted, _ = coin(key, own.p)
        label = sampling.greedy(-logits, sight.legal)
        return jax.numpy.where(corrupted, certain(label, logits.shape[0]), logits), corrupted

    made = Transform("Now and then the least likely token.", Chance, least_likely)
    monkeypatch.setitem(transforms.TRANSFORMS, "least_likely", made)  # pyright: ignore
    config = _small(
        text_models, misalignment="least_likely", lasts="token", p=(0.5,), control=False, rounds=1
    )
    (row,) = _run(config, tmp_path / "run")
    assert row["member"] == "always_follow least_likely p=0.5" and row["corrupted"] > 0.9


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"misalignment": "steer_to_loss"}, "'steer_to_loss' is of games alone"),
        ({"misalignment": "policy_noise"}, "needs sigma: give a value"),
        ({"protocol": "hope"}, "Unknown protocol 'hope'"),
        ({"keep": 0.3}, "keep is set, but misalignment 'borrow' and protocol 'always_follow'"),
        ({"protocol": "oracle_gate", "keep": 0.3}, "keep is set, but misalignment 'borrow'"),
        ({"protocol": "prior_gate", "keep": 1.5}, "keep is 1.5: it must be between 0 and 1"),
        ({"advice": "token", "protocol": "value_gate"}, "'value_gate' is of games alone"),
        ({"lasts": "prompt"}, "lasts is 'prompt', but there is none: set prompt"),
        ({"controls": ("nope",)}, "Unknown control 'nope'"),
        ({"rounds": 0}, "rounds is 0"),
        ({"hope": 1}, "Unknown setting 'hope'"),
    ],
)
def test_settings_that_cannot_be_used_are_one_sentence(settings, says):
    with pytest.raises(SettingError, match=says) as caught:
        Config(models="m", **settings)
    assert len(str(caught.value).splitlines()) == 1


def test_commands_refuse_in_one_sentence(tmp_path, monkeypatch, text_models):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.txt").write_text("one line\n")
    train = ("train", "--out", "m", "--normal")
    run = ("run", "--out", "r", "--models", "none")
    tune = ("tune", "--models", "none", "--out", "t")
    for arguments, says in (
        ((*train, "no.txt", "--toxic", "a.txt"), "no.txt: no such file"),
        ((*train, "a.txt"), "normal and toxic text go together"),
        ((*train, "a.txt", "--toxic", "a.txt"), "normal has 1 different"),
        (("train", "--out", "m", "--passes", "-1"), "passes is -1"),
        (run, "none holds no models of text"),
        ((*run, "--p", "2"), "p is 2: it must be between 0 and 1"),
        (("sweep", "no.toml"), "no.toml"),
        ((*tune, "--kl", "1"), "kl is set, but way 'best_rated"),
        ((*tune, "--clip", "0.1"), "clip is set, but way 'best_rated'"),
        ((*tune, "--way", "demonstrations", "--clip", "0.1"), "clip is set, but way 'demonstr"),
    ):
        done = call("language", *arguments)
        assert done.status == 2 and says in done.err, done
        assert len(done.err.strip().splitlines()) == 1
    assert {path.name for path in tmp_path.iterdir()} == {"a.txt"}
    done = call("match", f"ckpt:{text_models / 'E'}", "random")
    assert done.status == 2 and "is a network of text" in done.err
