"""Promises of the main flow, with tiny untrained models in the place of the shipped ones."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw
from scenes import assert_same_scene

from analogen.art_selection import contrasting_names, select_art
from analogen.composition import plan_candidates
from analogen.conditioning import encode_relations
from analogen.errors import UserError
from analogen.generator import PREVIEW_PX, Generator, draw_scene
from analogen.pipelines.composer import scene_composer as composer
from analogen.relsim import encoder
from analogen.relsim.mini.encoder import LOW_CONFIDENCE
from analogen.relsim.world.relations import RELATIONS
from analogen.relsim.world.scene import Element, Scene
from analogen.relsim.world.visibility import SEEN
from analogen.relsim.world.word_disc import WordDisc
from analogen.scoring import ERROR_BAND_FACTOR
from analogen.types import Request, Result

CAPTION = RELATIONS["ring"].caption


@pytest.fixture(scope="module")
def generator(tiny_encoder_folder: Path, tiny_composer_folder: Path) -> Iterator[Generator]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(encoder, "SHIPPED", tiny_encoder_folder)
        patch.setattr(composer, "SHIPPED", tiny_composer_folder)
        encoder.load_encoder.cache_clear()
        yield Generator(device="cpu")
        encoder.load_encoder.cache_clear()


@pytest.fixture
def logo(tmp_path: Path) -> Path:
    """A magenta disc on nothing: no drawing of the library has its colour all over."""
    image = Image.new("RGBA", (60, 60))
    ImageDraw.Draw(image).ellipse((4, 4, 56, 56), fill=(255, 0, 255, 255))
    image.save(tmp_path / "disc of mine.png")
    return tmp_path / "disc of mine.png"


def request(**changes: Any) -> Request:
    usual: dict[str, Any] = {
        "relation": CAPTION, "subject": "apple", "candidates": 2, "num_images": 1, "seed": 5, "steps": 2,
        "width": 80, "height": 64,
    }  # fmt: skip
    return Request(**usual | changes)


def pixels(result: Result) -> dict[int, bytes]:
    return {candidate.seed: candidate.image.tobytes() for candidate in result.candidates}


def test_ranked_candidates_of_the_asked_size_come_out(generator: Generator, picture: Path) -> None:
    result = generator.run(request(references=(picture,), candidates=4, num_images=2))
    assert [c.rank for c in result.candidates] == [0, 1, 2, 3]
    composed = generator.compose([generator.prepare(request(references=(picture,), candidates=4, num_images=2))])[0]
    form = dict(zip((row.seed for row in composed.plans), composed.errors, strict=True))
    assert len(set(form.values())) == 4
    best = min(form.values())
    bands = [math.floor(math.log(form[c.seed] / best) / math.log(ERROR_BAND_FACTOR)) for c in result.candidates]
    assert bands == sorted(bands)
    for first, second in itertools.pairwise(zip(bands, result.candidates, strict=True)):
        assert first[0] < second[0] or first[1].scores.total >= second[1].scores.total
    assert [c.image.size for c in result.candidates] == [(80, 64)] * 2 + [(PREVIEW_PX, PREVIEW_PX)] * 2
    assert {c.seed for c in result.candidates} == {5, 6, 7, 8}
    assert (result.model, result.subject) == ("mini", "apple")
    for candidate in result.candidates:
        assert candidate.scene is not None
        assert candidate.scene.elements
        assert candidate.svg is None
    assert set(result.seconds) == {"read", "encode", "compose", "score", "draw", "total"}


def test_same_request_makes_the_same_bytes(generator: Generator) -> None:
    first, again, other = (generator.run(request(num_images=2, seed=seed)) for seed in (5, 5, 50))
    assert pixels(first) == pixels(again)
    assert first.candidates[0].scores == again.candidates[0].scores
    assert not set(pixels(first).values()) & set(pixels(other).values())


def test_next_seed_alone_makes_the_second_candidate(generator: Generator) -> None:
    together = generator.run(request(candidates=3, num_images=3))
    second = next(c for c in together.candidates if c.seed == 6)
    (alone,) = generator.run(request(seed=6, candidates=1)).candidates
    assert alone.scene is not None
    assert second.scene is not None
    assert [e.kind for e in alone.scene.elements] == [e.kind for e in second.scene.elements]
    assert (alone.scene.other, alone.scene.style, alone.scene.background) == (
        second.scene.other, second.scene.style, second.scene.background,
    )  # fmt: skip
    apart = np.abs(np.asarray(alone.image, np.int16) - np.asarray(second.image, np.int16))
    assert (apart > 8).mean() < 0.01


def test_words_alone_suffice(generator: Generator) -> None:
    result = generator.run(request())
    assert result.relation.caption == CAPTION
    assert result.relation.confidence > 0.9
    assert result.notes == ()
    assert all(c.scores.copy == 0 for c in result.candidates)


def test_words_count_a_quarter_more_than_pictures(generator: Generator) -> None:
    pictures = [Image.new("RGB", (40, 40), color) for color in ("red", "navy")]
    seen, both, words = encode_relations([(pictures, None), (pictures, CAPTION), ([], CAPTION)], generator.encoder)
    assert words.looks is None
    total = seen.relation + 1.25 * words.relation
    np.testing.assert_allclose(both.relation, total / np.linalg.norm(total), atol=1e-5)
    assert both.looks is not None
    assert both.looks.shape == (2, 112)
    (weighed,) = encode_relations([(pictures, CAPTION)], generator.encoder, weights=[(0.5, 0.5)])
    assert weighed.relation @ words.relation > both.relation @ words.relation


def test_each_clear_picture_of_a_blend_leans_to_its_own_logic(
    generator: Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(generator.encoder, "confidence", lambda relation, known: 0.9)
    pictures = [Image.new("RGB", (40, 40), color) for color in ("red", "navy")]
    asked = [([pictures[0]], None), ([pictures[1]], None), (pictures, None)]
    first, second, both = encode_relations(asked, generator.encoder)
    read = generator.encoder.embed(pictures)
    for one, raw in zip((first, second), read, strict=True):
        centre = generator.encoder.centre(generator.encoder.nearest_captions(raw, 1)[0].relation)
        assert one.relation @ centre > raw @ centre
    total = first.relation + second.relation
    np.testing.assert_allclose(both.relation, total / np.linalg.norm(total), atol=1e-5)


def test_low_confidence_is_noted(generator: Generator, picture: Path) -> None:
    result = generator.run(request(references=(picture,), relation=None))
    assert result.relation.confidence < LOW_CONFIDENCE
    assert any("the reference is unlike what mini knows" in note for note in result.notes)
    unknown = generator.run(request(relation="quarterly tax returns"))
    assert any("the words are unlike what mini knows" in note for note in unknown.notes)


def test_unknown_subject_is_drawn_by_its_neighbour_and_noted(generator: Generator) -> None:
    result = generator.run(request(subject="zylophrastic bureaucracy"))
    assert any("no drawing is near --subject 'zylophrastic bureaucracy'" in note for note in result.notes)
    assert result.subject in generator.library.nouns()
    near = generator.run(request(subject="puppy dog"))
    assert any(f"--subject 'puppy dog' is drawn as {near.subject!r}" in note for note in near.notes)


def test_what_no_drawing_is_near_is_a_disc_with_the_word(generator: Generator) -> None:
    selection = select_art(
        request(subject="zylophrastic bureaucracy", other="xyzzy"), generator.library, generator.encoder
    )
    assert selection.subject == "disc"
    assert not selection.drawable
    scene_art = selection.scene_art(generator.library, selection.others[0], "noto")
    assert scene_art.subject == WordDisc("zylophrastic bureaucracy")
    assert scene_art.other == WordDisc("xyzzy")
    assert any("a plain disc with the word on it stands in; nearest: " in note for note in selection.notes)


def test_a_phrase_paints_its_subject_and_tells_the_rest(generator: Generator) -> None:
    selection = select_art(
        request(subject="two red bicycles", other="blue key in a hat"), generator.library, generator.encoder
    )
    assert selection.subject == "bicycle"
    assert any("coloured red; the relation decides how many, not 'two'" in note for note in selection.notes)
    assert any("coloured blue; left out: 'in a hat'" in note for note in selection.notes)
    for style in generator.library.styles:
        scene_art = selection.scene_art(generator.library, "key", style)
        for art, name in ((scene_art.subject, "bicycle"), (scene_art.other, "key")):
            assert art is not None
            plain = generator.library.icon(name, style).pixels(64)
            assert np.array_equal(art.pixels(64)[..., 3] > 127, plain[..., 3] > 127)
            assert not np.array_equal(art.pixels(64), plain)


def test_a_famous_name_is_told_as_a_stand_in(generator: Generator) -> None:
    selection = select_art(request(subject="Eiffel tower"), generator.library, generator.encoder)
    assert (selection.subject, selection.drawable) == ("tokyo tower", False)
    assert any("no drawing of this place" in note for note in selection.notes)


@pytest.mark.parametrize("subject", ["spade suit", "black ant", "spider", "black cat", "ghost", "snowman", "xyzzy"])
def test_no_subject_is_lost_on_its_ground(generator: Generator, subject: str) -> None:
    asked = request(subject=subject, candidates=8)
    selection = select_art(asked, generator.library, generator.encoder)
    conditioning = generator.understand([], "many {subject} in a ring")
    plans = plan_candidates(asked, conditioning, selection, generator.library)
    assert all(plan.contrast >= SEEN for plan in plans)
    assert len({plan.scene.background.color for plan in plans}) > 2
    assert len({plan.scene.other for plan in plans}) > 2


def test_negative_prompt_without_effect_is_noted(generator: Generator) -> None:
    result = generator.run(request(negative_prompt="dark"))
    assert any("mini does not use --negative-prompt" in note for note in result.notes)


def test_known_names_need_no_note_whatever_their_number(generator: Generator) -> None:
    result = generator.run(request(subject="Apples", other="the Keys"))
    assert result.notes == ()
    assert result.subject == "apple"
    assert all(c.scene is not None and c.scene.other == "key" for c in result.candidates)


def test_second_thing_is_of_another_kind(generator: Generator) -> None:
    library = generator.library
    others = contrasting_names("apple", library)
    assert others
    assert library.category("apple") not in {library.category(name) for name in others}
    assert contrasting_names(None, library) == library.nouns(stock=True)


def test_asked_style_is_used_and_an_unknown_one_refused(generator: Generator) -> None:
    for candidate in generator.run(request(style="noto")).candidates:
        assert candidate.scene is not None
        assert candidate.scene.style == "noto"
    with pytest.raises(UserError, match="--style is 'oil': "):
        generator.run(request(style="oil"))


def test_own_picture_is_drawn_as_the_subject(generator: Generator, logo: Path) -> None:
    asked = request(subject=None, subject_image=logo)
    selection = select_art(asked, generator.library, generator.encoder)
    assert selection.subject == "disc of mine"
    for row in plan_candidates(
        asked, encode_relations([([], CAPTION)], generator.encoder)[0], selection, generator.library
    ):
        scene = dataclasses.replace(row.scene, elements=(Element("subject", 0, 0, 1.0),))
        shown = np.asarray(draw_scene(scene, row.scene_art, 96, 96))
        assert shown[48, 48].tolist() == [255, 0, 255]


def test_run_shows_the_own_picture(generator: Generator, logo: Path) -> None:
    square = logo.with_name("square.png")
    image = Image.new("RGBA", (60, 60))
    image.paste((0, 160, 0, 255), (5, 5, 55, 55))
    image.save(square)
    options = {"candidates": 24, "num_images": 24}
    disc, other = (generator.run(request(subject="toy", subject_image=path, **options)) for path in (logo, square))
    assert disc.subject == "toy"
    scenes = {c.seed: c.scene for c in disc.candidates}
    assert scenes == {c.seed: c.scene for c in other.candidates}
    showing = {seed for seed, scene in scenes.items() if scene is not None and scene.of("subject")}
    assert showing
    assert any(pixels(disc)[seed] != pixels(other)[seed] for seed in showing)


def colors(tmp_path: Path) -> list[Path]:
    paths = []
    for number, color in enumerate(("red", "navy", "olive", "white")):
        values = np.asarray(Image.new("RGB", (40, 30), color)).copy()
        values[:: 2 + number] = 90
        Image.fromarray(values).save(tmp_path / f"{color}.png")
        paths.append(tmp_path / f"{color}.png")
    return paths


def test_row_is_the_same_alone_or_among_others(generator: Generator, tmp_path: Path) -> None:
    asked = [
        request(references=(path,), relation=None, seed=10 * number, candidates=1 + number % 3)
        for number, path in enumerate(colors(tmp_path))
    ]
    together = generator.compose([generator.prepare(one) for one in asked])
    for one, composed in zip(asked, together, strict=True):
        (alone,) = generator.compose([generator.prepare(one)])
        np.testing.assert_allclose(alone.conditioning.relation, composed.conditioning.relation, atol=1e-5)
        for mine, other in zip(alone.scenes, composed.scenes, strict=True):
            assert_same_scene(mine, other)
            pictures = [draw_scene(s, composed.plans[0].scene_art, 96, 96) for s in (mine, other)]
            apart = np.abs(np.asarray(pictures[0], np.int16) - np.asarray(pictures[1], np.int16))
            assert (apart > 8).mean() < 0.01


def test_picture_of_several_requests_is_encoded_once(generator: Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    encode_references = generator.encoder.encode_references

    def counted(images: Any, **options: Any) -> Any:
        seen.append(len(images))
        return encode_references(images, **options)

    monkeypatch.setattr(generator.encoder, "encode_references", counted)
    image, other = Image.new("RGB", (40, 40), "red"), Image.new("RGB", (40, 40), "navy")
    first, second, third = encode_relations([([image], None), ([other], None), ([image], None)], generator.encoder)
    assert seen == [2]
    np.testing.assert_array_equal(first.relation, third.relation)
    assert not np.allclose(first.relation, second.relation)


def test_rows_of_one_pass_must_agree(generator: Generator) -> None:
    prepared = [generator.prepare(request(steps=steps)) for steps in (2, 3)]
    with pytest.raises(ValueError, match="must agree in steps"):
        generator.compose(prepared)
    assert generator.compose([]) == []


def test_threads_compose_side_by_side(generator: Generator) -> None:
    prepared = [generator.prepare(request(seed=seed)) for seed in range(4)]
    one_by_one = [generator.compose([one])[0].scenes for one in prepared]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda one: generator.compose([one])[0].scenes, prepared)) == one_by_one


@pytest.mark.parametrize("flag", ["references", "subject_image"])
def test_missing_file_is_the_users_error(generator: Generator, tmp_path: Path, flag: str) -> None:
    missing = tmp_path / "none.png"
    with pytest.raises(UserError, match=r"none\.png"):
        generator.run(request(**{flag: (missing,) if flag == "references" else missing}))


def test_svg_comes_with_what_is_kept(generator: Generator) -> None:
    result = generator.run(request(svg=True))
    assert result.candidates[0].svg is not None
    assert result.candidates[0].svg.lstrip().startswith(("<svg", "<?xml"))
    assert result.candidates[1].svg is None


def test_progress_tells_every_step(generator: Generator) -> None:
    told: list[tuple[str, int, int]] = []
    generator.run(request(), lambda *line: told.append(line))
    assert told[:2] == [("compose", 1, 2), ("compose", 2, 2)]
    assert ("draw", 0, 1) in told


def test_relation_scale_zero_ignores_the_relation(generator: Generator) -> None:
    first, second = (
        generator.run(request(num_images=2, relation_scale=0.0, relation=RELATIONS[name].caption))
        for name in ("ring", "grid")
    )
    assert pixels(first) == pixels(second)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"model": "maxi"}, "unknown model 'maxi'"),
        ({"model": "sdxl"}, "runs mini only, and 'sdxl' was given"),
        ({"device": "abacus"}, "--device is 'abacus'"),
        ({"dtype": "int8"}, "dtype is 'int8': expected one of"),
    ],
)
def test_what_cannot_be_had_is_refused(options: dict[str, str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        Generator(**options)


def test_the_reading_of_the_only_reference_reaches_the_composer(
    generator: Generator, picture: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where it takes one; several references or words beside the picture decide by their vector alone."""
    from analogen import conditioning
    from analogen.pipelines.composer.train import Models, widened
    from analogen.relsim.mini.reading.scene_reading import reading_of

    read = reading_of(Scene((Element("subject", -0.4, 0.1, 0.3), Element("subject", 0.4, 0.1, 0.3))))
    vocabulary = generator.composer.prior.table.tolist()
    models = widened(Models(generator.composer.prior, generator.composer.denoiser), vocabulary, True).eval()
    own = composer.SceneComposer(models.prior, models.denoiser, generator.composer.scheduler)
    seen: list[Any] = []

    class Watched:
        reads = True

        def sample(self, relation: Any, readings: Any, **options: Any) -> Any:
            seen.append((readings, options["relation_scale"]))
            return own.sample(relation, readings, **options)

        def denoising_error(self, scenes: Any, relation: Any, readings: Any, scale: Any) -> Any:
            return own.denoising_error(scenes, relation, readings, scale)

    monkeypatch.setattr(generator, "composer", Watched())
    monkeypatch.setattr(Generator, "reads", True)
    monkeypatch.setattr(conditioning, "read_scenes", lambda images, encoder: [read for _ in images])
    monkeypatch.setattr(conditioning, "is_new", lambda found: found.confidence < 0)
    other = tmp_path / "other.png"
    Image.new("RGB", (40, 40), "teal").save(other)
    generator.run(request(references=(picture,), relation=None, structure_scale=0.75))
    generator.run(request(references=(picture, other), relation=None))
    generator.run(request(references=(picture,)))
    (readings, _), *rest = seen
    assert readings.mask.sum(1).tolist() == [2, 2]
    assert readings.looseness.tolist() == [0.25, 0.25]
    assert [given for given, _ in rest] == [None, None]


def test_a_logic_that_is_new_to_mini_is_made_from_its_reading_and_a_note_says_so(
    generator: Generator, picture: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from analogen import conditioning
    from analogen.composition import plan_candidates
    from analogen.relsim.mini.reading.scene_reading import reading_of

    read = reading_of(Scene((Element("subject", -0.4, 0.1, 0.3), Element("subject", 0.4, 0.1, 0.3))))
    monkeypatch.setattr(conditioning, "read_scenes", lambda images, encoder: [read for _ in images])
    monkeypatch.setattr(conditioning, "LOW_CONFIDENCE", 1.1)
    (found,) = conditioning.encode_relations([((Image.open(picture),), None)], generator.encoder, read=True)
    assert found.notes == (f"this logic is new to mini, so the arrangement that it sees is kept: {read.sentence}",)
    prepared = generator.prepare(request(references=(picture,), relation=None))
    for asked, looseness in ((None, 0.0), (0.25, 0.75)):
        wanted = dataclasses.replace(prepared.request, structure_scale=asked)
        plans = plan_candidates(wanted, found, prepared.selection, generator.library)
        assert {(plan.looseness, plan.relation_scale) for plan in plans} == {(looseness, 0.0)}


def test_a_clear_reading_leans_to_its_captions(generator: Generator) -> None:
    words = encode_relations([((), CAPTION)], generator.encoder)[0]
    centre, said = generator.encoder.centre("ring"), generator.encoder.embed_text([CAPTION])[0]
    assert words.relation @ centre > said @ centre
    assert words.found.caption == CAPTION
    assert np.linalg.norm(words.relation) == pytest.approx(1, abs=1e-5)
