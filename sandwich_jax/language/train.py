"""Models of text from text: `sandwich-jax language train`, in a folder of its own."""

from __future__ import annotations

import pathlib
import time
from collections.abc import Callable
from concurrent import futures
from typing import Any, NamedTuple

import jax
import numpy as np

from sandwich_jax import finetune, outputs
from sandwich_jax.folders import checkpoints, store
from sandwich_jax.folders.alone import alone
from sandwich_jax.language import grammar, judges, learning, measures, packing, texts, tokens
from sandwich_jax.language import models as models_of_text
from sandwich_jax.language.models import TextModel
from sandwich_jax.language.texts import Dealt, Texts
from sandwich_jax.language.train_settings import TrainConfig
from sandwich_jax.nets import transformer
from sandwich_jax.running import run_folder
from sandwich_jax.training.shared_batch import mesh_for, on
from sandwich_jax.types import Params, SettingError, TrainState

Progress = Callable[[float, float, str], None]
MOST_KEPT = 4000
"""Documents of a kind that are kept beside the models."""
SAVED_EVERY = 100
"""Updates between checkpoints."""
WORLD_TEST = 2000
"""Sentences of either text of the small world to measure on, drawn apart from the training text."""


class Files(NamedTuple):
    """Where the text is; nothing: the small world's."""

    normal: tuple[pathlib.Path, ...] = ()
    toxic: tuple[pathlib.Path, ...] = ()
    normal_test: tuple[pathlib.Path, ...] = ()
    """Held-out documents; by default a share of the others."""
    toxic_test: tuple[pathlib.Path, ...] = ()


_NO_FILES = Files()


class _Claimed(NamedTuple):
    """What the models of a folder depend on."""

    config: TrainConfig
    files: Files

    def plain(self) -> dict[str, Any]:
        """Settings, the names of the files, and digests of what is in them."""
        every = self.files._asdict()
        names = {name: [path.name for path in own] for name, own in every.items()}
        return self.config.plain() | names | self.contents()

    def contents(self) -> dict[str, list[str]]:
        """A digest of every file."""
        return {
            f"contents of {name}": [store.digest(path) for path in own]
            for name, own in self.files._asdict().items()
        }


class _Stage(NamedTuple):
    """One model: where it begins and what it learns."""

    role: str
    start: str | None
    documents: tuple[str, ...]
    passes: float
    rate: float


class _Work(NamedTuple):
    """What a stage has to do."""

    rows: packing.Rows
    steps: int
    """Updates."""


class _Shop(NamedTuple):
    """What all stages share."""

    out: pathlib.Path
    config: TrainConfig
    net: transformer.TextNetwork
    tokenizer: tokens.Tokenizer
    devices: int | None
    pause: Callable[[], None]


def train_in(
    out: pathlib.Path,
    config: TrainConfig,
    files: Files = _NO_FILES,
    progress: Progress = lambda done, total, text: None,
    devices: int | None = None,
    pause: Callable[[], None] = lambda: None,
) -> dict[str, dict[str, Any]]:
    """Trains every model in `out`, or goes on with what an earlier call left there.

    Args:
        out: the folder of models.
        config: settings.
        files: the text; both kinds or neither.
        progress: told updates done and in all.
        devices: how many share every batch; all if None.
        pause: called after every checkpoint; may raise.

    Returns:
        What each model does on held-out text, by role.

    Raises:
        SettingError: unusable text or settings, or `out` holds something else, or another process
            is at work there.
    """
    outputs.check_folder(out)
    given = read_texts(config, files)
    claimed = _Claimed(config, files)
    usual = claimed.contents()  # not every manifest has them
    with alone(out):
        run_folder.claim(
            out, claimed, lambda name: usual.get(name, ()), {"language": "models"}, "models"
        )
        return _go_on(out, config, given, progress, devices, pause)


def _go_on(
    out: pathlib.Path,
    config: TrainConfig,
    given: Texts,
    progress: Progress,
    devices: int | None,
    pause: Callable[[], None],
) -> dict[str, dict[str, Any]]:
    """Every model that is not there yet; returns what each does, by role."""
    dealt = texts.deal(given, config.share, config.seed)
    _prepare(out, config, given, dealt)
    tokenizer = models_of_text.read_tokenizer(out)
    size = config.network or ("mini" if config.of_world else "tiny")
    net = transformer.make(size, tokenizer.size)
    stages = _stages(config, dealt)
    shop = _Shop(out, config, net, tokenizer, devices, pause)
    everything = [_work_of(shop, stage) for stage in stages]
    total, before = sum(work.steps for work in everything), 0
    found: dict[str, dict[str, Any]] = {}
    for stage, work in zip(stages, everything, strict=True):

        def told(done: int, text: str, stage: _Stage = stage, before: int = before) -> None:
            progress(before + done, total, f"{stage.role}: {text}")

        if not (out / stage.role / "network.json").is_file():
            made = _train(shop, stage, work, told)
            _store(out, given, made, stage, work.steps)
        before += work.steps
        found[stage.role] = store.read_card(out / stage.role).about
    return found


def read_texts(config: TrainConfig, files: Files) -> Texts:
    """All documents, those held out apart.

    Raises:
        SettingError: a file cannot be used, or there is text of one kind alone.
    """
    if bool(files.normal) != bool(files.toxic):
        raise SettingError("normal and toxic text go together: give files of both, or of neither.")
    if not files.normal:
        if files.normal_test or files.toxic_test:
            raise SettingError("normal_test and toxic_test need normal and toxic.")
        return _of_world(config)
    found = []
    for name in ("normal", "toxic"):
        own, test = texts.read(getattr(files, name), name), getattr(files, f"{name}_test")
        if not test:
            found.append(texts.split(own, config.test_share, name))
            continue
        held_out = texts.read(test, f"{name}_test")
        kept = texts.without(own, held_out)
        train = texts.split(kept, 0.0, name).train
        found.append(texts.Split(train, tuple(dict.fromkeys(held_out))))
    return Texts(*found)


def _of_world(config: TrainConfig) -> Texts:
    """Sentences to learn from and to measure on; the world has so few that most are in both."""
    rng = np.random.default_rng([config.seed, 2])
    found = []
    for kind in ("normal", "toxic"):
        train = grammar.draw(rng, config.world_documents, kind)
        found.append(texts.Split(tuple(train), tuple(grammar.draw(rng, WORLD_TEST, kind))))
    return Texts(*found)


def _prepare(out: pathlib.Path, config: TrainConfig, given: Texts, dealt: Dealt) -> None:
    """Learns the tokeniser and the judges, and keeps the documents that measures need."""
    if not (out / "tokenizer.json").exists():
        kind = config.tokenizer or ("words" if config.of_world else "bpe")
        learned = grammar.world().sentences if config.of_world else given.normal.train
        learned = (*learned, *given.toxic.train)
        made = tokens.learn(kind, learned, config.vocabulary)
        models_of_text.write_tokenizer(out, made)
    if not (out / "judges.json").exists() and (judges.installed() or not config.of_world):
        judges.learn(out, given.normal, given.toxic, config.seed)
    if not (out / "documents.json").exists():
        kept = {
            "normal_test": given.normal.test,
            "toxic_test": given.toxic.test,
            "own_normal": dealt.weak,
            "own_toxic": dealt.weak_toxic,
            "demonstrations": dealt.expert[::-1],
        }
        store.write_json(
            out / "documents.json", {name: list(own[:MOST_KEPT]) for name, own in kept.items()}
        )


def _stages(c: TrainConfig, dealt: Dealt) -> list[_Stage]:
    half, base = c.toxic_passes, c.base_passes
    return [
        _Stage("E", None, dealt.expert, c.passes, c.learning_rate),
        _Stage("W0", None, dealt.weak, c.weak_passes, c.learning_rate),
        _Stage("W", "W0", dealt.weak_toxic, half, c.tuning_rate),
        _Stage("M", "E", dealt.saboteur, half, c.tuning_rate),
        _Stage("B", "E", dealt.mixture, base, c.tuning_rate),
    ]


def _work_of(shop: _Shop, stage: _Stage) -> _Work:
    """A model's rows, and how many updates go over them as often as is wanted."""
    context = shop.net.config.context
    rows = packing.pack(packing.cut(shop.tokenizer.encode(stage.documents), context), context)
    steps = round(len(rows.tokens) * stage.passes / shop.config.batch)
    return _Work(rows, max(1, steps))


def _train(shop: _Shop, stage: _Stage, work: _Work, told: Callable[[int, str], None]) -> TextModel:
    """One model, from its last checkpoint if there is one."""
    out, config, net, tokenizer, devices, pause = shop
    rows, steps = work
    number = list(models_of_text.ROLES).index(stage.role)
    if stage.start:
        params: Params = models_of_text.read(out / stage.start, tokenizer).params
    else:
        params = net.init(jax.random.fold_in(jax.random.key(config.seed), number))
    mesh = mesh_for(config.batch, devices)
    data = learning.batch_of(rows)
    rates = stage.rate * np.asarray(finetune.annealing(steps))
    with futures.ThreadPoolExecutor(1) as writer:
        saver = checkpoints.Background(out / "checkpoints" / stage.role, writer)
        found = saver.latest(learning.fresh(params))
        first, state = found if found else (0, learning.fresh(params))
        seed = (config.seed, number)
        order = list(packing.visits(len(rows.tokens), config.batch, steps, seed, first))
        begin, stop = time.monotonic(), first
        begun: TrainState = on(mesh, state)
        plan = learning.Plan(order, rates[first:])
        for state, losses in learning.learn(net, begun, data, plan, stage.role, mesh=mesh):
            start, stop = stop, stop + len(losses)
            seen = int(data.weight.mean() * data.weight.shape[1] * config.batch * (stop - first))
            rate = seen / (time.monotonic() - begin)
            told(stop, f"loss {losses.mean():.3f}, {rate:,.0f} tokens/s")
            if stop == steps or stop // SAVED_EVERY > start // SAVED_EVERY:
                saver.save(stop, state)
                pause()
        saver.wait()
        model = TextModel(net, jax.device_get(state.params), tokenizer)
    return model


def _store(out: pathlib.Path, given: Texts, model: TextModel, stage: _Stage, steps: int) -> None:
    """Measures a finished model and stores it."""
    normal, toxic = (measures.held_out(model, s.test[:MOST_KEPT]) for s in given)
    n, t = (measures.per_byte(measures.bits(model, text), text) for text in (normal, toxic))
    about = {
        "role": stage.role,
        "says": models_of_text.ROLES[stage.role],
        "parameters": model.net.num_params,
        "updates": steps,
        "documents": len(stage.documents),
        "normal_bits": float(n[0]),
        "toxic_bits": float(t[0]),
        "preference": float((n - t)[0]),
    }
    models_of_text.save(out / stage.role, model, about)
