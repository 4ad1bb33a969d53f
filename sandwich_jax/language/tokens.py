"""Text to tokens and back. Token 0 is the mark that begins and ends a document.

bpe     byte pairs, learnt from the text (package `tokenizers`, Sennrich et al. 2016)
bytes   UTF-8, which needs no package
words   a closed list of words and signs: one spelling a text, so that likelihoods are exact
"""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from sandwich_jax.nets.transformer import MARK
from sandwich_jax.types import SettingError

EXTRA = "install it with `pip install sandwich_jax[text]`"
_WORD = re.compile(r"\w+|[^\w\s]")
_NO_BLANK_BEFORE = re.compile(r" (?=[^\w\s])")


@dataclasses.dataclass(frozen=True)
class Tokenizer:
    """A way to spell text, and all that it takes to make it again."""

    kind: str
    size: int
    """Tokens, the mark included."""
    spec: Any
    """What `load` makes it from, beside its kind: JSON."""
    encode: Callable[[Sequence[str]], list[list[int]]] = dataclasses.field(compare=False)
    """Documents to tokens, without marks."""
    decode: Callable[[Iterable[int]], str] = dataclasses.field(compare=False)
    """Tokens without marks to a document."""


class _Kind(NamedTuple):
    learn: Callable[[Sequence[str], int], Any]
    """`(documents, size) -> spec`."""
    load: Callable[[Any], Tokenizer]


def learn(kind: str, documents: Sequence[str], size: int) -> Tokenizer:
    """A tokeniser for these documents.

    Args:
        kind: of `KINDS`.
        documents: it learns from them.
        size: tokens that it may have, where that can be chosen.

    Raises:
        SettingError: an unknown kind, or one whose package is not installed.
    """
    if kind not in KINDS:
        raise SettingError(f"Unknown tokenizer '{kind}': choose one of {', '.join(KINDS)}.")
    return load(kind, KINDS[kind].learn(documents, size))


def load(kind: str, spec: Any) -> Tokenizer:
    """The tokeniser of a spec.

    Raises:
        SettingError: it is none, or its package is not installed.
    """
    try:
        return KINDS[kind].load(spec)
    except (KeyError, TypeError, ValueError) as error:
        raise SettingError(f"The stored tokenizer '{kind}' is damaged ({error}).") from error


# --- bytes --------------------------------------------------------------------------------------


def _load_bytes(spec: Any) -> Tokenizer:
    def encode(documents: Sequence[str]) -> list[list[int]]:
        return [[byte + 1 for byte in text.encode()] for text in documents]

    def decode(tokens: Iterable[int]) -> str:
        return bytes(token - 1 for token in tokens).decode(errors="replace")

    return Tokenizer("bytes", 257, None, encode, decode)


# --- words --------------------------------------------------------------------------------------


def _load_words(spec: Any) -> Tokenizer:
    words = [str(word) for word in spec]
    places = {word: place for place, word in enumerate(words, MARK + 1)}

    def encode(documents: Sequence[str]) -> list[list[int]]:
        return [[_place(places, word) for word in _WORD.findall(text)] for text in documents]

    def decode(tokens: Iterable[int]) -> str:
        return _NO_BLANK_BEFORE.sub("", " ".join(words[token - 1] for token in tokens))

    return Tokenizer("words", len(words) + 1, words, encode, decode)


def _place(places: Mapping[str, int], word: str) -> int:
    if word not in places:
        raise SettingError(f"'{word}' is no word of this tokenizer: choose bpe or bytes.")
    return places[word]


def _learn_words(documents: Sequence[str], size: int) -> list[str]:
    return sorted({word for text in documents for word in _WORD.findall(text)})


# --- byte pairs ---------------------------------------------------------------------------------

_MARK = "<mark>"


def _learn_bpe(documents: Sequence[str], size: int) -> str:
    package = _package()
    made = package.Tokenizer(package.models.BPE())
    made.pre_tokenizer = package.pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = package.decoders.ByteLevel()
    trainer = package.trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=[_MARK],
        initial_alphabet=package.pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    made.train_from_iterator(documents, trainer)
    return made.to_str()


def _load_bpe(spec: Any) -> Tokenizer:
    made = _package().Tokenizer.from_str(spec)

    def encode(documents: Sequence[str]) -> list[list[int]]:
        found = made.encode_batch_fast(list(documents), add_special_tokens=False)
        # Text that spells the mark itself out is text, and no end of a document.
        return [[token for token in one.ids if token != MARK] for one in found]

    def decode(tokens: Iterable[int]) -> str:
        return made.decode(list(tokens))

    return Tokenizer("bpe", made.get_vocab_size(), spec, encode, decode)


@functools.cache
def _package() -> Any:
    try:
        import tokenizers
    except ImportError as error:
        raise SettingError(
            f"tokenizer is 'bpe', which needs the package tokenizers: {EXTRA}, or choose bytes."
        ) from error
    return tokenizers


KINDS: Mapping[str, _Kind] = {
    "bpe": _Kind(_learn_bpe, _load_bpe),
    "bytes": _Kind(lambda documents, size: None, _load_bytes),
    "words": _Kind(_learn_words, _load_words),
}
