"""Controls: which members they add, and what these do."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import SMALL, pgn, small

import sandwich_jax
from sandwich_jax import controls, grid, lane_layout, objectives, sandwich
from sandwich_jax.folders import log, store
from sandwich_jax.members import Config, members_of, program_of
from sandwich_jax.players import spelled
from sandwich_jax.running import benign, own_corpus, sweep_folder
from sandwich_jax.training import corpus as corpora
from sandwich_jax.types import SettingError

ALL = ("ceiling", "random", "expert_labels", "argmax")
NOISY = dict(misalignment="policy_noise", sigma=(2.0,), p=(0.0,))
CHESS = Config(controls=("own_corpus",), corpus="games.npz")


def _setup(config: Config) -> sandwich.Setup:
    return sandwich.prepare(config, spelled.load_models(config))


def test_members_of_every_control():
    found = {m.name: m.role for m in members_of(small(**NOISY, controls=ALL, schedule="always"))}
    assert found == {
        "always_follow policy_noise sigma=2": "",
        "never_ask": "never_ask",
        "always_follow E": "ceiling",
        "always_follow random_move p=1": "random",
        "only_listen E": "expert_labels",
    }
    assert members_of(CHESS)[-1].name == "own_corpus"


def test_a_control_that_a_run_has_anyway_is_run_once():
    config = small(p=(0.0, 1.0), controls=("ceiling", "random"))
    assert [(m.name, m.role) for m in members_of(config)] == [
        ("always_follow E", "ceiling"),
        ("always_follow random_move p=1", "random"),
        ("never_ask", "never_ask"),
    ]


def test_controls_depend_on_no_schedule_of_the_run():
    config = small(p=(1.0,), schedule="every_nth", controls=("random",))
    member = members_of(config)[-1]
    assert member.name == "always_follow random_move p=1 (random)"
    assert program_of(config, member).schedule == "always"
    assert program_of(config, members_of(config)[0]).schedule == "every_nth"


def test_benign_advisers_are_members_by_their_noise():
    config = small(controls=("benign",), benign_sigma=(1.5, 3.0))
    names = [m.name for m in members_of(config) if m.role == "benign"]
    assert names == [f"always_follow policy_noise sigma={s}" for s in ("1.5", "3")]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (dict(controls=("best",)), "Unknown control 'best': choose one of ceiling"),
        (dict(controls=("own_corpus",)), "needs corpus"),
        (dict(controls=("own_corpus",), corpus="x.npz"), "of chess alone"),
        (dict(protocol="never_ask", controls=("ceiling",)), "never asks: controls ceiling"),
        (dict(benign_sigma=(1.0,)), "controls has no benign"),
    ],
)
def test_controls_that_cannot_be_had(changes, said):
    with pytest.raises(SettingError, match=said):
        small(**changes)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run with controls, killed in its second round and gone on with."""
    config = small(**NOISY, controls=(*ALL, "benign"), benign_sigma=(3.0,))
    folder = tmp_path_factory.mktemp("runs") / "controls"

    class Killed(Exception):
        pass

    def stop(done, total, text):
        if text.startswith("round 2/2"):
            raise Killed

    with pytest.raises(Killed):
        sandwich_jax.run(config, folder, wandb="disabled", progress=stop)
    return config, folder, sandwich_jax.run(config, folder, wandb="disabled")


def test_rows_of_controls_say_what_they_are(finished):
    _, folder, result = finished
    rows = {row["role"]: row for row in log.read_rows(folder / "rows.jsonl") if row["round"] == 2}
    assert set(rows) == {"", "never_ask", "ceiling", "random", "expert_labels", "benign"}
    assert {row["member"] for row in rows.values()} == set(result.networks)
    assert rows["random"]["misalignment"] == "random_move" and rows["random"]["p"] == 1
    assert rows["random"]["corrupted"] == 1 and rows["ceiling"]["corrupted"] == 0
    assert rows["expert_labels"]["objective"] == "distil_advice"
    assert rows["expert_labels"]["asked"] == 1 and rows["expert_labels"]["followed"] == 0
    assert rows["benign"]["sigma"] == 3.0 and rows[""]["sigma"] == 2.0
    for row in rows.values():
        low, value, high = (row[f"w_argmax_elo{end}"] for end in ("_lo", "", "_hi"))
        assert low <= value <= high and row["gain_over_control"] is not None
    assert (folder / "learning_curves.png").exists()
    with np.load(folder / "arena" / "baseline.npz") as stored:
        assert "W argmax | W" in stored and "random_move p=1 | E" in stored


def test_the_ceiling_is_the_honest_member_bit_for_bit(finished, tmp_path):
    """And members of one misalignment do not feel those of another beside them."""
    _, _, result = finished
    alone = sandwich_jax.run(small(p=(0.0, 1.0), control=False), tmp_path / "run", wandb="disabled")
    for name in ("always_follow E", "always_follow random_move p=1"):
        jax.tree.map(np.testing.assert_array_equal, alone.networks[name], result.networks[name])


def test_expert_labels_are_e_s_moves_on_w_s_own_games():
    config = small(controls=("expert_labels",), control=False)
    setup, member = _setup(config), members_of(config)[-1]
    own = setup.of(member)
    play = sandwich.rounds_of(own, member.protocol, lane_layout.layout("loop", 1))
    learner = sandwich.first_learner(own, member.protocol)
    lane = sandwich.lane_of(config, member, learner, 0)
    ((_, results),) = play([lane], setup.models, setup.starts)
    rollout, window = results[0].rollout, results[0].learner.window
    turns = np.asarray(rollout.assisted).reshape(-1)
    size = turns.size
    positions = np.asarray(window.positions)[:size][turns]
    logits = setup.models.expert.of_encoded(setup.game, positions).logits
    taken = positions.any(-1).reshape(len(positions), 9)  # tic-tac-toe: squares with a mark
    best = np.asarray(np.where(taken, -np.inf, logits)).argmax(-1)
    np.testing.assert_array_equal(np.asarray(window.moves)[:size][turns], best)
    assert (np.asarray(rollout.moves).reshape(-1)[turns] != best).any()


def test_controls_by_name_in_a_sweep(tmp_path):
    settings = {k: v for k, v in SMALL.items() if k != "p"}
    settings |= {"misalignment": "policy_noise", "sigma": [2.0, 4.0], "controls": list(ALL)}
    parts = grid.parse(settings)
    assert sorted(part.member.name for part in parts) == [
        "always_follow E",
        "always_follow policy_noise sigma=2",
        "always_follow policy_noise sigma=4",
        "always_follow random_move p=1",
        "never_ask",
        "only_listen E",
    ]
    assert all(part.config.controls == ("argmax",) for part in parts)
    with pytest.raises(SettingError, match="benign_sigma"):
        grid.parse(settings | {"controls": ["benign"]})
    given = grid.parse(settings | {"controls": ["benign"], "benign_sigma": [3]})
    assert given[-1].config.sigma == (3.0,)
    some = ["expert_labels", "argmax"]  # `finished` has played all of them
    small_one = settings | {"sigma": [2.0], "rounds": 1, "control": False, "controls": some}
    found, _ = sweep_folder.run(small_one, tmp_path / "sweep", wandb="disabled")
    assert {row["protocol"] for row in found.rows} == {"always_follow", "only_listen"}
    rows = log.read_rows(tmp_path / "sweep" / "rows.jsonl")
    assert all("w_argmax_elo" in row for row in rows)


def test_noise_is_found_that_makes_e_as_weak_as_a():
    config = small(p=(0.6,), controls=("benign",), lanes=8)
    setup = _setup(config)
    told: list[str] = []
    found = benign.found(setup, told.append)
    assert len(told) == benign.STEPS and len(found.benign_sigma) == 1
    assert benign.LOW <= found.benign_sigma[0] <= benign.HIGH
    assert benign.found(setup._replace(config=found)) == found
    with pytest.raises(SettingError, match="no member has a corrupt A"):
        benign.found(setup._replace(config=dataclasses.replace(config, p=(0.0,))))


LINES = ("e4 e5 Nf3 Nc6", "d4 d5 c4 e6", "c4 e5 Nc3 Nf6", "Nf3 d5 g3 c5", "e4 c5 Nf3 d6")


def test_own_corpus_takes_the_games_that_w_saw(tmp_path):
    source, path, folder = tmp_path / "games.pgn", tmp_path / "games.npz", tmp_path / "weak"
    source.write_text("".join(pgn(line) for line in LINES))
    corpora.build([source], path, test_share=0.0)
    corpus, game = corpora.load(path), sandwich_jax.games.make("chess")
    model = spelled.load_network("fresh:1")
    store.save_network(
        folder, store.NetworkCard("chess", model.net.config, {"games": 3}), model.params
    )
    config = dataclasses.replace(CHESS, weak=f"ckpt:{folder}", corpus=str(path))
    window = own_corpus.window_of(config)
    np.testing.assert_array_equal(window.moves, corpus.moves[: corpus.starts[3]])
    one = jnp.asarray(corpus.moves[:4], jnp.int32)[:, None]
    np.testing.assert_array_equal(window.positions[:4], game.replay(one)[:, 0])
    assert window.value_target[:4].tolist() == [1, -1, 1, -1] and (window.value_weight == 1).all()
    store.save_network(
        folder, store.NetworkCard("chess", model.net.config, {"games": 40}), model.params
    )
    with pytest.raises(SettingError, match="was trained on 40"):
        own_corpus.window_of(config)
    with pytest.raises(SettingError, match="no card"):
        own_corpus.window_of(dataclasses.replace(config, weak="fresh:2"))


def test_a_member_that_goes_on_with_its_corpus_learns_nothing_from_its_games():
    config = Config(controls=("own_corpus",), corpus="games.npz", games=4, lanes=2, max_plies=2,
                    updates=2, batch=8, round_openings=1, final_openings=1, network="nano",
                    expert="fresh:1", weak="fresh:2")  # fmt: skip
    member = members_of(config)[-1]
    assert member.name == "own_corpus" and member.role == "own_corpus"
    own = sandwich.prepare(config, spelled.load_models(config)).of(member)
    window = objectives.empty_window(own.game, 8)
    window = window._replace(policy_weight=jnp.ones(8), moves=jnp.arange(8, dtype=jnp.int16))
    own = own._replace(corpus=window)
    play = sandwich.rounds_of(own, member.protocol, lane_layout.layout("loop", 1))
    learner = sandwich.first_learner(own, member.protocol)
    lane = sandwich.lane_of(config, member, learner, 0)
    ((_, results),) = play([lane], own.models, own.starts)
    after = results[0].learner
    jax.tree.map(np.testing.assert_array_equal, after.window, window)
    assert int(after.train.step) == 2
    pairs = zip(jax.tree.leaves(after.train.params), jax.tree.leaves(own.models.weak), strict=True)
    assert any((a != b).any() for a, b in pairs)


def test_every_control_is_named_in_the_settings():
    assert set(controls.NAMES) == {*controls.CONTROLS, "benign", "argmax"}
