"""The network of text, and what is written with it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sandwich_jax.language import assistant, learning, packing, protocols, token_advice, writing
from sandwich_jax.language.assistant import Assistant
from sandwich_jax.language.protocols import NOTHING, OWN, View
from sandwich_jax.language.writing import Sentences
from sandwich_jax.misalign import transforms
from sandwich_jax.nets import transformer
from sandwich_jax.nets.transformer import BLANK, MARK
from sandwich_jax.oversight import protocols as of_chess
from sandwich_jax.types import SettingError

NET = transformer.make(transformer.TextConfig(20, 12, 16, 1, 2, 16))
DEEP = transformer.make(transformer.TextConfig(20, 12, 16, 2, 2, 16))
PARAMS = [
    jax.tree.map(lambda x: 3 * x, NET.init(jax.random.key(seed))) for seed in (1, 2, 3)
]  # sharper than fresh ones, so that they differ
NOWHERE = jnp.full((40, 1), BLANK)


def test_a_document_is_worth_the_same_alone_and_in_company():
    documents = [[1, 2, 3], [4], [5, 6, 7, 8], [9, 10]]
    rows = packing.pack(documents, NET.config.context)
    found, _ = learning.score(NET, PARAMS[0], rows.tokens, learning.batch_of(rows).labels)
    together = packing.by_document(found, rows, 4)
    for number, document in enumerate(documents):
        one = packing.pack([document], NET.config.context)
        alone, _ = learning.score(NET, PARAMS[0], one.tokens, learning.batch_of(one).labels)
        assert packing.by_document(alone, one, 1)[0] == pytest.approx(together[number], abs=1e-4)


def test_the_cache_says_what_whole_rows_say_through_more_documents_than_it_holds():
    params = jax.tree.map(lambda x: 3 * x, DEEP.init(jax.random.key(1)))
    rng = np.random.default_rng(0)
    documents = [rng.integers(1, 20, rng.integers(1, 11)).tolist() for _ in range(8)]
    stream = [token for one in documents for token in (MARK, *one)]
    step = jax.jit(DEEP.step)
    cache, said = DEEP.start(1), []
    for token in stream:
        logits, cache = step(params, cache, jnp.asarray([token]))
        said.append(np.asarray(logits)[0])
    place = 0
    for one in documents:
        rows = jnp.full((1, 12), BLANK).at[0, : len(one) + 1].set(jnp.asarray([MARK, *one]))
        whole = np.asarray(DEEP.logits(params, rows))[0, : len(one) + 1]
        np.testing.assert_allclose(np.stack(said[place : place + len(one) + 1]), whole, atol=2e-4)
        place += len(one) + 1


def _alone(lanes: int, count: int = 40) -> Sentences:
    keys = jax.random.split(jax.random.key(5), 40)[:count]
    run = jax.jit(
        lambda keys: writing.write(
            (NET,), writing.alone(), (PARAMS[0],), keys, NOWHERE[: len(keys)], lanes=lanes
        )[0]
    )
    return run(keys)


def test_a_sentence_is_the_same_on_any_lane():
    one, other = _alone(7), _alone(40)
    np.testing.assert_array_equal(one.tokens, other.tokens)
    np.testing.assert_array_equal(one.length, other.length)
    assert (np.asarray(one.length) >= 0).all() and np.asarray(one.length).max() <= 11
    for tokens, size in zip(np.asarray(one.tokens), np.asarray(one.length), strict=True):
        assert (tokens[:size] > 0).all() and (tokens[size:] == BLANK).all()


def test_samples_have_the_network_s_probabilities():
    keys = jax.random.split(jax.random.key(1), 3000)
    prompts = jnp.full((3000, 1), BLANK)
    run = jax.jit(lambda k: writing.write((NET,), writing.alone(), (PARAMS[0],), k, prompts)[0])
    found = run(keys)
    first = np.asarray(found.tokens)[:, 0]
    share = np.bincount(np.where(first == BLANK, MARK, first), minlength=20) / 3000
    logits = NET.logits(PARAMS[0], jnp.full((1, 1), MARK))[0, 0]
    np.testing.assert_allclose(share, jax.nn.softmax(logits), atol=0.04)


def test_a_prompt_is_where_a_sentence_begins():
    prompts = jnp.tile(jnp.asarray([[3, 4, BLANK]]), (40, 1)).at[1, 2].set(5)
    keys = jax.random.split(jax.random.key(5), 40)
    found, _ = writing.write((NET,), writing.alone(), (PARAMS[0],), keys, prompts)
    tokens = np.asarray(found.tokens)
    assert (tokens[:, :2] == [3, 4]).all() and tokens[1, 2] == 5
    assert len(set(tokens[2:, 2].tolist())) > 1


# --- A ------------------------------------------------------------------------------------------


def _advice(kind: str, lasts: str, strength: float, per_document: int = 4) -> tuple:
    made = Assistant(assistant.parse(kind), lasts)  # pyright: ignore
    roles = {"M": PARAMS[1], "W": PARAMS[2]}
    params = (PARAMS[0], *(roles[role] for role in made.voices))
    knobs = {transforms.TRANSFORMS[kind].strength: jnp.float32(strength)}
    keys = jax.random.split(jax.random.key(5), 40)
    lasting = assistant.lasting_keys(
        jax.random.key(7), jax.random.key(8), made.lasts, NOWHERE, per_document
    )

    def speak(turn, logits, memory):
        said = made.say(turn, lasting, logits[0], logits[1:], knobs)
        return writing.Word(said.token[0], {"corrupted": said.corrupted[0]}), memory

    found, counts = writing.write((NET,) * len(params), speak, params, keys, NOWHERE)
    return np.asarray(found.tokens), np.asarray(found.length), np.asarray(counts["corrupted"])


KINDS = [name for name in transforms.TRANSFORMS if assistant.usable(name)]


def test_what_is_shared_with_chess():
    assert {"borrow", "random_move", "policy_noise", "temperature", "sandbag"} <= set(KINDS)
    with pytest.raises(SettingError, match="'steer_to_loss' is of games alone"):
        assistant.parse("steer_to_loss")
    with pytest.raises(SettingError, match="'value_gate' is of games alone"):
        token_advice.make(of_chess.ProtocolConfig("value_gate"))


def test_at_strength_0_a_is_e():
    honest = _alone(40)
    tokens, _, corrupted = _advice("policy_noise", "sentence", 0.0)
    assert not corrupted.any()
    # Not the same draws, but the same policy: the first tokens are spread alike.
    mine, its = (np.bincount(t[:, 0] + 1, minlength=21) for t in (tokens, honest.tokens))
    assert np.abs(mine - its).sum() < 40


def test_a_corruption_lasts_as_long_as_its_key():
    _, length, of_sentence = _advice("borrow", "sentence", 0.5)
    whole = (of_sentence == 0) | (of_sentence == length + 1) | (of_sentence == 11)
    assert whole.all() and 8 < (of_sentence > 0).sum() < 32
    _, length, of_token = _advice("borrow", "token", 0.5)
    share = of_token.sum() / (length + 1).sum()
    assert 0.35 < share < 0.65 and ((of_token > 0) & (of_token < length)).any()
    of_document = assistant.lasting_keys(
        jax.random.key(1), jax.random.key(2), "document", NOWHERE, 4
    )
    data = np.asarray(jax.random.key_data(of_document)).reshape(10, 4, 2)
    assert (data == data[:, :1]).all() and len(np.unique(data[:, 0, 0])) == 10
    prompts = jnp.tile(jnp.asarray([[3], [4]]), (20, 1))
    keys = assistant.lasting_keys(jax.random.key(1), jax.random.key(2), "prompt", prompts, 1)
    data = jax.random.key_data(keys)
    assert (data[0] == data[2]).all() and (data[0] != data[1]).any()


def _at_once(kind: str, **strengths: float) -> tuple[np.ndarray, np.ndarray]:
    """A's tokens after 2,000 sentences that are all like to go on, and which are corrupted."""
    made, count = Assistant(assistant.parse(kind), "token"), 2000
    logits = 2 * jax.random.normal(jax.random.key(1), (count, 20))
    own, lasting = (jax.random.split(jax.random.key(seed), count) for seed in (2, 3))
    turn = writing.Turn(own, jnp.arange(count), jnp.zeros(count, int))
    knobs = {name: jnp.float32(value) for name, value in strengths.items()}
    said = jax.jit(made.say)(turn, lasting, logits, (), knobs)
    return np.asarray(said.token[0]), np.asarray(said.corrupted[0])


NOISE = {"policy_noise": "sigma", "gumbel_noise": "sigma", "dirichlet_noise": "eps"}


@pytest.mark.parametrize("kind", NOISE)
def test_noise_corrupts_the_tokens_that_it_changes(kind):
    honest, none = _at_once(kind, **{NOISE[kind]: 0.0})
    assert not none.any()
    shares = []
    for strength in (0.01, 0.3, 1.0):
        token, corrupted = _at_once(kind, **{NOISE[kind]: strength})
        np.testing.assert_array_equal(corrupted, token != honest)
        shares.append(corrupted.mean())
    assert shares[0] < 0.05 < shares[1] < shares[2] and shares[2] > 0.3


def test_a_draw_at_another_temperature_is_corrupted_where_it_is_another():
    plain, corrupted = _at_once("temperature", heat=1.0)
    assert not corrupted.any()  # the same policy
    assert not _at_once("temperature", heat=0.0)[1].any()
    for heat in (0.05, 0.98, 4.0):
        token, corrupted = _at_once("temperature", heat=heat)
        np.testing.assert_array_equal(corrupted, token != plain)
        assert (corrupted.mean() < 0.15) == (heat == 0.98)


def test_of_coins_and_noise_either_corrupts():
    _, by_coin = _at_once("random_move+policy_noise", p=0.5, sigma=0.0)
    assert 0.45 < by_coin.mean() < 0.55
    _, both = _at_once("random_move+policy_noise", p=0.5, sigma=1.0)
    assert both[by_coin].all() and 0.1 < both[~by_coin].mean() < 0.9


# --- protocols ----------------------------------------------------------------------------------


def _view(**scores) -> View:
    tokens = np.arange(1, 21).reshape(1, 4, 5)
    return View(Sentences(tokens, np.full((1, 4), 5)), **scores)


def test_gates_follow_the_better_part():
    weak, clean = np.asarray([[-1.0, -2.0, -3.0, -4.0]]), np.asarray([[-4.0, -2.0, -2.5, -9.0]])
    take = lambda name, **own: protocols.make(name).choose(  # noqa: E731
        _view(weak=weak, clean=clean, before=clean, corrupted=np.asarray([[1, 0, 0, 1]]) > 0),
        protocols.settings_of(name)(**own),
    ).take.tolist()  # fmt: skip
    assert take("prior_gate") == [0, 0, NOTHING, NOTHING]
    assert take("contrast_gate") == [NOTHING, 0, 0, NOTHING]
    assert take("shift_gate") == [0, NOTHING, NOTHING, 0]
    assert take("oracle_gate") == [NOTHING, 0, 0, NOTHING]
    assert take("prior_gate", keep=0.25, own_instead=True) == [0, OWN, OWN, OWN]
    assert take("always_follow") == [0] * 4 and take("write_nothing") == [NOTHING] * 4


def test_a_gate_learns_which_words_are_rated_badly():
    rng = np.random.default_rng(0)
    tokens = rng.integers(1, 10, (1, 60, 5))
    bad = rng.random(60) < 0.5
    tokens[0, bad, 0] = 15
    view = View(Sentences(tokens, np.full((1, 60), 5)), ratings=bad[:30].astype(float))
    chosen = protocols.make("rated_gate").choose(view, protocols.RatedGate())
    assert (chosen.take[30:] == 0).sum() and not bad[30:][chosen.take[30:] == 0].any()


def test_the_medoid_is_the_answer_in_the_middle():
    tokens = np.full((3, 1, 4), BLANK)
    tokens[0, 0], tokens[1, 0], tokens[2, 0] = [1, 2, 3, 4], [1, 2, 3, 5], [7, 8, 3, 5]
    view = View(Sentences(tokens, np.full((3, 1), 4)))
    assert protocols.make("medoid").choose(view, protocols.Medoid()).take.tolist() == [1]


def _together(name: str) -> tuple:
    protocol = token_advice.make(of_chess.ProtocolConfig(name))
    made = Assistant(("borrow",), "sentence")
    keys = jax.random.split(jax.random.key(5), 40)
    lasting = assistant.lasting_keys(keys[0], keys[1], "sentence", NOWHERE, 1)
    knobs = {"p": jnp.float32(0.0), "beta_product": jnp.float32(0.0)}
    speak = token_advice.together(protocol, made, lasting, knobs, jnp.float32(1.0))
    params = (PARAMS[2], PARAMS[0], PARAMS[1])
    found, counts = writing.write((NET,) * 3, speak, params, keys, NOWHERE, protocol.memory(40))
    return np.asarray(found.tokens), {n: np.asarray(x) for n, x in counts.items()}


def test_protocols_of_chess_decide_on_tokens():
    alone, counts = _together("never_ask")
    assert not counts["asked"].any() and not counts["followed"].any()
    joint, counts = _together("product")  # A has no weight here: W's own tokens
    np.testing.assert_array_equal(joint, alone)
    assert counts["asked"].all()
