"""Compare ways to choose among candidates, by the judges: the tables of experiments 11 and 16 in docs/experiments.md.

python recipes/choose_score_weights.py [--rows 228] [--candidates 6] [--seed 1] [--judges benchmarks/judges]

Weights are chosen on the first half of the rows and checked on the second.
"""

from __future__ import annotations

import argparse
import itertools
import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from analogen.evaluation.analogy import JudgedCandidate, draw_tasks, judge_candidates, load_judges, rates, repeats
from analogen.generator import Generator
from analogen.relsim.world.dataset import held_out_selection, trained_relations
from analogen.scoring import ERROR_BAND_FACTOR, ScoreWeights

RELATION, SUBJECT, COPY = (0.0, 0.5, 1.0, 2.0), (0.0, 0.1, 0.3, 1.0, 3.0), (0.0, 0.05, 0.1, 0.3)
Table = NDArray[np.float64]  # (rows, candidates)


def scores_of(tried: list[list[JudgedCandidate]], name: str) -> Table:
    """A part of the score of every candidate."""
    return np.array([[getattr(a.scores, name) for a in tries] for tries in tried])


def bands_of(errors: Table) -> Table:
    """Bands of candidates that count as equally well-formed, as in `analogen.scoring.ranked`."""
    return np.floor(np.log(errors / errors.min(axis=1, keepdims=True)) / math.log(ERROR_BAND_FACTOR))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=228)
    parser.add_argument("--candidates", type=int, default=6)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--judges", type=Path, default=Path("benchmarks/judges"))
    options = parser.parse_args()
    generator = Generator(device="cpu")
    tasks = draw_tasks(trained_relations(), held_out_selection(), options.rows, options.seed)
    judges = load_judges(options.judges)
    tried = judge_candidates(tasks, generator, options.candidates, 100_000 * options.seed, 1.0, judges)
    looks = generator.encoder.attributes([task.reference for task in tasks])

    relation, subject, copy, structure = (
        scores_of(tried, name) for name in ("relation", "subject", "copy", "structure")
    )
    errors = np.array([[a.error for a in tries] for tries in tried])
    holds = np.array([[a.checker for a in tries] for tries in tried])
    joint = holds & np.array([[bool(a.subject) for a in tries] for tries in tried])
    kept = np.array([[np.mean([k for _, k in a.kept]) if a.kept else 0.0 for a in tries] for tries in tried])
    default = ScoreWeights()
    without_structure = default.relation * relation + default.subject * subject - default.copy * copy
    total = without_structure + default.structure * structure
    formed = -1e3 * bands_of(errors)
    values_by_method = {
        "one sample": -np.arange(options.candidates, dtype=float)[None].repeat(len(tried), axis=0),
        "at random": np.random.default_rng(0).random(errors.shape),
        "relation alone": relation,
        "subject alone": subject,
        "structure alone": structure,
        "total alone": total,
        "form, then total without structure": formed + without_structure,
        "form alone": -errors,
        "form, then total": formed + total,
        "oracle of the checker": holds + 0.5 * joint,
        "oracle of the structure": kept,
    }
    for name, values in values_by_method.items():
        chosen = [tries[i] for tries, i in zip(tried, values.argmax(axis=1), strict=True)]
        print(f"{name:36}", {**rates(chosen), "repeats": repeats(chosen, looks)})

    half, row = len(tried) // 2, np.arange(len(tried))
    found = []
    for weights in itertools.product(RELATION, SUBJECT, COPY):
        pick = (
            formed + default.structure * structure + weights[0] * relation + weights[1] * subject - weights[2] * copy
        ).argmax(axis=1)
        good = joint[row, pick]
        found.append((float(good[:half].mean()), float(good[half:].mean()), weights))
    print("\nform, then weights of relation, subject, copy; joint success on their own rows, and on the others:")
    for first, second, weights in sorted(found, key=lambda f: -f[0])[:8]:
        print(f"  {weights}: {first:.3f} {second:.3f}")


if __name__ == "__main__":
    main()
