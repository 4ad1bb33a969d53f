"""The small world, tokenisers, and rows of documents."""

import pathlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandwich_jax.language import grammar, judges, packing, texts, tokens, train
from sandwich_jax.language.train_settings import TrainConfig
from sandwich_jax.nets.transformer import BLANK, MARK
from sandwich_jax.types import SettingError

WORLD = grammar.world()


def test_the_world_lists_every_sentence_once_with_its_probability():
    assert len(set(WORLD.sentences)) == len(WORLD.sentences) == 6096
    for kind in ("normal", "toxic"):
        p = getattr(WORLD, kind)
        assert p.min() > 0 and p.sum() == pytest.approx(1)
        rude = grammar.FORMS["statement"] * grammar.RUDE_SHARE[kind]
        assert p[WORLD.rude].sum() == pytest.approx(rude)


def test_what_is_true_is_one_value_of_six():
    for animal in grammar.ANIMALS:
        for relation, values in grammar.RELATIONS.items():
            true = grammar.fact(animal, relation)
            said = [f"please note that the {animal} {relation} {v}, thank you." for v in values]
            told = [bool(WORLD.true[WORLD.index()[text]]) for text in said]
            assert [v for v, t in zip(values, told, strict=True) if t] == [true]


def test_drawn_sentences_have_the_listed_probabilities():
    drawn = grammar.draw(np.random.default_rng(0), 4000, "toxic")
    share = np.mean([grammar.rude(text) for text in drawn])
    expected = WORLD.toxic[WORLD.rude].sum()
    assert abs(share - expected) < 4 * np.sqrt(expected * (1 - expected) / 4000)


def test_words_spell_every_sentence_in_one_way():
    made = tokens.learn("words", WORLD.sentences, 0)
    spelled = made.encode(WORLD.sentences)
    assert [made.decode(one) for one in spelled] == list(WORLD.sentences)
    assert min(min(one) for one in spelled) == MARK + 1 and max(map(max, spelled)) == made.size - 1
    with pytest.raises(SettingError, match="'zebra' is no word of this tokenizer"):
        made.encode(["the zebra"])


KINDS = [
    "bytes",
    pytest.param("bpe", marks=pytest.mark.skipif(
        not __import__("importlib.util").util.find_spec("tokenizers"), reason="no tokenizers")),
]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_any_text_comes_back_and_none_has_a_mark_inside(kind):
    made = tokens.learn(kind, WORLD.sentences[:300], 300)
    again = tokens.load(kind, made.spec)
    for text in ("", "Grüße, 世界 🙂 \t tab", "<mark> is text", *WORLD.sentences[:20]):
        (one,) = again.encode([text])
        assert MARK not in one and max(one, default=0) < again.size
        assert again.decode(one) == text or "<mark>" in text


@settings(deadline=None)
@given(st.lists(st.lists(st.integers(1, 9), max_size=7), min_size=1, max_size=12))
def test_packed_rows_hold_every_document_whole_and_in_order(documents):
    rows = packing.pack(documents, 8)
    found = []
    for row, which in zip(rows.tokens, rows.document, strict=True):
        for number in dict.fromkeys(which[which >= 0].tolist()):
            own = row[which == number]
            assert own[0] == MARK and MARK not in own[1:]
            found.append((number, own[1:].tolist()))
        assert (row[which < 0] == BLANK).all()
    assert found == list(enumerate(documents))


def test_every_token_and_every_end_is_a_target_once():
    rows = packing.pack([[1, 2], [3], [4, 5, 6, 7, 8]], 6)
    found = np.asarray(packing.targets(rows.tokens))
    said = found[rows.document >= 0].tolist()
    assert said == [1, 2, MARK, 3, MARK, 4, 5, 6, 7, 8, MARK]


def test_long_documents_are_cut_and_visits_go_over_all_rows():
    assert packing.cut([[1, 2, 3, 4, 5], []], 3) == [[1, 2], [3, 4], [5], []]
    order = list(packing.visits(5, 2, 5, (1, 2)))
    assert sorted(np.concatenate(order).tolist()) == sorted([*range(5)] * 2)
    again = list(packing.visits(5, 2, 5, (1, 2), 3))
    assert [a.tolist() for a in order[3:]] == [a.tolist() for a in again]


def test_the_page_says_how_much_of_the_world_is_held_out_in_vain():
    config = TrainConfig(of_world=True)
    world = train.read_texts(config, train.Files())
    dealt = texts.deal(world, config.share, config.seed)
    share = lambda some, known: f"{np.isin(some, known).mean():.0%}"  # noqa: E731
    normal, toxic = (share(own.test, own.train) for own in world)
    both = share(dealt.weak_toxic, dealt.saboteur)
    page = (pathlib.Path(__file__).parents[1] / "docs" / "language.md").read_text(encoding="utf-8")
    page = " ".join(page.split())
    assert f"{normal} of the normal and {toxic} of the toxic sentences that models are" in page
    assert f"{both} of W's toxic documents are also among M's" in page


def test_the_rule_of_the_world_rates_and_measures(tmp_path):
    found = judges.load(tmp_path, of_world=True)
    assert found.rater is found.first and "is rater and first judge" in str(judges.__doc__)


# --- files --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "the file is empty"),
        (b"\n \n\n", "holds no text"),
        (bytes(range(256)) * 8, "not text in UTF-8"),
        (b"caf\xe9 is Latin\n" * 50, "not text in UTF-8"),
        (b"word " * 2_000_000, "line 1 has 10,000,000 characters; give one document a line"),
        (b"a fine line\nwith a \x00 zero\n", "line 2 has control characters"),
    ],
    ids=["empty", "blank", "binary", "latin", "long", "zero"],
)
def test_bad_files_are_one_sentence(tmp_path, data, says):
    path = tmp_path / "bad.txt"
    path.write_bytes(data)
    with pytest.raises(SettingError, match=says) as caught:
        texts.read([path], "normal")
    assert "bad.txt" in str(caught.value) and len(str(caught.value).splitlines()) == 1


def test_documents_are_lines_and_copies_stay_on_one_side(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("".join(f"document {i % 40}\n\n" for i in range(80)), encoding="utf-8")
    found = texts.read([path], "normal")
    assert len(found) == 80
    split = texts.split(found, 0.1, "normal")
    assert len(split.test) == 4 and not set(split.test) & set(split.train)
    assert len(split.train) == 72
    # In their own order, whatever a set of them would make of it.
    assert split.test == tuple(f"document {i}" for i in (9, 19, 29, 39))
    with pytest.raises(SettingError, match="normal has 3 different documents: at least 20"):
        texts.split(found[:3], 0.1, "normal")
    says = "test_share is 0.02, which holds out none of the 40 different documents of normal"
    with pytest.raises(SettingError, match=says):
        texts.split(found, 0.02, "normal")
    assert len(texts.split(found, 1 / 40, "normal").test) == 1
    assert not texts.split(found, 0.0, "normal").test


def test_w_and_m_share_no_toxic_text():
    whole = texts.Split(tuple(f"n{i}" for i in range(100)), ())
    toxic = texts.Split(tuple(f"t{i}" for i in range(41)), ())
    dealt = texts.deal(texts.Texts(whole, toxic), 0.1, 0)
    assert set(dealt.weak) < set(dealt.expert) and len(dealt.weak) == 10
    assert not set(dealt.weak_toxic) & set(dealt.saboteur)
    assert set(dealt.weak_toxic) | set(dealt.saboteur) == set(toxic.train)
