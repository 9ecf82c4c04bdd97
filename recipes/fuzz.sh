#!/usr/bin/env bash
# Coverage-guided fuzzing of all readers of untrusted files, one after the other.
#
#     recipes/fuzz.sh [SECONDS [SEED]]    in total, default 600; CI uses 60 and a fixed seed
#
# Exit code 0: nothing found. PYTHON sets the interpreter; atheris has wheels for Linux and CPython 3.11 to 3.13.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
python=${PYTHON:-python3}
seconds=${1:-600}
seed=${2:-0}  # 0: a different seed every time
if ! "$python" -c 'import atheris' 2>/dev/null; then
    echo "not fuzzed: atheris is not installed here: pip install atheris (Linux, CPython 3.11 to 3.13)"
    exit 0
fi
work=${FUZZ_DIR:-$(mktemp -d)}
targets=(image manifest metadata record scene)
for target in "${targets[@]}"; do
    printf '\n== %s, %s s\n' "$target" "$((seconds / ${#targets[@]}))"
    "$python" tests/fuzz/fuzz.py "$target" --seconds "$((seconds / ${#targets[@]}))" --seed "$seed" --corpus "$work/$target" 2>&1 |
        grep -E '^(stat::number_of|stat::peak|==|Traceback| *===|.*(Error|Uncaught|crash|timeout|oom)|    |  File)' |
        tail -40
done
echo "nothing found; the corpus is in $work"
