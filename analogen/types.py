"""Requests and results: the plain values that go into a generator and come out. Imports neither torch nor Pillow."""

from __future__ import annotations

import math
import secrets
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from analogen.errors import UserError
from analogen.models import Model, check_device, find_model

if TYPE_CHECKING:
    from PIL.Image import Image

    from analogen.read_back import ReadBack
    from analogen.relsim.mini.reading import SceneReading
    from analogen.relsim.world.scene import Scene

MAX_SEED = 2**63 - 1
MAX_IMAGES = 256
MAX_REFERENCES = 64
NATIVE = -1  # as width or height: the default size of the model
DTYPES = ("auto", "float32", "bfloat16", "float16")
# The longest texts, in characters.
MAX_LENGTH = {"subject": 200, "other": 200, "relation": 1000, "negative_prompt": 1000, "style": 100}
# Fields for diffusion models only, with their values when they are not given.
DIFFUSION_ONLY = {
    "layout": False, "encoder": None, "captioner": None, "adapter": None, "adapter_strength": None,
    "lora": (), "control": None, "control_model": None, "strength": None, "quantize": None, "attention_backend": None,
    "cpu_offload": None, "compile": False, "reference_as": "auto", "style_image": None, "retries": 0,
    "paint_seed": None, "style_by": "auto", "style_scale": None,
}  # fmt: skip
CONTROLS = ("scribble", "canny", "depth")
LAYOUTS = ("drawn", "boxes")
REFERENCE_AS = ("auto", "layout", "flattened", "original")
MAX_RETRIES = 10


def random_seed() -> int:
    """A random seed, small enough to type, and for tools that store numbers as doubles."""
    return secrets.randbelow(2**32)


@dataclass(frozen=True)
class Request:
    """One asset to make. All fields are checked when the request is created.

    references         Pictures whose relational logic is kept. A reference, a `scene` or a `relation` is needed.
    reference_weights  One for each reference, [-10, 10]; negative weights steer away. Empty: all count the same.
    scene              File of `analogen read`, edited or not, in place of a reference; or a picture made from one.
    becomes            Picture that the one reference becomes: what changed between them is made to the subject's own
                       picture, or without one to the reference with the subject in it.
    subject_part       Which thing of `subject_image` is the subject, as `MadeScene.subject_part`; None for all of it.
    relation           The logic in words; {subject} stands for the subject.
    subject            Name of what the picture shows, or of what is in `subject_image`.
    subject_image      The user's own picture of the subject: PNG with alpha, picture or SVG.
    art                Folder of the user's own cut-outs, or a library of `analogen art add`: subject and other are
                       looked for there first.
    other              The second thing, in relations that have two; None chooses one.
    style              Art family, None chooses one; for diffusion models words at the end of the prompt.
    palette            Colours of mini's grounds and props, one of `analogen.palettes()`; None chooses one.
    num_images         How many of the `candidates` are kept, the best. 1 <= num_images <= candidates <= 256.
    seed               Seed of the first candidate, [0, 2**63 - 1]; random if not given.
    steps              [1, 1000]; guidance_scale: [0, 100]. None for the defaults of the model.
    relation_scale     [0, 10]; 0 makes the picture as if no relation had been given.
    structure_scale    How closely the arrangement of a single reference or of a scene is kept, [0, 1]: 0 only its
                       logic, 1 the very arrangement, of a scene without composing it anew. None: the closer, the
                       less certain the relation is; with `becomes` 1.
    width, height      Pixels, within what the model can make (64 to 4096 for mini); NATIVE for its default.
    model              A name of `analogen models`, the folder of a diffusers pipeline, or a hub id.
    device             "auto", "cpu", "cuda", "cuda:N" or "mps". dtype: one of DTYPES.

    For diffusion models only:
    encoder, captioner  Models that read the references: "mini", a folder or a hub id; None chooses by the device.
    adapter            Folder of a relational adapter for the model.
    adapter_strength   When and in which blocks the adapter acts, see `Strength.parse` in
                       analogen.pipelines.adapter.strength; relation_scale is its strength as a whole.
    layout             A scene by mini guides the model. True or "drawn": as the starting picture, or as the control
                       image for `control`. "boxes": as boxes in the prompt, in words for a model that reads none.
    reference_as       What a model that sees pictures is shown of the reference: "layout" (mini's drawing of the
                       relation with the subject), "flattened" (flat greys), "original"; "auto" is the first, or the
                       second where mini is not sure of the relation.
    style_image        Picture that the new ones are to look like. style_by: "ip-adapter" or "redux" (FLUX.1 only);
                       "auto" is the first, or the second beside an adapter. style_scale: how much of its looks, [0, 1],
                       None for .5, where prompt and picture are balanced.
    retries            How often pictures that do not show the layout are made anew, [0, 10].
    paint_seed         Seed of the painting where it is not that of the layout: after a retry.
    control            One of CONTROLS. control_model: folder or hub id of a ControlNet, None for a known one.
    strength           With layout: how much the starting picture is changed; with control: how closely the
                       control image is followed. (0, 1].
    lora               PATH or PATH:SCALE each, at most eight.
    quantize, attention_backend, cpu_offload, compile   See analogen.pipelines.diffusion.runtime.

    Raises UserError for invalid values.
    """

    references: tuple[Path, ...] = ()
    reference_weights: tuple[float, ...] = ()
    relation: str | None = None
    subject: str | None = None
    subject_image: Path | None = None
    art: Path | None = None
    other: str | None = None
    style: str | None = None
    negative_prompt: str | None = None
    svg: bool = False
    layout: bool | str = False
    num_images: int = 1
    candidates: int = 4
    seed: int = field(default_factory=random_seed)
    model: str = "mini"
    steps: int | None = None
    guidance_scale: float | None = None
    relation_scale: float = 1.0
    structure_scale: float | None = None
    width: int = NATIVE
    height: int = NATIVE
    device: str = "auto"
    dtype: str = "auto"
    encoder: str | None = None
    captioner: str | None = None
    adapter: str | None = None
    adapter_strength: str | None = None
    control: str | None = None
    control_model: str | None = None
    strength: float | None = None
    lora: tuple[str, ...] = ()
    quantize: str | None = None
    attention_backend: str | None = None
    cpu_offload: str | None = None
    compile: bool = False
    scene: Path | None = None
    reference_as: str = "auto"
    style_image: Path | None = None
    retries: int = 0
    paint_seed: int | None = None
    becomes: Path | None = None
    subject_part: tuple[float, ...] | None = None
    palette: str | None = None
    style_by: str = "auto"
    style_scale: float | None = None

    def __post_init__(self) -> None:
        for name in MAX_LENGTH:
            object.__setattr__(self, name, _checked_text(name, getattr(self, name)))
        if self.becomes is not None:
            _check_becomes(self)
        if not self.references and self.scene is None and self.relation is None:
            raise UserError("no relation was given: name a picture with --reference, or words with --relation")
        if self.references and self.scene is not None:
            raise UserError("--scene takes the place of a reference: leave --reference or --scene out")
        if len(self.references) > MAX_REFERENCES:
            raise UserError(
                f"{len(self.references)} references were given, at most {MAX_REFERENCES} are allowed: give fewer"
            )
        object.__setattr__(self, "reference_weights", tuple(self.reference_weights))
        _check_weights(self)
        if self.subject is None and self.subject_image is None:
            raise UserError("no subject was given: name one with --subject, or give its picture with --subject-image")
        model = find_model(self.model)
        _check_range("num-images", self.num_images, 1, MAX_IMAGES)
        _check_range("candidates", self.candidates, self.num_images, MAX_IMAGES)
        if self.seed < 0:
            raise UserError(f"--seed is {self.seed}: expected 0 to {MAX_SEED}; leave it out for a random one")
        _check_range("seed", self.seed, 0, MAX_SEED)
        _check_range("steps", self.steps, 1, 1000)
        _check_range("guidance-scale", self.guidance_scale, 0, 100)
        _check_range("relation-scale", self.relation_scale, 0, 10)
        _check_range("retries", self.retries, 0, MAX_RETRIES)
        _check_range("paint-seed", self.paint_seed, 0, MAX_SEED)
        if isinstance(self.layout, str) and self.layout not in LAYOUTS:
            raise UserError(f"--layout is {self.layout!r}: expected one of {', '.join(LAYOUTS)}")
        if self.layout == "drawn":
            object.__setattr__(self, "layout", True)
        if self.structure_scale is not None:
            _check_range("structure-scale", self.structure_scale, 0, 1)
        elif self.becomes is not None and model.is_mini:
            object.__setattr__(self, "structure_scale", 1.0)
        for name in ("width", "height"):
            if getattr(self, name) == NATIVE:
                object.__setattr__(self, name, model.side_px)
        model.check_size(self.width, self.height)
        check_device(self.device)
        if self.dtype not in DTYPES:
            raise UserError(f"--dtype is {self.dtype!r}: expected one of {', '.join(DTYPES)}")
        object.__setattr__(self, "lora", tuple(self.lora))
        if self.palette is not None:
            _check_palette(self, model)
        _check_for_mini(self) if model.is_mini else _check_for_diffusion(self, model)

    @property
    def loaded_with(self) -> tuple[object, ...]:
        """The settings that decide which models are loaded, and how. Requests with equal ones share their models."""
        return (
            self.model, self.dtype, self.encoder, self.captioner, self.adapter, self.lora, self.quantize,
            self.attention_backend, self.cpu_offload, self.compile, self.layout, self.control, self.control_model,
            self.reference_as, self.style_image is not None, self.style_by, self.style_scale,
        )  # fmt: skip

    @property
    def pass_settings(self) -> tuple[object, ...]:
        """The settings that all rows of one sampling pass must share."""
        return (
            *self.loaded_with,
            self.steps,
            self.guidance_scale,
            self.relation_scale,
            self.strength,
            self.adapter_strength,
            self.retries,
        )

    @property
    def candidate_seeds(self) -> tuple[int, ...]:
        """One seed per candidate, counted up from `seed`; each of them makes its picture again."""
        return tuple((self.seed + number) % (MAX_SEED + 1) for number in range(self.candidates))


# Zero-width joiners, and the letters of flags such as Scotland's.
_JOINERS = dict.fromkeys([0x200C, 0x200D, *range(0xE0020, 0xE0080)])


def _checked_text(name: str, text: str | None) -> str | None:
    """The text with single spaces, after all checks; None stays None."""
    if text is None:
        return None
    flag, limit = "--" + name.replace("_", "-"), MAX_LENGTH[name]
    text = " ".join(text.split())
    if not text:
        raise UserError(f"{flag} is empty: give 1 to {limit} characters, or leave it out")
    if len(text) > limit:
        raise UserError(f"{flag} has {len(text)} characters, at most {limit} are allowed: shorten it")
    # Bytes of the command line that cannot be decoded become lone surrogates, which cannot be written to files. Joiners
    # are parts of emoji (an astronaut is a woman joined to a rocket) and of words in Persian and Hindi.
    if not text.translate(_JOINERS).isprintable() or any("\ud800" <= letter <= "\udfff" for letter in text):
        raise UserError(f"{flag} holds characters that cannot be shown: give plain text in UTF-8")
    return text


def _check_range(name: str, value: float | None, low: float, high: float) -> None:
    if value is not None and not (math.isfinite(value) and low <= value <= high):
        raise UserError(f"--{name} is {value}: expected {low} to {high}")


def _check_weights(request: Request) -> None:
    weights = request.reference_weights
    if not weights:
        return
    if len(weights) != len(request.references):
        raise UserError(
            f"{len(weights)} weights were given for {len(request.references)} references: give --reference-weight once "
            "for each, in the same order, or not at all"
        )
    for weight in weights:
        _check_range("reference-weight", weight, -10, 10)
    if max(weights) <= 0 and request.relation is None:
        raise UserError("--reference-weight: all weights steer away, and no relation is left to keep: give one above 0")


def _check_becomes(request: Request) -> None:
    for name in ("scene", "relation"):
        if getattr(request, name) is not None:
            raise UserError(
                f"--becomes says what to do by two pictures, and --{name} was given too: leave one of them out"
            )
    if len(request.references) != 1:
        raise UserError(
            f"--becomes shows what one reference becomes, and {len(request.references) or 'none'} "
            f"{'were' if len(request.references) > 1 else 'was'} given: name the picture before it with --reference"
        )
    if request.reference_as in ("flattened", "original"):
        raise UserError(
            f"--reference-as {request.reference_as} shows a reference, and --becomes makes a scene of its own: leave "
            "one of them out"
        )


def _check_palette(request: Request, model: Model) -> None:
    from analogen.relsim.world.palette import MADE_IN

    if request.palette not in MADE_IN:
        raise UserError(f"--palette is {request.palette!r}: expected one of {', '.join(MADE_IN)}")
    if not model.is_mini and not request.layout:
        raise UserError(f"--palette is of mini's drawings: add --layout, so that one guides {model.name}")


def _check_for_mini(request: Request) -> None:
    for name, nothing in DIFFUSION_ONLY.items():
        if getattr(request, name) != nothing:
            raise UserError(
                f"--{name.replace('_', '-')} is for diffusion models, and --model is mini: leave it out, or name a "
                "model of `analogen models`"
            )
    if request.style is not None:
        from analogen.relsim.world.art import STYLES

        if request.style not in STYLES:
            raise UserError(
                f"--style is {request.style!r}: mini draws in "
                f"{', '.join(STYLES[:-1])} or {STYLES[-1]}; other words need a diffusion model"
            )


def _check_for_diffusion(request: Request, model: Model) -> None:
    if request.structure_scale is not None and not request.layout:
        raise UserError(
            f"--structure-scale is for scenes that mini composes: add --layout, so that its scene guides {model.name}"
        )
    if request.svg:
        raise UserError(f"--svg needs --model mini, and {model.name} was given: leave one of them out")
    if request.subject_image is not None and not request.layout and not model.sees_pictures:
        raise UserError(
            "--subject-image is drawn by mini: add --layout, so that its scene guides the model, or name the subject "
            "with --subject"
        )
    if request.reference_as not in REFERENCE_AS:
        raise UserError(f"--reference-as is {request.reference_as!r}: expected one of {', '.join(REFERENCE_AS)}")
    if request.reference_as != "auto" and model.kind and not model.sees_pictures:
        raise UserError(f"--reference-as: {model.name} sees no picture, only words: leave it out, or take --layout")
    if request.reference_as in ("flattened", "original") and not request.references:
        given = "a scene has no pixels" if request.scene is not None else "none was given"
        raise UserError(
            f"--reference-as {request.reference_as} shows a reference, and {given}: name a picture with --reference"
        )
    if model.sees_pictures and request.layout is True:
        raise UserError(
            f"--layout drawn: {model.name} starts from no picture, it sees one: take --reference-as layout, or "
            "--layout boxes"
        )
    if request.layout == "boxes" and request.control is not None:
        raise UserError("--control makes a control image of a drawn layout: take --layout drawn, or leave it out")
    _check_style(request, model)
    if request.art is not None and not request.layout and not model.sees_pictures:
        raise UserError("--art is drawn by mini: add --layout, so that its scene guides the model, or leave it out")
    if request.control is not None and request.control not in CONTROLS:
        raise UserError(f"--control is {request.control!r}: expected one of {', '.join(CONTROLS)}")
    for name in ("control", "control_model", "strength"):
        if getattr(request, name) is not None and request.layout is not True:
            raise UserError(f"--{name.replace('_', '-')} needs a layout: add --layout")
    if request.control_model is not None and request.control is None:
        raise UserError(f"--control-model: add --control, one of {', '.join(CONTROLS)}, to say what it was trained on")
    if request.strength is not None and not 0 < request.strength <= 1:
        raise UserError(f"--strength is {request.strength}: expected more than 0, at most 1")
    if request.adapter_strength is not None and request.adapter is None:
        raise UserError("--adapter-strength needs an adapter: add --adapter")
    from analogen.pipelines.adapter.strength import Strength
    from analogen.pipelines.diffusion.runtime import Lora, RuntimeOptions

    try:
        Strength.parse(request.adapter_strength or "start=0")
        loras = tuple(Lora.parse(text) for text in request.lora)
        RuntimeOptions(request.attention_backend, request.cpu_offload, request.compile, request.quantize, loras)
    except ValueError as error:
        raise UserError(str(error)) from None


def _check_style(request: Request, model: Model) -> None:
    """Raises UserError for a model that cannot take a picture for its looks, saying which can."""
    if request.style_image is None:
        for name in ("style_by", "style_scale"):
            if getattr(request, name) != DIFFUSION_ONLY[name]:
                raise UserError(f"--{name.replace('_', '-')} is of a style picture: add --style-image")
        return
    from analogen.pipelines.diffusion.model_defaults import KINDS
    from analogen.pipelines.diffusion.style_choice import WAYS, way_of

    _check_range("style-scale", request.style_scale, 0, 1)
    if request.style_by not in WAYS:
        raise UserError(f"--style-by is {request.style_by!r}: expected one of {', '.join(WAYS)}")
    if model.sees_pictures:
        for name in ("style_by", "style_scale"):
            if getattr(request, name) != DIFFUSION_ONLY[name]:
                flag = name.replace("_", "-")
                raise UserError(
                    f"--{flag}: {model.name} sees the style picture itself, which has no strength: leave it out"
                )
    elif model.kind:
        try:
            way_of(model.kind, request.style_by, request.adapter is not None)
        except ValueError as error:
            raise UserError(str(error)) from None
    kind = next((kind for kind in KINDS if kind.name == model.kind), None)
    if kind is not None and not kind.style and kind.pictures < 2:
        able = ", ".join(kind.name for kind in KINDS if kind.style or kind.pictures > 1)
        raise UserError(f"--style-image: {kind.title} takes no second picture; these do: {able}")


@dataclass(frozen=True)
class Scores:
    """The scores of a candidate and their weighted sum.

    With mini's encoder the first three are calibrated probabilities, in [0, 1]; with others they are cosines.

    relation   That it has the relation.
    subject    That it shows the subject, and no other noun of the library.
    copy       That it has the looks of the reference; lower is better.
    total      The weighted sum, see `analogen.scoring.ScoreWeights`.
    structure  How much of counts, directions and places is kept, below 0 for little; 0 without a single reference.
    """

    relation: float
    subject: float
    copy: float
    total: float
    structure: float = 0.0

    def rounded(self) -> dict[str, float]:
        """The scores by name, rounded, for records and JSON."""
        return {name: round(value, 4) for name, value in asdict(self).items()}


@dataclass(frozen=True)
class Candidate:
    """One generated picture. rank: 0 is the best. svg: the layered drawing, None if it was not requested.

    reason: why it has its place, in a few words; "" where a stage of your own does not say.

    Of diffusion models only: read, what the scene reader finds in it; prompt, what it was made from; paint_seed, the
    seed of the painting where a retry took another one than for the layout.
    """

    image: Image
    seed: int
    scores: Scores
    rank: int
    scene: Scene | None = None
    svg: str | None = None
    read: ReadBack | None = None
    prompt: str | None = None
    paint_seed: int | None = None
    reason: str = ""


@dataclass(frozen=True)
class FoundRelation:
    """The relation that was found: the nearest anonymous caption, and the confidence in it, [0, 1]."""

    caption: str
    confidence: float


@dataclass(frozen=True)
class MadeScene:
    """The scene that a request with `becomes` is made of.

    note          What changed, and what it was made to.
    subject_part  The thing of `subject_image` that is the subject: left, top, right and bottom of its box as shares of
                  the picture, and its turn in degrees; None for the whole picture, or without one.
    """

    reading: SceneReading
    note: str
    subject_part: tuple[float, ...] | None = None


@dataclass(frozen=True)
class Result:
    """The result of a request. `candidates` are in order of rank; the first `num_images` are those to keep.

    subject  The name of what was drawn; another than the request's, if the library does not have that.
    notes    Lines for the user, such as a low confidence.
    seconds  Of each stage, and "total".
    made     The scene that was made, of a request with `becomes`; else None.
    """

    model: str
    subject: str
    relation: FoundRelation
    candidates: tuple[Candidate, ...]
    notes: tuple[str, ...] = ()
    seconds: dict[str, float] = field(default_factory=dict)
    made: MadeScene | None = None
