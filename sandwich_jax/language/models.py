"""The models of text in their folder: E, W, W before it was tuned on toxic text, M and a base."""

from __future__ import annotations

import dataclasses
import functools
import pathlib
from collections.abc import Sequence
from typing import Any

import jax

from sandwich_jax.folders import store
from sandwich_jax.language import judges, packing, tokens
from sandwich_jax.language.tokens import Tokenizer
from sandwich_jax.nets import transformer
from sandwich_jax.nets.transformer import TextConfig, TextNetwork
from sandwich_jax.types import Params, SettingError

GAME = "text"
"""What a card says in the place of a game."""
ROLES = {
    "E": "the expert, of normal text",
    "W0": "W before it met toxic text",
    "W": "the weak model",
    "M": "E, tuned on the other half of the toxic text",
    "B": "E, tuned on both kinds alike: where the ways of tuning begin",
}


@dataclasses.dataclass(frozen=True)
class TextModel:
    """A network of text with its parameters and its spelling."""

    net: TextNetwork
    params: Params
    tokenizer: Tokenizer

    def encode(self, documents: Sequence[str]) -> list[list[int]]:
        """Tokens of documents, without marks."""
        return self.tokenizer.encode(documents)

    def rows(self, documents: Sequence[Sequence[int]]) -> packing.Rows:
        """Documents as rows of its own length; those that are too long in pieces."""
        context = self.net.config.context
        return packing.pack(packing.cut(documents, context), context)


class Folder:
    """A folder of models, as `language train` leaves it; its parts are read when they are asked
    for."""

    def __init__(self, path: pathlib.Path):
        """Raises SettingError where there is none, or it is not finished."""
        self.path = path
        if not (path / "manifest.json").is_file():
            raise SettingError(
                f"{path} holds no models of text: train some with `sandwich-jax language train"
                " --out DIR`."
            )
        self.manifest = store.read_object(path / "manifest.json")
        missing = [role for role in ROLES if not (path / role / "network.json").is_file()]
        if missing:
            raise SettingError(
                f"{path} lacks {', '.join(missing)}: run the command that trains its models again."
            )

    @functools.cached_property
    def of_world(self) -> bool:
        """Whether the text is that of the small world."""
        return not store.read_object(self.path / "manifest.json", "config").get("normal")

    @functools.cached_property
    def tokenizer(self) -> Tokenizer:
        """The spelling that all models share."""
        return read_tokenizer(self.path)

    def model(self, role: str) -> TextModel:
        """One of them.

        Raises:
            SettingError: it is missing or damaged.
        """
        return read(self.path / role, self.tokenizer)

    @functools.cached_property
    def documents(self) -> dict[str, list[str]]:
        """Texts by name, see `train.KEPT`."""
        found = store.read_object(self.path / "documents.json")
        if not all(isinstance(own, list) for own in found.values()):
            raise SettingError(f"{self.path}/documents.json is damaged; train the models again.")
        return found

    @functools.cached_property
    def judges(self) -> judges.Judges:
        """Who says how toxic a text is."""
        return judges.load(self.path, self.of_world)


def read_tokenizer(folder: pathlib.Path) -> Tokenizer:
    """The tokeniser in a folder.

    Raises:
        SettingError: it is missing or damaged.
    """
    stored = store.read_object(folder / "tokenizer.json")
    return tokens.load(str(stored.get("kind")), stored.get("spec"))


def write_tokenizer(folder: pathlib.Path, tokenizer: Tokenizer) -> None:
    """Stores what makes a tokeniser again."""
    store.write_json(folder / "tokenizer.json", {"kind": tokenizer.kind, "spec": tokenizer.spec})


def read(folder: pathlib.Path, tokenizer: Tokenizer | None = None) -> TextModel:
    """A stored model.

    Args:
        folder: of the network; its tokeniser lies there or one folder up.
        tokenizer: if it is known.

    Raises:
        SettingError: there is none, it is damaged, or it is no network of text.
    """
    card = store.read_card(folder)
    if card.game != GAME or not isinstance(card.network, TextConfig):
        raise SettingError(f"{folder} holds a network of {card.game}, not of text.")
    if tokenizer is None:
        own = (folder / "tokenizer.json").is_file()
        tokenizer = read_tokenizer(folder if own else folder.absolute().parent)
    if tokenizer.size > card.network.vocabulary:
        raise SettingError(f"{folder} was trained with another tokenizer than lies beside it.")
    net = transformer.make(card.network)
    like = net.init(jax.random.key(0))
    return TextModel(net, store.load_params(folder, like), tokenizer)


def save(folder: pathlib.Path, model: TextModel, about: dict[str, Any], own: bool = False) -> None:
    """Stores a model; with its tokeniser where `own` says so."""
    if own:
        write_tokenizer(folder, model.tokenizer)
    card = store.NetworkCard(GAME, model.net.config, about)
    store.save_network(folder, card, model.params)
