#!/usr/bin/env bash
# Train mini from scratch and measure it: encoder, composer on the encoder's references, judges.
#
#   recipes/train_mini.sh cpu|gpu [FOLDER]     trains into FOLDER (default runs); resumes a stopped run
#   INSTALL=1 recipes/train_mini.sh cpu        also copies the results over the shipped weights
#
# cpu: a day on two cores without fast bf16, hours with it. Every training can also be started alone with its preset.
set -euo pipefail
kind=${1:?cpu or gpu} runs=${2:-runs}
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# finetune PRESET START OUTPUT [SHARE]: the weighted mean of two runs from START and, with weight SHARE, of START.
finetune() {
    for seed in 1 2; do
        analogen train encoder --config "$top/relsim/mini/presets/encoder-$1-cpu.toml" --set seed=$seed \
            --set output="$3-$seed" --set pool="$runs/pool-$1" --set init="$2"
    done
    python "$top/recipes/average_encoders.py" "$3" "$3-1=1" "$3-2=1" ${4:+"$2=$4"}
}

analogen train encoder --config "$top/relsim/mini/presets/encoder-$kind.toml" \
    --set output="$runs/encoder" --set pool="$runs/pool"
# First on captions of all scenes, then also on the encoder's relations of drawn references.
analogen train composer --config "$top/pipelines/composer/presets/composer-$kind.toml" \
    --set output="$runs/composer-words" --set scenes="$runs/scenes-words.npz" --set num_plus_tokens=0
analogen train composer --config "$top/pipelines/composer/presets/composer-$kind.toml" --set seed=1 \
    --set output="$runs/composer" --set scenes="$runs/scenes.npz" \
    --set encoder="$runs/encoder" --set init="$runs/composer-words"
encoder=$runs/encoder composer=$runs/composer
if [ "$kind" = cpu ]; then
    # On an accelerator the patch tokens are trained with the rest; on a CPU, to save time, they are trained last.
    composer=$runs/composer-plus
    analogen train composer --config "$top/pipelines/composer/presets/composer-plus-cpu.toml" \
        --set output="$composer" --set scenes="$runs/scenes-plus.npz" \
        --set encoder="$runs/encoder" --set init="$runs/composer"
    # Then the encoder is trained further; its patches are anchored, because the composer was trained on them.
    finetune anchored "$runs/encoder" "$runs/encoder-anchored" 0.67
    encoder=$runs/encoder-confused
    finetune confused "$runs/encoder-anchored" "$encoder"
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
