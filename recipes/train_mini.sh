#!/usr/bin/env bash
# From an empty folder to mini's weights and their tables: encoder, composer on the encoder's references, judges.
#
#   recipes/train_mini.sh cpu|gpu [FOLDER]     trains into FOLDER (default runs); a run that was stopped goes on
#   INSTALL=1 recipes/train_mini.sh cpu        copies the results over the shipped weights, then measures them
#
# cpu: a day on two cores without fast bf16, hours with it. Every training can be called alone with its preset.
set -euo pipefail
kind=${1:?cpu or gpu} runs=${2:-runs}
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# go_on PRESET START OUTPUT [SHARE]: the mean of two runs from START, and SHARE of START itself where each run counts 1.
go_on() {
    for seed in 1 2; do
        analogen train encoder --config "$top/relsim/mini/presets/encoder-$1-cpu.toml" --set seed=$seed \
            --set output="$3-$seed" --set pool="$runs/pool-$1" --set init="$2"
    done
    python "$top/recipes/average_encoders.py" "$3" "$3-1=1" "$3-2=1" ${4:+"$2=$4"}
}

analogen train encoder --config "$top/relsim/mini/presets/encoder-$kind.toml" \
    --set output="$runs/encoder" --set pool="$runs/pool"
# First what captions say of all scenes, then what the encoder says of drawn references too.
analogen train composer --config "$top/pipelines/composer/presets/composer-$kind.toml" \
    --set output="$runs/composer-words" --set scenes="$runs/scenes-words.npz" --set num_plus_tokens=0
analogen train composer --config "$top/pipelines/composer/presets/composer-$kind.toml" --set seed=1 \
    --set output="$runs/composer" --set scenes="$runs/scenes.npz" \
    --set encoder="$runs/encoder" --set init="$runs/composer-words"
encoder=$runs/encoder composer=$runs/composer
if [ "$kind" = cpu ]; then
    # On an accelerator the tokens of patches are learned with the rest; here, where time is short, they come last.
    composer=$runs/composer-plus
    analogen train composer --config "$top/pipelines/composer/presets/composer-plus-cpu.toml" \
        --set output="$composer" --set scenes="$runs/scenes-plus.npz" \
        --set encoder="$runs/encoder" --set init="$runs/composer"
    # Then the encoder goes on; its patches stay where the composer's tokens expect them.
    go_on anchored "$runs/encoder" "$runs/encoder-anchored" 0.67
    encoder=$runs/encoder-confused
    go_on confused "$runs/encoder-anchored" "$encoder"
fi
analogen train judge --config "$top/relsim/evaluation/presets/judge-cpu.toml" --set output="$runs/judges/relation" \
    --set pool="$runs/judge-pool"
analogen train judge --config "$top/relsim/evaluation/presets/judge-subject-cpu.toml" --set output="$runs/judges/subject" \
    --set init="$runs/judges/relation" --set pool="$runs/judge-pool-fine"

if [ "${INSTALL:-}" = 1 ]; then
    cp "$encoder"/{config.json,model.safetensors,captions.json,captions.safetensors} "$top/relsim/mini/weights/"
    cp -r "$composer"/{model_index.json,prior,denoiser,scheduler} "$top/pipelines/composer/weights/"
fi
analogen evaluate retrieval --queries 342
analogen evaluate analogy --rows 228 --candidates 8 --judges "$runs/judges"
