"""Ways of tuning one model: its own best-rated samples, a policy gradient, demonstrations.

Each round the model writes, a rating says how toxic each sentence is (0 is best), and the model
learns:

    best_rated      to imitate the best-rated share of what it wrote
    ppo             to write what is rated better than its mean: the clipped surrogate (Schulman et
                    al. 2017) with the whole sentence's rating as the advantage of each token, in
                    units of its spread; `kl` adds the divergence from where it began
    demonstrations  to imitate normal documents that others wrote

The rating is the rater's of `judges`, which measures nothing; but in the small world it is by the
exact rule, which is also the first judge.
"""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Callable
from concurrent import futures
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from sandwich_jax import finetune, given, outputs
from sandwich_jax.folders import checkpoints, log, store
from sandwich_jax.folders.alone import alone
from sandwich_jax.language import learning, measures, packing, writing
from sandwich_jax.language import models as models_of_text
from sandwich_jax.language.models import Folder, TextModel
from sandwich_jax.running import run_folder
from sandwich_jax.settings import declared, number, size, word
from sandwich_jax.types import SettingError, TrainState

WAYS = ("best_rated", "ppo", "demonstrations")
_OF_ONE_WAY = {"best": "best_rated", "kl": "ppo", "clip": "ppo"}
"""Settings that one way alone has a use of."""
Progress = Callable[[float, float, str], None]


@dataclasses.dataclass(frozen=True)
class TuneConfig:
    """Static settings; each is checked."""

    way: str = word("best_rated", "what the model learns from", WAYS)
    role: str = word("B", "the model that is tuned", tuple(models_of_text.ROLES))
    rounds: int = size(12, "rounds of writing and learning", 1, 1_000_000)
    sentences: int = size(512, "that it writes a round", 8, 1_000_000)
    best: float = number(0.25, 0.001, 1.0, "share of its sentences that best_rated imitates")
    updates: int = size(16, "a round", 1, 1_000_000)
    batch: int = size(16, "rows of an update", 1, 1_000_000)
    learning_rate: float = number(1e-3, 1e-7, 1.0, "at its peak, in each round")
    kl: float = number(0.0, 0.0, 1000.0, "of ppo: weight of the divergence from the first model")
    clip: float = number(0.2, 0.001, 0.999, "of ppo: how far a probability's ratio may count")
    temperature: float = number(1.0, 0.01, 100.0, "at which it writes")
    seed: int = size(0, "of all that is drawn at random", *given.SEEDS)

    def __post_init__(self) -> None:
        """Raises SettingError for a setting that cannot be used."""
        for name, setting in declared(type(self)).items():
            value = setting.typed(name, getattr(self, name))
            setting.check(name, value)
            object.__setattr__(self, name, value)
        for name, way in _OF_ONE_WAY.items():
            usual = declared(type(self))[name].default
            if getattr(self, name) != usual and self.way != way:
                raise SettingError(
                    f"{name} is set, but way '{self.way}' has no use of it: it is for {way}."
                )

    def plain(self) -> dict[str, Any]:
        """All settings by name."""
        return {name: getattr(self, name) for name in declared(type(self))}


class _Claimed(NamedTuple):
    """What a tuned model depends on."""

    config: TuneConfig
    models: pathlib.Path

    def plain(self) -> dict[str, Any]:
        """Settings, and the folder of models."""
        return self.config.plain() | {"models": str(self.models)}


def tune_in(
    out: pathlib.Path,
    models: pathlib.Path,
    config: TuneConfig,
    progress: Progress = lambda done, total, text: None,
    pause: Callable[[], None] = lambda: None,
) -> dict[str, Any]:
    """Tunes a model in `out`, or goes on with what an earlier call left there.

    Args:
        out: gets the model, and `rows.jsonl` with a row a round.
        models: a folder of models.
        config: settings.
        progress: told rounds done, and in all.
        pause: called after every checkpoint; may raise.

    Returns:
        The last row.

    Raises:
        SettingError: a setting or a folder cannot be used, or another process is at work in `out`.
    """
    outputs.check_folder(out)
    folder = Folder(models)
    claimed = _Claimed(config, models)
    usual = {name: s.default for name, s in declared(TuneConfig).items()}
    usual |= {"models": str(models)}  # not every manifest names them
    with alone(out):
        run_folder.claim(out, claimed, usual.__getitem__, {"language": "tuned"}, "a tuned model")
        if (out / "network.json").exists():
            return log.read_rows(out / "rows.jsonl")[-1]
        return _tune(out, folder, config, progress, pause)


def _tune(
    out: pathlib.Path,
    folder: Folder,
    config: TuneConfig,
    progress: Progress,
    pause: Callable[[], None],
) -> dict[str, Any]:
    """All rounds that are left; returns the last row."""
    model = folder.model(config.role)
    first_params, rows = model.params, log.read_rows(out / "rows.jsonl")
    with futures.ThreadPoolExecutor(1) as writer:
        saver = checkpoints.Background(out / "checkpoints", writer)
        found = saver.latest(learning.fresh(model.params))
        first, state = found if found else (0, learning.fresh(model.params))
        rows = [row for row in rows if row["round"] <= first]
        for index in range(first, config.rounds):
            state, row = _round(folder, model, first_params, state, config, index)
            rows.append({"round": index + 1, "member": config.way} | row)
            log.write_rows(out / "rows.jsonl", store.to_plain(rows))
            saver.save(index + 1, state)
            progress(index + 1, config.rounds, f"rated {row['rating']:.3f}")
            pause()
        saver.wait()
    tuned = TextModel(model.net, jax.device_get(state.params), model.tokenizer)
    about = config.plain() | {"row": store.to_plain(rows[-1])}
    models_of_text.save(out, tuned, about, own=True)
    return rows[-1]


def _round(
    folder: Folder,
    model: TextModel,
    reference: Any,
    state: TrainState,
    config: TuneConfig,
    index: int,
) -> tuple[TrainState, dict[str, Any]]:
    """One round; the row says how its sentences were rated before it."""
    key = jax.random.fold_in(jax.random.key(config.seed), index)
    now = TextModel(model.net, state.params, model.tokenizer)
    written = measures.sample(now, key, config.sentences, temperature=config.temperature)
    tokens = writing.texts_of(written)
    rating = folder.judges.rater([model.tokenizer.decode(one) for one in tokens])
    objective, data = _data(folder, now, config, index, tokens, rating)
    rates = config.learning_rate * np.asarray(finetune.annealing(config.updates))
    seed = (config.seed, index, 11)
    order = list(packing.visits(len(data.tokens), config.batch, config.updates, seed))
    guide = learning.Guide(
        kl=np.float32(config.kl),
        clip=np.float32(config.clip),
        reference=reference if objective.anchored else (),
    )
    own, who = jax.tree.map(jnp.copy, state), f"{config.way} in round {index + 1}"
    plan = learning.Plan(order, rates)
    *_, (state, _) = learning.learn(model.net, own, data, plan, who, objective, guide)
    lengths = np.asarray([len(one) for one in tokens])
    return state, {
        "rating": float(rating.mean()),
        "distinct_2": measures.distinct(tokens),
        "tokens": float(lengths.mean()),
    }


def _data(
    folder: Folder,
    now: TextModel,
    config: TuneConfig,
    index: int,
    tokens: list[list[int]],
    rating: np.ndarray,
) -> tuple[learning.Objective, learning.Batch]:
    """What a way of tuning learns from in a round."""
    context = now.net.config.context
    if config.way == "demonstrations":
        every = now.encode(folder.documents["demonstrations"])
        first = index * config.sentences
        chosen = [every[(first + i) % len(every)] for i in range(config.sentences)]
        return learning.Objective(), learning.batch_of(now.rows(chosen))
    if config.way == "best_rated":
        count = max(1, round(config.best * len(tokens)))
        best = np.argsort(rating, kind="stable")[:count]
        rows = packing.pack([tokens[i] for i in best], context)
        return learning.Objective(), learning.batch_of(rows)
    rows = packing.pack(tokens, context)
    data = learning.batch_of(rows)
    spread = max(float(rating.std()), 1e-6)
    advantage = (rating.mean() - rating) / spread
    each = np.where(rows.document >= 0, advantage[np.maximum(rows.document, 0)], 0.0)
    was, _ = learning.score(now.net, now.params, data.tokens, data.labels)
    objective = learning.Objective(clipped=True, anchored=config.kl > 0)
    return objective, data._replace(log_prob=was, advantage=each.astype(np.float32))
