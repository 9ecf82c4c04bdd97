#!/usr/bin/env bash
# The release checklist: each step prints its result; the first failure ends the run with exit code 1.
#
#     recipes/release_check.sh [STEP ...]      all steps if none is named, in this order:
#
#     tree        no uncommitted changes
#     version     pyproject.toml and CHANGELOG.md name the same version, with entries, and no section is "Unreleased"
#     build       sdist and wheel, each under 150 MB, the wheel built from the sdist
#     install     that wheel in a fresh environment on each Python of PYTHONS (default: python3): README's first command
#     tests       .ci/run: the whole suite and the README's commands, in fresh environments, and a minute of fuzzing
#     benchmarks  measured again and compared with the stored result; fails if a ratio is 20 % worse. Needs an hour on an
#                 idle machine
#
# Before a release: raise version in pyproject.toml, give CHANGELOG's "Unreleased" that name, run
# `python benchmarks/run.py --output benchmarks/results/VERSION.json`, commit, then this script, then tag.
set -euo pipefail
cd "${ROOT:-$(dirname "${BASH_SOURCE[0]}")/..}"
python=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() { printf 'release check, %s: %s\n' "$step" "$1" >&2; exit 1; }
version() { sed -n 's/^version = "\(.*\)"$/\1/p' pyproject.toml; }

check_tree() {
    [ -z "$(git status --porcelain)" ] || fail "the tree has uncommitted changes: commit or remove them"
}

check_version() {
    local now; now=$(version)
    [ -n "$now" ] || fail "pyproject.toml names no version"
    local first; first=$(sed -n 's/^## \(.*\)$/\1/p' CHANGELOG.md | head -1)
    [ "$first" = "$now" ] || fail "pyproject.toml says $now, CHANGELOG.md begins with '$first': make them agree"
    local entries; entries=$(sed -n "/^## $now\$/,/^## /p" CHANGELOG.md | grep -c '^- ' || true)
    [ "$entries" -gt 0 ] || fail "CHANGELOG.md has no entry for $now"
    if [ -f CITATION.cff ] && grep -q '^version:' CITATION.cff; then
        grep -q "^version: *[\"']\?$now[\"']\?\$" CITATION.cff || fail "CITATION.cff names another version than $now"
    fi
    echo "version $now, $entries entries"
}

check_build() {
    mkdir -p "$work/tree"
    git ls-files -z | tar --null --files-from=- -cf - | tar -xf - -C "$work/tree"
    "$python" -m build -q --outdir "$work/dist" "$work/tree" >/dev/null
    for file in "$work"/dist/*; do
        local size; size=$(($(wc -c <"$file") / 1000000))
        [ "$size" -lt 150 ] || fail "$(basename "$file") has $size MB, at most 149 are published"
        echo "$(basename "$file"): $size MB"
    done
}

check_install() {
    [ -d "$work/dist" ] || check_build
    for one in ${PYTHONS:-$python}; do
        "$one" -m venv "$work/venv"
        "$work/venv/bin/pip" install -q -c constraints.txt "$work"/dist/*.whl
        mkdir "$work/elsewhere"
        cp examples/ring_of_owls.png "$work/elsewhere"
        (cd "$work/elsewhere" && "$work/venv/bin/generate" --reference ring_of_owls.png --subject bicycle --output out) >/dev/null
        [ -s "$work/elsewhere/out/0000.png" ] || fail "it made no picture"
        [ "$("$work/venv/bin/analogen" --version | grep -o '[^ ]*$')" = "$(version)" ] || fail "--version prints another version"
        echo "$("$one" --version): installed, made a picture"
        rm -rf "$work/venv" "$work/elsewhere"
    done
}

check_tests() { bash .ci/run; }

check_benchmarks() {
    local stored; stored=benchmarks/results/$(version).json
    [ -f "$stored" ] || fail "$stored is missing: measure it with benchmarks/run.py --output $stored"
    "$python" benchmarks/run.py --compare "$stored"
}

for step in "${@:-tree version build install tests benchmarks}"; do
    for step in $step; do
        declare -F "check_$step" >/dev/null || fail "no such step: tree, version, build, install, tests or benchmarks"
        printf '== %s\n' "$step"
        "check_$step"
    done
done
echo "ready: tag v$(version)"
