"""Calibrates an encoder: its captions' temperature, its confidence, and probabilities from its cosines.

All of it is fitted on pictures of held-out subjects, drawn and photographed, in every manner and presentation that the
world has, and on scenes that follow no rule.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image

from analogen.relsim.mini.encoder import CaptionBank, MiniEncoder, Vectors
from analogen.relsim.mini.probabilities import UNCHANGED, Calibration, Logistic, fit_logistic, log_odds
from analogen.relsim.mini.reading.read import EDGE, read_scenes
from analogen.relsim.mini.scene_pool import NO_PHOTOGRAPH, DrawnScene, Looks, Picture
from analogen.relsim.text import load_text_tower
from analogen.relsim.world.art import ArtLibrary, splits
from analogen.relsim.world.dataset import (
    Selection,
    draw_sample,
    hard_negative_of,
    held_out_selection,
    trained_relations,
)
from analogen.relsim.world.grammar import draw_composition
from analogen.relsim.world.material import Material
from analogen.relsim.world.relations import RELATIONS
from analogen.relsim.world.render import render
from analogen.relsim.world.unruled import unruled_elements

PICTURE_PX = 208
TEMPERATURES = np.geomspace(0.005, 0.5, 60)
UNRULED = 0.2  # pictures without a rule, for each picture with one
READINGS = 20  # pictures of compositions, and
NAMED = 36  # of nouns, for each hard picture of a relation
CLEAN = 4  # clean drawings of each relation that stand for results


class Pair(NamedTuple):
    """A hard picture, and one with the same looks and another logic."""

    picture: Picture
    same_looks: Picture


def calibrate(folder: Path, per_relation: int = 12, seed: int = 5, cutouts: str = "", grounds: str = "") -> CaptionBank:
    """Writes captions.json, captions.safetensors and calibration.json beside the encoder in `folder`.

    per_relation: hard pictures of each trained relation; cutouts, grounds: folders of material for photographs, best of
    pictures that the encoder was not trained on. The temperature maximises the likelihood of the right captions
    (temperature scaling, arXiv:1706.04599); the rest are logistic functions, see `Calibration`. Returns the captions.
    """
    rng, material = np.random.default_rng([seed, 60]), Material(cutouts, grounds)
    pairs = [draw_pair(relation.id, material, rng) for relation in trained_relations() for _ in range(per_relation)]
    unruled = [draw_unruled(material, rng) for _ in range(max(1, round(UNRULED * len(pairs))))]
    captions = [(caption, r.id) for r in RELATIONS.values() for caption in r.captions]
    vectors = load_text_tower().embed([caption for caption, _ in captions])
    owners = np.array([name for _, name in captions])
    Calibration().save(folder)
    bank = CaptionBank([caption for caption, _ in captions], owners.tolist(), vectors, 0.05)
    bank.save(folder)
    truth = np.array([pair.picture.logic for pair in pairs])
    whole = MiniEncoder(folder).embed(_images([pair.picture for pair in pairs]))
    temperature = best_temperature(whole @ vectors.T, owners[None] == truth[:, None])
    bank = CaptionBank(bank.captions, bank.relations, vectors, temperature)
    bank.save(folder)
    # Anew, with the temperature: the views' agreement depends on it.
    encoder = MiniEncoder(folder)
    seen = encoder.encode_references(_images([*(pair.picture for pair in pairs), *unruled]))
    read = np.array([encoder.nearest_captions(vector)[0].relation for vector in seen.relation])
    right = read == np.concatenate([truth, np.full(len(unruled), "")])
    sure = [encoder.confidence(r, float(k)) for r, k in zip(seen.relation, seen.known, strict=True)]
    clean, clean_logic = _clean_results(encoder, rng)
    subject_temperature, subject = _fit_subject(
        encoder, draw_named_again(NAMED * per_relation, Material(grounds=grounds), rng), rng
    )
    confidence = fit_logistic(log_odds(sure), right)
    # What candidates are compared with.
    taken = [encoder.taken_for(one, c) for one, c in zip(seen.relation, confidence(log_odds(sure)), strict=True)]
    Calibration(
        confidence=confidence,
        relation=_fit_relation(np.stack(taken)[: len(pairs)], truth, read[: len(pairs)], clean, clean_logic, rng),
        subject_temperature=subject_temperature,
        subject=subject,
        copy=_fit_copy(encoder, pairs, rng),
        reading=_fit_reading(encoder, READINGS * per_relation, material, rng)
        if encoder.net.config.dense_dim
        else UNCHANGED,
    ).save(folder)
    return bank


def draw_pair(relation: str, material: Material, rng: Generator) -> Pair:
    """A hard picture of a relation with held-out subjects, and another relation in the same looks."""
    sample = draw_sample(RELATIONS[relation], held_out_selection(), rng)
    kinds = [other for other in trained_relations() if other.id != relation]
    other = hard_negative_of(sample, kinds[int(rng.integers(len(kinds)))], rng)
    looks = Looks.draw(material, rng, photograph_ok=not {relation, other.relation} & NO_PHOTOGRAPH)
    return Pair(
        *(
            looks.picture(DrawnScene(one.scene, "relation", one.relation, one.caption), material, PICTURE_PX)
            for one in (sample, other)
        )
    )


def draw_unruled(material: Material, rng: Generator) -> Picture:
    """A picture that follows no rule, of held-out subjects."""
    kinds = trained_relations()

    def ruled(rng: Generator) -> tuple[object, ...]:
        return draw_sample(kinds[int(rng.integers(len(kinds)))], held_out_selection(), rng, hard=False).scene.elements

    sample = draw_sample(kinds[0], held_out_selection(), rng)
    scene = dataclasses.replace(sample.scene, elements=unruled_elements(rng, ruled))  # type: ignore[arg-type]
    return Looks.draw(material, rng).picture(DrawnScene(scene, "aimless", "", ""), material, PICTURE_PX)


def _images(pictures: Sequence[Picture]) -> list[Image.Image]:
    return [Image.fromarray(picture.pixels) for picture in pictures]


def _clean_results(encoder: MiniEncoder, rng: Generator) -> tuple[Vectors, NDArray[np.str_]]:
    """Relations of clean drawings, as results are, and which they show."""
    kinds = [relation for relation in trained_relations() for _ in range(CLEAN)]
    samples = [draw_sample(relation, held_out_selection(), rng, hard=False) for relation in kinds]
    drawn = [Image.fromarray(render(sample.scene, PICTURE_PX)) for sample in samples]
    return encoder.embed(drawn), np.array([relation.id for relation in kinds])


def _fit_relation(
    references: Vectors,
    truth: NDArray[np.str_],
    read: NDArray[np.str_],
    results: Vectors,
    shown: NDArray[np.str_],
    rng: Generator,
) -> Logistic:
    """Of each reference with a result of its logic, one of a random other, and one of what it was misread as."""
    values, same = [], []
    for vector, logic, taken_for in zip(references, truth, read, strict=True):
        others = [str(rng.choice(shown[shown != logic]))]
        if taken_for != logic and taken_for in shown:
            others.append(str(taken_for))
        for one in (str(logic), *others):
            row = int(rng.choice(np.flatnonzero(shown == one)))
            values.append(float(vector @ results[row]))
            same.append(one == logic)
    return fit_logistic(values, same)


def draw_named_again(count: int, material: Material, rng: Generator) -> list[Picture]:
    """Pictures of nouns of the stock in the held-out art family, which no head has seen: half of them hard, drawn
    and photographed, and half clean, as results are."""
    nouns, kinds = ArtLibrary.shipped().nouns(stock=True), trained_relations()
    selection, pictures = Selection(nouns, nouns, splits().styles), []
    for number, noun in enumerate(rng.permutation(nouns).tolist()[:count]):
        relation = kinds[int(rng.integers(len(kinds)))]
        hard = number % 2 == 0
        sample = draw_sample(relation, selection, rng, hard=hard, subject=str(noun))
        drawn = DrawnScene(sample.scene, "relation", sample.relation, sample.caption)
        looks = Looks.draw(material, rng, photograph_ok=relation.id not in NO_PHOTOGRAPH)
        if not hard:
            looks = dataclasses.replace(looks, medium="drawing", manner=-1, presented=False)
        pictures.append(looks.picture(drawn, material, PICTURE_PX))
    return pictures


def _fit_subject(encoder: MiniEncoder, pictures: Sequence[Picture], rng: Generator) -> tuple[float, Logistic]:
    """The temperature over the nouns of the library, and the logistic for the right noun and a random other."""
    library = ArtLibrary.shipped()
    nouns = library.nouns(stock=True)
    vectors = encoder.embed_subject(_images(pictures))
    meanings = np.stack([library.meaning(noun) for noun in nouns])
    cosines = vectors @ meanings.T
    alike = np.array([[library.group(n) == library.group(p.subject) for n in nouns] for p in pictures])
    temperature = best_temperature(cosines, alike)
    calibration = Calibration(subject_temperature=temperature)
    odds, shows = [], []
    for row, same in zip(cosines, alike, strict=True):
        rest = np.where(same, -np.inf, row)[None]
        wrong = int(rng.choice(np.flatnonzero(~same)))
        odds += [float(calibration.subject_odds(row[same].max()[None], rest)[0])]
        odds += [float(calibration.subject_odds(row[wrong][None], np.delete(row, wrong)[None])[0])]
        shows += [True, False]
    return temperature, fit_logistic(odds, shows)


def _fit_copy(encoder: MiniEncoder, pairs: Sequence[Pair], rng: Generator) -> Logistic:
    """Of each picture with one in the same looks, and with a random other."""
    first = encoder.attributes(_images([pair.picture for pair in pairs]))
    second = encoder.attributes(_images([pair.same_looks for pair in pairs]))
    alike = (first * second).sum(1)
    unlike = (first * second[np.roll(rng.permutation(len(pairs)), 1)]).sum(1)
    return fit_logistic([*alike, *unlike], [True] * len(alike) + [False] * len(unlike))


def _fit_reading(encoder: MiniEncoder, count: int, material: Material, rng: Generator) -> Logistic:
    """Of `count` pictures of compositions with held-out subjects: whether the arrangement that is read is theirs."""
    pictures = []
    for number in range(count):
        relation = draw_composition(rng, "train").relation()
        sample = draw_sample(relation, held_out_selection(), rng, hard=number % 3 > 0)
        drawn = DrawnScene(sample.scene, "composition", relation.id, sample.caption)
        pictures.append(Looks.draw(material, rng).picture(drawn, material, PICTURE_PX))
    readings = read_scenes(_images(pictures), encoder.net)
    told = [(r, p.logic.split("/")[0]) for r, p in zip(readings, pictures, strict=True) if r.rule.arrangement]
    right = [reading.rule.arrangement == arrangement for reading, arrangement in told]
    if len(set(right)) < 2:  # an encoder that reads nothing yet
        return UNCHANGED
    return fit_logistic(log_odds([reading.certainty for reading, _ in told], EDGE), right)


def best_temperature(cosines: NDArray[np.float32], right: NDArray[np.bool_]) -> float:
    """The one of TEMPERATURES with the smallest mean -log of the summed probability of the right captions.

    cosines, right: (pictures, captions), at least one caption of each row right.
    """

    def loss(temperature: float) -> float:
        logits = cosines.astype(np.float64) / temperature
        likely = np.exp(logits - logits.max(axis=1, keepdims=True))
        return float(-np.log((likely * right).sum(axis=1) / likely.sum(axis=1) + 1e-12).mean())

    return float(min(TEMPERATURES, key=loss))
