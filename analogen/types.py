"""The plain values that the stages of a call hand to each other. Imports neither torch nor Pillow."""

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

    from analogen.relsim.world.scene import Scene

MAX_SEED = 2**63 - 1
MAX_IMAGES = 256
MAX_REFERENCES = 64
NATIVE = -1  # as width or height: what the model makes best
DTYPES = ("auto", "float32", "bfloat16", "float16")
# Longest texts, in characters. A subject is a name; the others are sentences.
MAX_LENGTH = {"subject": 200, "other": 200, "relation": 1000, "negative_prompt": 1000, "style": 100}
# What a big model takes and mini does not, with the values that say nothing.
DIFFUSION_ONLY = {
    "layout": False, "encoder": None, "captioner": None, "adapter": None, "adapter_strength": None,
    "lora": (), "control": None, "control_model": None, "strength": None, "quantize": None, "attention_backend": None,
    "cpu_offload": None, "compile": False,
}  # fmt: skip
CONTROLS = ("scribble", "canny", "depth")


def random_seed() -> int:
    """A fresh seed, small enough to type and to survive tools that keep numbers as doubles."""
    return secrets.randbelow(2**32)


@dataclass(frozen=True)
class Request:
    """One asset to make. Every field is checked when the request is made.

    references       Pictures whose relational logic is kept; with `relation` (words) at least one is needed.
    reference_weights  One for each reference, [-10, 10]; negative ones steer away. Empty: all the same.
    subject          What the picture is to show; with `subject_image` (PNG with alpha, picture, SVG) its name.
    other            The second thing of two-thing relations; None picks a fitting one.
    style            Art family, None picks one; for big models words that end the prompt.
    num_images       How many of the `candidates` are kept, the best ones. 1 <= num_images <= candidates <= 256.
    seed             Of the first candidate, [0, 2**63 - 1]; drawn at random if not given.
    steps            [1, 1000], guidance_scale [0, 100]: None means the model's own defaults.
    relation_scale   [0, 10]; 0 makes the picture as if no relation had been given.
    width, height    Pixels, within what the model can make (64 to 4096 for mini); NATIVE for its own.
    model            A name of `analogen models`, a folder of a diffusers pipeline, or a hub id.
    device           "auto", "cpu", "cuda", "cuda:N" or "mps"; dtype: one of DTYPES.

    For big models alone, None or empty where not wanted:
    encoder, captioner  Who reads the references: "mini", a folder or a hub id; None picks by the device.
    adapter          Folder of a relational adapter for the model.
    adapter_strength  When and in which blocks it acts, see analogen.pipelines.adapter.strength.Strength.parse;
                     how strongly in all is relation_scale.
    layout           mini's scene is the starting picture, or the control image that `control` names.
    control          One of CONTROLS; control_model: folder or hub id of a ControlNet, None for a known one.
    strength         How far a start is painted over, or how strictly a control is followed, (0, 1].
    lora             PATH or PATH:SCALE each, at most eight.
    quantize, attention_backend, cpu_offload, compile   See analogen.pipelines.diffusion.runtime.Running.

    Raises UserError for anything else.
    """

    references: tuple[Path, ...] = ()
    reference_weights: tuple[float, ...] = ()
    relation: str | None = None
    subject: str | None = None
    subject_image: Path | None = None
    other: str | None = None
    style: str | None = None
    negative_prompt: str | None = None
    svg: bool = False
    layout: bool = False
    num_images: int = 1
    candidates: int = 4
    seed: int = field(default_factory=random_seed)
    model: str = "mini"
    steps: int | None = None
    guidance_scale: float | None = None
    relation_scale: float = 1.0
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

    def __post_init__(self) -> None:
        for name in MAX_LENGTH:
            object.__setattr__(self, name, _checked_text(name, getattr(self, name)))
        if not self.references and self.relation is None:
            raise UserError(
                "nothing says which relation to keep: give a picture with --reference, or words with --relation"
            )
        if len(self.references) > MAX_REFERENCES:
            raise UserError(f"{len(self.references)} references came, at most {MAX_REFERENCES} are read: give fewer")
        object.__setattr__(self, "reference_weights", tuple(self.reference_weights))
        _check_weights(self)
        if self.subject is None and self.subject_image is None:
            raise UserError("no subject came: name one with --subject, or give its picture with --subject-image")
        model = find_model(self.model)
        _check_range("num-images", self.num_images, 1, MAX_IMAGES)
        _check_range("candidates", self.candidates, self.num_images, MAX_IMAGES)
        _check_range("seed", self.seed, 0, MAX_SEED)
        _check_range("steps", self.steps, 1, 1000)
        _check_range("guidance-scale", self.guidance_scale, 0, 100)
        _check_range("relation-scale", self.relation_scale, 0, 10)
        for name in ("width", "height"):
            if getattr(self, name) == NATIVE:
                object.__setattr__(self, name, model.side_px)
        model.check_size(self.width, self.height)
        check_device(self.device)
        if self.dtype not in DTYPES:
            raise UserError(f"--dtype is {self.dtype!r}: expected one of {', '.join(DTYPES)}")
        object.__setattr__(self, "lora", tuple(self.lora))
        _check_for_mini(self) if model.is_mini else _check_for_diffusion(self, model)

    @property
    def loaded_with(self) -> tuple[object, ...]:
        """What decides which models are loaded, and how: requests that agree in it share them."""
        return (
            self.model, self.dtype, self.encoder, self.captioner, self.adapter, self.lora, self.quantize,
            self.attention_backend, self.cpu_offload, self.compile, self.layout, self.control, self.control_model,
        )  # fmt: skip

    @property
    def pass_settings(self) -> tuple[object, ...]:
        """What all rows of one sampling pass share."""
        return (
            *self.loaded_with,
            self.steps,
            self.guidance_scale,
            self.relation_scale,
            self.strength,
            self.adapter_strength,
        )

    @property
    def candidate_seeds(self) -> tuple[int, ...]:
        """One seed per candidate: `seed` itself for the first, so that any of them alone makes its picture again."""
        return tuple((self.seed + number) % (MAX_SEED + 1) for number in range(self.candidates))


def _checked_text(name: str, text: str | None) -> str | None:
    """The text with runs of white space made one space; None stays None."""
    if text is None:
        return None
    flag, limit = "--" + name.replace("_", "-"), MAX_LENGTH[name]
    text = " ".join(text.split())
    if not text:
        raise UserError(f"{flag} is empty: give 1 to {limit} characters, or leave it out")
    if len(text) > limit:
        raise UserError(f"{flag} has {len(text)} characters, at most {limit} are read: shorten it")
    # Undecodable bytes of a command line arrive as lone surrogates, which no file or terminal takes.
    if not text.isprintable() or any("\ud800" <= letter <= "\udfff" for letter in text):
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
            f"{len(weights)} weights came for {len(request.references)} references: give --reference-weight once for "
            "each, in their order, or not at all"
        )
    for weight in weights:
        _check_range("reference-weight", weight, -10, 10)
    if max(weights) <= 0 and request.relation is None:
        raise UserError("--reference-weight: all steer away, and nothing says what to keep: give one above 0")


def _check_for_mini(request: Request) -> None:
    for name, nothing in DIFFUSION_ONLY.items():
        if getattr(request, name) != nothing:
            raise UserError(
                f"--{name.replace('_', '-')} is for big models, and --model is mini: leave it out, or name a model of "
                "`analogen models`"
            )


def _check_for_diffusion(request: Request, model: Model) -> None:
    if request.svg:
        raise UserError(f"--svg: {model.name} paints pixels: leave it out, or take --model mini")
    if request.subject_image is not None and not request.layout:
        raise UserError(
            "--subject-image is drawn by mini: add --layout, so that its scene guides the model, or name the subject "
            "with --subject"
        )
    if model.edits and not request.references:
        raise UserError(f"{model.name} edits a reference, and none came: give a picture with --reference")
    if model.edits and request.layout:
        raise UserError(f"--layout: {model.name} edits the reference itself: leave it out")
    if request.control is not None and request.control not in CONTROLS:
        raise UserError(f"--control is {request.control!r}: expected one of {', '.join(CONTROLS)}")
    for name in ("control", "control_model", "strength"):
        if getattr(request, name) is not None and not request.layout:
            raise UserError(f"--{name.replace('_', '-')} says how mini's scene is used: add --layout")
    if request.control_model is not None and request.control is None:
        raise UserError(f"--control-model: add --control, one of {', '.join(CONTROLS)}, to say what it was trained on")
    if request.strength is not None and not 0 < request.strength <= 1:
        raise UserError(f"--strength is {request.strength}: expected more than 0, at most 1")
    if request.adapter_strength is not None and request.adapter is None:
        raise UserError("--adapter-strength says when and where an adapter acts, and none came: add --adapter")
    from analogen.pipelines.adapter.strength import Strength
    from analogen.pipelines.diffusion.runtime import Lora, Running

    try:
        Strength.parse(request.adapter_strength or "start=0")
        loras = tuple(Lora.parse(text) for text in request.lora)
        Running(request.attention_backend, request.cpu_offload, request.compile, request.quantize, loras)
    except ValueError as error:
        raise UserError(str(error)) from None


@dataclass(frozen=True)
class Scores:
    """Relation kept, subject shown and structure kept (higher is better), looks copied (lower is better), and their
    weighed sum. structure: counts, directions and the like of the one reference; 0 where it is not read."""

    relation: float
    subject: float
    copy: float
    total: float
    structure: float = 0.0

    def rounded(self) -> dict[str, float]:
        """As records and answers give them."""
        return {name: round(value, 4) for name, value in asdict(self).items()}


@dataclass(frozen=True)
class Candidate:
    """One generated picture. `rank`: 0 is the best; `svg`: the layered drawing, if it was asked for."""

    image: Image
    seed: int
    scores: Scores
    rank: int
    scene: Scene | None = None
    svg: str | None = None


@dataclass(frozen=True)
class FoundRelation:
    """What was understood: the nearest anonymous caption, and how near ([0, 1]) to what the encoder knows."""

    caption: str
    confidence: float


@dataclass(frozen=True)
class Result:
    """What a run gives back. All `candidates` stand in rank order; the first `num_images` are the ones to keep.

    subject  The name that was drawn (the near icon's, if the library has no art of the very word).
    notes    Lines for the user, such as a low confidence. seconds: per stage, and "total".
    """

    model: str
    subject: str
    relation: FoundRelation
    candidates: tuple[Candidate, ...]
    notes: tuple[str, ...] = ()
    seconds: dict[str, float] = field(default_factory=dict)
