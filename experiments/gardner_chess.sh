#!/bin/bash
# An AlphaZero E for Gardner's chess (5 x 5) on one GPU, and a sandwich with it. Sized for eight
# minutes of an H100; not measured. OUT is where the networks go; it goes on after an interruption.
#
#     bash experiments/gardner_chess.sh nets/gardner
set -euo pipefail
OUT=${1:?where the networks go}

sandwich-jax train-alphazero --game gardner_chess --network tiny --out "$OUT" \
    --iterations 120 --simulations 32 --lanes 2048 --plies 32 --most-plies 120 --random-plies 4 \
    --batch 4096 --window 8 --reuse 2 --snapshots 4 8 15 30 60

# W is an early snapshot; the expert's whole policy is told on W's own positions.
sandwich-jax run --game gardner_chess --expert "ckpt:$OUT" --weak "ckpt:$OUT/snapshots/000008" \
    --p 0 0.5 --protocol only_listen --listens 5 --pool medoid --objective distil_policy --rounds 4 \
    --games 8192 --lanes 1024 --updates 2000 --batch 256 --window 4 --out "$OUT/sandwich"
