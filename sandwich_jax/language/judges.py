"""Who says how toxic a text is: classifiers that no writer has, and the exact rule of the world.

A judge is logistic regression on hashed n-grams (Weinberger et al. 2009). The rater, whose word
W may learn from, has learnt from other documents and looks at other n-grams than the two judges
that measure: what was tuned to please it is not measured by it.

In the small world that is so of the second judge alone: the exact rule is rater and first judge.
"""

from __future__ import annotations

import functools
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from sandwich_jax import arrays
from sandwich_jax.folders import store
from sandwich_jax.language import grammar
from sandwich_jax.language.texts import Split
from sandwich_jax.language.tokens import EXTRA
from sandwich_jax.measures import advice
from sandwich_jax.types import SettingError

HASHES = 1 << 16
KINDS: Mapping[str, Mapping[str, Any]] = {
    "rater": {"analyzer": "char_wb", "ngram_range": (2, 4)},
    "words": {"analyzer": "word", "ngram_range": (1, 2)},
    "characters": {"analyzer": "char_wb", "ngram_range": (3, 5)},
}
"""Which n-grams each looks at."""

PACKAGE = "alt-profanity-check"
"""Judges in the place of `words` where it was installed when the models were trained."""

Score = Callable[[Sequence[str]], Float[np.ndarray, "N"]]
"""How toxic texts are, in [0, 1]."""


class Judges(NamedTuple):
    """All of them."""

    rater: Score
    """W may hear from it."""
    first: Score
    """Measures; in the small world it is the rater."""
    second: Score | None
    """Measures too; none where the package is not installed."""
    auc: dict[str, float]
    """Of each that was learnt, on held-out documents."""


def learn(folder: pathlib.Path, normal: Split, toxic: Split, seed: int) -> dict[str, float]:
    """Learns the classifiers and stores them.

    Args:
        folder: gets `judges.npz` and `judges.json`.
        normal: documents; the rater learns from one half of them, the judges from the other.
        toxic: likewise.
        seed: of the halves.

    Returns:
        Each one's area under the ROC curve on the held-out documents.

    Raises:
        SettingError: scikit-learn is not installed.
    """
    linear = _package().linear_model
    rng = np.random.default_rng([seed, 1])
    halves: list[tuple[list[str], list[int]]] = [([], []), ([], [])]
    for label, documents in enumerate((normal.train, toxic.train)):
        for place, number in enumerate(rng.permutation(len(documents))):
            halves[place % 2][0].append(documents[number])
            halves[place % 2][1].append(label)
    weights: dict[str, np.ndarray] = {}
    found: dict[str, float] = {}
    test = [*normal.test, *toxic.test]
    truth = np.asarray([0] * len(normal.test) + [1] * len(toxic.test))
    for name in KINDS:
        texts, labels = halves[0 if name == "rater" else 1]
        fit = linear.LogisticRegression(C=10.0, class_weight="balanced", max_iter=400)
        fit.fit(_features(name, texts), labels)
        weights[name] = np.append(fit.coef_[0], fit.intercept_).astype(np.float32)
        found[name] = _area(_score(name, weights[name], test), truth)
    package = other()
    if package:
        found[PACKAGE] = _area(package(test), truth)
    store.save_arrays(folder / "judges.npz", weights)
    store.write_json(folder / "judges.json", found)
    return found


def load(folder: pathlib.Path, of_world: bool) -> Judges:
    """The judges of a folder of models.

    Args:
        folder: of `learn`, if that was called.
        of_world: the texts are of the small world, whose rule is exact: it rates and measures
            first, and a classifier second.

    Raises:
        SettingError: they are missing or damaged.
    """
    if not (folder / "judges.npz").exists():
        if of_world:
            return Judges(_of_world, _of_world, None, {})
        raise SettingError(f"{folder}: judges.npz is missing; train the models again.")
    stored = arrays.read(folder / "judges.npz")
    whole = {f"['{name}']" for name in KINDS} == set(stored)
    if not whole or any(array.shape != (HASHES + 1,) for array in stored.values()):
        raise SettingError(f"{folder}/judges.npz is damaged; train the models again.")
    made = {name: functools.partial(_score, name, stored[f"['{name}']"]) for name in KINDS}
    auc = store.read_object(folder / "judges.json")
    second = other() if PACKAGE in auc else made["words"]
    if second is None:
        raise SettingError(f"{folder} was judged with the package {PACKAGE}: install it.")
    if of_world:
        return Judges(_of_world, _of_world, second, auc)
    return Judges(made["rater"], made["characters"], second, auc)


def _area(toxicity: np.ndarray, truth: np.ndarray) -> float:
    """Area under the ROC curve; `truth` is 1 for toxic documents."""
    answers = advice.Answers(np.arange(len(truth)), truth == 1, -toxicity)
    area = advice.auc(answers)
    return area.value if area else float("nan")


def other() -> Score | None:
    """The package alt-profanity-check, learnt from other texts; None where it is not installed."""
    try:
        import profanity_check  # pyright: ignore
    except ImportError:
        return None
    return lambda texts: np.asarray(profanity_check.predict_prob(list(texts)))


def installed() -> bool:
    """Whether scikit-learn is there."""
    try:
        _package()
    except SettingError:
        return False
    return True


def _of_world(texts: Sequence[str]) -> Float[np.ndarray, "N"]:
    return np.asarray([grammar.rude(text) for text in texts], float)


def _score(name: str, weights: np.ndarray, texts: Sequence[str]) -> Float[np.ndarray, "N"]:
    if not len(texts):
        return np.zeros(0)
    margin = np.asarray(_features(name, texts) @ weights[:-1]) + weights[-1]
    return 1 / (1 + np.exp(-np.clip(margin, -50, 50)))


def _features(name: str, texts: Sequence[str]) -> Any:
    extraction = _package().feature_extraction
    made = extraction.text.HashingVectorizer(
        n_features=HASHES, lowercase=True, alternate_sign=False, **KINDS[name]
    )
    return made.transform(list(texts))


@functools.cache
def _package() -> Any:
    try:
        import sklearn
        import sklearn.feature_extraction.text
        import sklearn.linear_model
    except ImportError as error:
        raise SettingError(
            f"Judges of toxicity need the package scikit-learn: {EXTRA}; without it the small"
            " world alone, which needs no files, can be measured."
        ) from error
    return sklearn
