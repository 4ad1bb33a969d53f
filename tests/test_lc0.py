"""Leela Chess Zero's networks: its own answers, and a plain reading of its rules."""

import functools
import gzip
import pathlib

import chess
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from lc0_writer import Writer

from sandwich_jax import board, games, nets
from sandwich_jax.games import past
from sandwich_jax.nets import lc0, lc0_file
from sandwich_jax.training.corpus import label_of
from sandwich_jax.types import SettingError

ANSWERS = pathlib.Path(__file__).with_name("lc0_answers.npz")
MAIAS = ("maia-1100", "maia-1500", "maia-1900")
LINES = 126
"""Plies of the longest question and more: one program for all."""


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A random network: what the writer wrote, and what was read."""
    writer = Writer(0)
    path = tmp_path_factory.mktemp("lc0") / "small.pb.gz"
    path.write_bytes(gzip.compress(writer.file()))
    return writer, path, lc0_file.read(path)


@pytest.fixture(scope="module")
def asked():
    """Stored answers of lc0, the questions' codes, and the labels of their legal moves."""
    with np.load(ANSWERS) as file:
        stored = dict(file)
    fens, lines, labels = [], [], []
    for question, moves in zip(stored["questions"].tolist(), stored["moves"].tolist(), strict=True):
        words = question.split()
        position, line = chess.Board(" ".join(words[:6])), np.full(LINES, -1, np.int32)
        fens.append(position.fen(en_passant="fen"))
        for ply, text in enumerate(words[6:]):
            line[ply] = label_of(chess.Move.from_uci(text), position.turn)
            position.push_uci(text)
        lines.append(line)
        assert sorted(moves.split()) == sorted(m.uci() for m in position.legal_moves)
        labels.append([label_of(chess.Move.from_uci(m), position.turn) for m in moves.split()])
    codes = _after(fens, np.stack(lines))
    return stored, codes, labels


def _after(fens: list[str], lines: np.ndarray) -> np.ndarray:
    step = past.chess_with_past().replay_step

    def play(state, lines):
        return jax.lax.scan(lambda s, label: (step(s, label), None), state, lines.T)[0]

    state = jax.jit(play)(past.begin(board.from_fen(fens)), jnp.asarray(lines))
    return np.asarray(past.encode(state))


def _answers(path: pathlib.Path, history: bool, codes: np.ndarray):
    net, params = lc0.load(path, history)
    return jax.jit(lambda p, c: net.apply(p, net.decode(c)))(params, codes)


@pytest.fixture(scope="module")
def looking_back(small, asked):
    """What the random network says where it sees the past."""
    return _answers(small[1], True, asked[1])


def _agree(outputs, asked, name, rows) -> None:
    stored, _, labels = asked
    ends = np.cumsum([len(row) for row in labels])
    for i in rows:
        logits = np.asarray(outputs.logits)[i, labels[i]].astype(np.float64)
        shares = np.exp(logits - logits.max())
        theirs = stored[f"{name}.share"][ends[i] - len(labels[i]) : ends[i]]
        question = str(stored["questions"][i])
        np.testing.assert_allclose(shares / shares.sum(), theirs, atol=1e-4, err_msg=question)
        value = stored[f"{name}.value"][i]
        np.testing.assert_allclose(outputs.value[i], value, atol=1e-4, err_msg=question)


def _alone(asked) -> list[int]:
    """Questions of a FEN alone; after the initial position lc0 sees no older one."""
    questions = asked[0]["questions"].tolist()
    return [i for i, q in enumerate(questions) if len(q.split()) == 6 and q != chess.STARTING_FEN]


def test_a_random_network_answers_as_in_lc0(small, asked, looking_back):
    """In games from the initial position and from a FEN, with castling, en passant, promotions."""
    _, path, _ = small
    assert gzip.decompress(asked[0]["small"].tobytes()) == gzip.decompress(path.read_bytes())
    _agree(looking_back, asked, "small", range(len(asked[2])))
    _agree(_answers(path, False, asked[1]), asked, "small", _alone(asked))


@pytest.mark.slow
@pytest.mark.parametrize("name", MAIAS)
def test_maias_answer_as_in_lc0(name, asked, data):
    path = data / "maia" / f"{name}.pb.gz"
    if not path.is_file():
        pytest.skip(f"no {path}: get it from CSSLab/maia-chess")
    for history, rows in ((True, range(len(asked[2]))), (False, _alone(asked))):
        _agree(_answers(path, history, asked[1]), asked, name, rows)


# --- a plain reading ----------------------------------------------------------------------------


class Plain:
    """The network in numpy on lc0's 112 planes [plane, rank, file], norms not folded."""

    def __init__(self, layers: dict[str, np.ndarray], blocks: int):
        self.layers, self.blocks = layers, blocks

    def conv(self, name: str, x: np.ndarray) -> np.ndarray:
        kernel, pad = self.layers[f"{name}.w"], self.layers[f"{name}.w"].shape[-1] // 2
        x = np.pad(x, ((0, 0), (pad, pad), (pad, pad)))
        size = kernel.shape[-1]
        out = sum(
            np.einsum("oi,irf->orf", kernel[:, :, i, j], x[:, i : i + 8, j : j + 8])
            for i in range(size)
            for j in range(size)
        )
        return out + self.layers[f"{name}.b"][:, None, None]

    def normed(self, name: str, x: np.ndarray) -> np.ndarray:
        parts = ("mean", "var", "gamma", "beta")
        mean, var, gamma, beta = (self.layers[f"{name}.{part}"][:, None, None] for part in parts)
        return gamma * (self.conv(name, x) - mean) / np.sqrt(var + 1e-5) + beta

    def dense(self, name: str, x: np.ndarray) -> np.ndarray:
        return self.layers[f"{name}.w"] @ x + self.layers[f"{name}.b"]

    def __call__(self, x: np.ndarray) -> tuple[np.ndarray, float]:
        relu = lambda x: np.maximum(x, 0)  # noqa: E731
        x = relu(self.normed("stem", x))
        for i in range(self.blocks):
            y = self.normed(f"block{i}.second", relu(self.normed(f"block{i}.first", x)))
            pooled = relu(self.dense(f"block{i}.squeeze", y.mean((1, 2))))
            gate, shift = np.split(self.dense(f"block{i}.excite", pooled), 2)
            x = relu(x + y / (1 + np.exp(-gate))[:, None, None] + shift[:, None, None])
        policy = self.conv("policy", relu(self.normed("policy_hidden", x)))
        value = relu(self.normed("value", x)).reshape(-1)
        wdl = np.exp(self.dense("value_out", relu(self.dense("value_hidden", value))))
        return policy, (wdl[0] - wdl[2]) / wdl.sum()


def _plane(move: chess.Move, position: chess.Board) -> int:
    """lc0's plane of a legal move, by its rules."""
    up = 1 if position.turn else -1
    target = move.to_square
    if position.is_castling(move):
        target = chess.square(7 if target > move.from_square else 0, chess.square_rank(target))
    files = chess.square_file(target) - chess.square_file(move.from_square)
    ranks = up * (chess.square_rank(target) - chess.square_rank(move.from_square))
    if move.promotion and move.promotion != chess.KNIGHT:
        piece = (chess.ROOK, chess.BISHOP, chess.QUEEN).index(move.promotion)
        return 64 + 3 * (files + 1) + piece
    knights = [(1, 2), (2, 1), (2, -1), (1, -2), (-1, -2), (-2, -1), (-2, 1), (-1, 2)]
    if (files, ranks) in knights:
        return 56 + knights.index((files, ranks))
    ways = [(0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1), (-1, 0), (-1, 1)]
    distance = max(abs(files), abs(ranks))
    return 7 * ways.index((files // distance, ranks // distance)) + distance - 1


def test_the_network_is_what_its_file_says(small, asked, looking_back):
    """Every legal move's logit and the value, against numpy on planes that lc0 would see."""
    writer, _, _ = small
    (stored, codes, labels), outputs = asked, looking_back
    plain = Plain(writer.layers, writer.blocks)
    planes = np.asarray(jax.jit(past.observe)(codes)).transpose(0, 3, 2, 1)
    for i in range(0, len(labels), 5):
        policy, value = plain(planes[i].astype(np.float64))
        words = stored["questions"][i].split()
        position = chess.Board(" ".join(words[:6]))
        for text in words[6:]:
            position.push_uci(text)
        for move in position.legal_moves:
            square = move.from_square if position.turn else chess.square_mirror(move.from_square)
            expected = policy[_plane(move, position), square // 8, square % 8]
            found = outputs.logits[i, label_of(move, position.turn)]
            np.testing.assert_allclose(found, expected, rtol=1e-3, atol=2e-3)
        np.testing.assert_allclose(outputs.value[i], value, atol=1e-3)


def test_every_legal_move_reads_its_plane(small):
    """A policy that tells the number of the plane, on positions with all kinds of moves."""
    _, _, weights = small
    told = lc0_file.Convolution(0 * weights.policy.kernel, np.arange(80, dtype=np.float32))
    net = lc0.make(lc0.config_of(weights))
    params = lc0.params_of(weights._replace(policy=told))
    fens = _positions()
    logits = jax.jit(lambda s: net.apply(params, net.view(games.make("chess"), s)).logits)(
        board.from_fen(fens)
    )
    kinds = set()
    for row, fen in zip(np.asarray(logits), fens, strict=True):
        position = chess.Board(fen)
        for move in position.legal_moves:
            plane = _plane(move, position)
            kinds.add(plane)
            assert row[label_of(move, position.turn)] == plane, (fen, move)
    assert len(kinds) > 70


def _positions() -> list[str]:
    rng = np.random.default_rng(0)
    found = ["r3k2r/P6P/8/8/8/8/p6p/R3K2R w KQkq - 0 1", "r3k2r/P6P/8/8/8/8/p6p/R3K2R b KQkq - 0 1"]
    found += ["1r1b1r2/2P1P3/8/8/8/7k/8/K7 w - - 0 1", "k7/8/7K/8/8/8/2p1p3/1R1B1R2 b - - 0 1"]
    for seat in range(64):
        position = chess.Board(None)
        position.set_piece_at(int(seat), chess.Piece(chess.QUEEN, chess.WHITE))
        for piece in (chess.Piece(5, True), chess.Piece(2, True), chess.Piece(6, True)):
            free = [s for s in chess.SQUARES if position.piece_at(s) is None]
            position.set_piece_at(int(rng.choice(free)), piece)
        far = [
            s
            for s in chess.SQUARES
            if position.piece_at(s) is None
            and not position.is_attacked_by(chess.WHITE, s)
            and chess.square_distance(s, position.king(chess.WHITE)) > 1
        ]
        if far:
            position.set_piece_at(int(rng.choice(far)), chess.Piece(chess.KING, chess.BLACK))
            found.append(position.fen())
    return found


@functools.cache
def _eight(net):
    """What a network sees of eight positions."""
    return jax.jit(lambda s: net.view(games.make("chess"), s))(board.from_fen(_positions()[:8]))


# --- as a network of this project ---------------------------------------------------------------


def test_interface(small):
    _, _, weights = small
    for history, planes in ((False, 20), (True, 112)):
        config = lc0.config_of(weights, history)
        net, params = lc0.make(config), lc0.params_of(weights, history)
        assert hash(config) == hash(lc0.config_of(weights, history))
        assert net.num_params == sum(leaf.size for leaf in jax.tree.leaves(params))
        shapes = jax.tree.map(jnp.shape, params)
        assert jax.tree.map(jnp.shape, net.init(jax.random.key(0))) == shapes
        x = jnp.ones((3, 8, 8, planes))
        outputs, tower = jax.jit(net.inspect)(params, x)
        assert outputs.logits.shape == (3, board.LABELS) and tower.shape == (3, 8, 8, 8)
        np.testing.assert_allclose(outputs.value, net.apply(params, x).value, atol=1e-5)
    tower = nets.make("tiny", games.make("chess").heads)
    assert tower.decode is None


def test_gradients_reach_every_parameter(small):
    _, path, _ = small
    net, params = lc0.load(path)
    x = _eight(net)

    @jax.jit
    def loss(params):
        outputs = net.apply(params, x)
        return (jax.nn.logsumexp(outputs.logits, -1) - outputs.logits[:, 100]).mean() + (
            outputs.value**2
        ).sum()

    gradients = jax.jit(jax.grad(loss))(params)
    for keys, leaf in jax.tree.leaves_with_path(gradients):
        assert jnp.isfinite(leaf).all() and (leaf != 0).any(), jax.tree_util.keystr(keys)
    nudged = lambda step: loss(jax.tree.map(lambda p, g: p + step * g, params, gradients))  # noqa: E731
    slope = (nudged(1e-3) - nudged(-1e-3)) / 2e-3
    square = sum(float((leaf**2).sum()) for leaf in jax.tree.leaves(gradients))
    np.testing.assert_allclose(slope, square, rtol=0.1)


def test_members_under_vmap_are_members_alone(small):
    _, path, _ = small
    net, params = lc0.load(path)
    x = _eight(net)
    other = net.init(jax.random.key(1))
    both = jax.tree.map(lambda a, b: jnp.stack([a, b]), params, other)
    together = jax.jit(jax.vmap(net.apply, (0, None)))(both, x)
    for i, one in enumerate((params, other)):
        alone = jax.jit(net.apply)(one, x)
        np.testing.assert_allclose(together.logits[i], alone.logits, atol=1e-3)


def test_without_history_is_with_a_past_that_repeats(small, asked, looking_back):
    """The summed kernels on 20 planes are lc0's on 112, a pawn's double step put back included."""
    _, path, _ = small
    rows = _alone(asked)
    alone = _answers(path, False, past.present(asked[1][rows]))
    np.testing.assert_allclose(alone.logits, looking_back.logits[np.asarray(rows)], atol=2e-3)
    np.testing.assert_allclose(alone.value, looking_back.value[np.asarray(rows)], atol=1e-4)


def test_features_of_states_are_those_of_codes(small):
    _, _, weights = small
    fens = ["8/8/4k3/8/2pP4/8/8/K7 b - d3 7 60", "8/8/4k3/8/2p5/8/8/K7 w - - 250 60"]
    state = board.from_fen(fens)
    net = lc0.make(lc0.config_of(weights))
    planes = np.asarray(jax.jit(lambda s: net.view(games.make("chess"), s))(state))
    codes = jax.jit(lambda s: past.encode(past.begin(s)))(state)
    np.testing.assert_array_equal(planes, jax.jit(net.decode)(codes))
    of_past = jax.jit(lambda s: net.view(past.chess_with_past(), s))
    np.testing.assert_array_equal(planes, of_past(past.begin(state)))
    assert (planes[:, 0, 0, 17:] == [[7, 1, 1], [250, 0, 1]]).all()
    assert planes[0, 3, 4, 16] == -1 and planes[0, 3, 6, 16] == 1
    assert abs(planes[..., 16]).sum() == 2


# --- chess with its past ------------------------------------------------------------------------


def test_positions_without_a_game_are_refused_by_a_network_that_looks_back():
    net = lc0.make(lc0.Lc0Config(8, 1, 4, 8, 2, 8, history=True))
    with pytest.raises(SettingError, match="looks back"):
        net.view(games.make("chess"), board.from_fen(_positions()[:1]))


def test_the_game_is_chess():
    plain, game = games.make("chess"), past.chess_with_past()
    lines = jnp.asarray(plain.openings("arena")[:6])
    state, other = jax.jit(game.after)(lines), jax.jit(plain.after)(lines)
    for one in ("legal", "done", "result", "position_hash", "first_to_move", "moves", "material"):
        np.testing.assert_array_equal(getattr(game, one)(state), getattr(plain, one)(other), one)
    encode = jax.jit(game.encode)
    code, other_code = encode(state), jax.jit(plain.encode)(other)
    assert code.shape == (6, past.CODE_WORDS)
    np.testing.assert_array_equal(past.present(code), other_code)
    np.testing.assert_array_equal(jax.jit(game.decode)(code), jax.jit(plain.decode)(other_code))
    legal_of = jax.jit(game.legal_of)(code)
    np.testing.assert_array_equal(legal_of, plain.legal(other))
    replayed = jax.jit(game.replay)(jnp.pad(lines.T, ((0, 1), (0, 0)), constant_values=-1))
    np.testing.assert_array_equal(replayed[-1], code)
    swapped = encode(game.swap(state))
    np.testing.assert_array_equal(swapped, jnp.roll(code, 3, axis=0))
    turned = encode(game.take(state, jnp.arange(5, -1, -1)))
    np.testing.assert_array_equal(turned, code[::-1])
    mask = jnp.arange(6) < 2
    mixed = encode(game.where(mask, state, game.swap(state)))
    np.testing.assert_array_equal(mixed, jnp.where(mask[:, None], code, swapped))


def test_a_code_tells_the_color_and_the_clock():
    """Also of games that begin with Black to move; otherwise it is as it would be without."""
    state = board.from_fen([chess.STARTING_FEN, chess.STARTING_FEN.replace(" w ", " b ")])
    encode = jax.jit(board.encode)
    for moves in (["g1f3", "g8f6"], ["g8f6", "g1f3"], ["f3g1", "f6g8"]):
        code = encode(state)
        np.testing.assert_array_equal(board.color_of(code), state.color)
        np.testing.assert_array_equal(board.clock_of(code), state.halfmove)
        np.testing.assert_array_equal(code[:, 8] >> 30, [0, 1])
        state = board.step(state, board.from_uci(state, moves))
