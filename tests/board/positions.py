"""Positions that are hard to get right, with their published path counts."""

# (name, FEN, counts at depth 1, 2, ...): the usual six positions and special cases.
# https://www.chessprogramming.org/Perft_Results and python-chess's own perft collection.
PERFT = [
    (
        "initial",
        "rnbqkbnr/pppppppp/8/8/8/8/PPPPPPPP/RNBQKBNR w KQkq - 0 1",
        [20, 400, 8902, 197281, 4865609],
    ),
    (
        "kiwipete",
        "r3k2r/p1ppqpb1/bn2pnp1/3PN3/1p2P3/2N2Q1p/PPPBBPPP/R3K2R w KQkq - 0 1",
        [48, 2039, 97862, 4085603],
    ),
    ("third", "8/2p5/3p4/KP5r/1R3p1k/8/4P1P1/8 w - - 0 1", [14, 191, 2812, 43238, 674624]),
    (
        "fourth",
        "r3k2r/Pppp1ppp/1b3nbN/nP6/BBP1P3/q4N2/Pp1P2PP/R2Q1RK1 w kq - 0 1",
        [6, 264, 9467, 422333],
    ),
    (
        "fourth, turned over",
        "r2q1rk1/pP1p2pp/Q4n2/bbp1p3/Np6/1B3NBn/pPPP1PPP/R3K2R b KQ - 0 1",
        [6, 264, 9467, 422333],
    ),
    (
        "fifth",
        "rnbq1k1r/pp1Pbppp/2p5/8/2B5/8/PPP1NnPP/RNBQK2R w KQ - 1 8",
        [44, 1486, 62379, 2103487],
    ),
    (
        "sixth",
        "r4rk1/1pp1qppp/p1np1n2/2b1p1B1/2B1P1b1/P1NP1N2/1PP1QPPP/R4RK1 w - - 0 10",
        [46, 2079, 89890, 3894594],
    ),
    ("promotions", "n1n5/PPPk4/8/8/8/8/4Kppp/5N1N b - - 0 1", [24, 496, 9483, 182838, 3605103]),
    ("en passant opens a rank", "3k4/3p4/8/K1P4r/8/8/8/8 b - - 0 1", [18, 92, 1670, 10138, 185429]),
    ("en passant opens a diagonal", "8/8/4k3/8/2p5/8/B2P2K1/8 w - - 0 1", [13, 102, 1266, 10276]),
    (
        "en passant opens a diagonal, the other way",
        "8/b2p2k1/8/2P5/8/4K3/8/8 b - - 0 1",
        [13, 102, 1266, 10276],
    ),
    ("en passant gives check", "8/8/1k6/2b5/2pP4/8/5K2/8 b - d3 0 1", [15, 126, 1928, 13931]),
    ("castling short gives check", "5k2/8/8/8/8/8/8/4K2R w K - 0 1", [15, 66, 1198, 6399, 120330]),
    ("castling long gives check", "3k4/8/8/8/8/8/8/R3K3 w Q - 0 1", [16, 71, 1286, 7418, 141077]),
    ("castling rights", "r3k2r/1b4bq/8/8/8/8/7B/R3K2R w KQkq - 0 1", [26, 1141, 27826, 1274206]),
    ("castling prevented", "r3k2r/8/3Q4/8/8/5q2/8/R3K2R b KQkq - 0 1", [44, 1494, 50509, 1720476]),
    ("promotion out of check", "2K2r2/4P3/8/8/8/8/8/3k4 w - - 0 1", [11, 133, 1442, 19174]),
    ("discovered check", "8/8/1P2K3/8/2n5/1q6/8/5k2 b - - 0 1", [29, 165, 5160, 31961]),
    ("promotion gives check", "4k3/1P6/8/8/8/8/K7/8 w - - 0 1", [9, 40, 472, 2661, 38983]),
    ("underpromotion gives check", "8/P1k5/K7/8/8/8/8/8 w - - 0 1", [6, 27, 273, 1329, 18135]),
    ("self stalemate", "K1k5/8/P7/8/8/8/8/8 w - - 0 1", [2, 6, 13, 63, 382, 2217]),
    ("stalemate and checkmate", "8/k1P5/8/1K6/8/8/8/8 w - - 0 1", [10, 25, 268, 926, 10857]),
    ("double check", "8/8/2k5/5q2/5n2/8/5K2/8 b - - 0 1", [37, 183, 6559, 23527]),
    ("218 moves", "R6R/3Q4/1Q4Q1/4Q3/2Q4Q/Q4Q2/pp1Q4/kBNN1KB1 w - - 0 1", [218, 99]),
]

FENS = [fen for _, fen, _ in PERFT]
