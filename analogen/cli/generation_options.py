"""Shared options of `analogen generate` and `analogen batch`: how pictures are made."""

from __future__ import annotations

import click

from analogen.cli.common_options import DEVICE_HELP, DTYPE_HELP, combined
from analogen.models import MODELS
from analogen.pipelines.diffusion.runtime import ATTENTION, OFFLOADS, QUANTIZATIONS
from analogen.pipelines.diffusion.style_choice import WAYS
from analogen.relsim.world.palette import MADE_IN
from analogen.types import CONTROLS, DTYPES, LAYOUTS, NATIVE, REFERENCE_AS


def _note_no_layout(context: click.Context, _: click.Parameter, given: bool) -> None:
    if given:
        context.meta["analogen.no_layout"] = True


def _layout(context: click.Context, _: click.Parameter, value: str | None) -> bool | str:
    """As `Request.layout`: True for a drawn one."""
    if value is None or context.meta.get("analogen.no_layout"):
        return False
    return True if value == "drawn" else value


settings_options = combined(
    click.option(
        "--art",
        metavar="DIR",
        type=click.Path(),
        help="Folder of your own cut-outs (PNG, WebP, SVG, named by their files or a table names.csv), or a library of "
        "`analogen art add`. --subject and --other are looked for there first, then among the shipped drawings.",
    ),
    click.option(
        "--style",
        metavar="NAME",
        help="Style of mini's drawings: noto, fluent-flat, fluent-color, 3d, clip-art or silhouette. Things "
        "that a style lacks are drawn in another.  [default: noto or fluent-flat, by seed]  "
        "With a diffusion model: any words, added to the prompt.",
    ),
    click.option(
        "--palette",
        metavar="NAME",
        help=f"Colours of mini's grounds and props: {', '.join(MADE_IN)}.  [default: one of them, by seed]",
    ),
    click.option("--svg/--no-svg", default=False, help="Also write a layered SVG beside each PNG. Only with mini."),
    click.option(
        "--num-images",
        type=int,
        default=1,
        show_default=True,
        help="How many pictures to keep, 1 to 256: the best candidates.",
    ),
    click.option(
        "--candidates",
        type=int,
        default=4,
        show_default=True,
        help="How many pictures to make and score. The best are kept.",
    ),
    click.option(
        "--model",
        metavar="NAME",
        default="mini",
        show_default=True,
        help=f"Model that makes the pictures: {', '.join(model.name for model in MODELS)}; or the folder or hub id of "
        "a diffusers pipeline. `analogen models` lists them.",
    ),
    click.option("--steps", type=int, help="How many sampling steps to take.  [default: the model's own, 24 for mini]"),
    click.option(
        "--guidance-scale",
        type=float,
        help="With mini: how strictly to follow the relation. With a diffusion model: the prompt.  [default: the "
        "model's own]  --relation-scale says how much of the relation the model is given at all.",
    ),
    click.option(
        "--relation-scale",
        type=float,
        default=1.0,
        show_default=True,
        help="How strongly the relation counts. With 0 the reference is ignored.",
    ),
    click.option(
        "--structure-scale",
        metavar="F",
        type=float,
        help="How closely the arrangement of a single reference is kept: 0 keeps only its logic, 1 its very "
        "arrangement with the new subject in it.  [default: the less certain the relation is, the closer]",
    ),
    click.option(
        "--negative-prompt",
        metavar="TEXT",
        help='What the picture should not show, for example "text, frame". mini ignores it, with a note.',
    ),
    click.option("--width", type=int, default=NATIVE, help="Width in pixels, 64 to 4096.  [default: the model's own]"),
    click.option(
        "--height", type=int, default=NATIVE, help="Height in pixels, 64 to 4096.  [default: the model's own]"
    ),
    click.option("--device", default="auto", show_default=True, help=DEVICE_HELP),
    click.option("--dtype", type=click.Choice(DTYPES), default="auto", show_default=True, help=DTYPE_HELP),
    click.option(
        "--metadata/--no-metadata",
        default=True,
        show_default=True,
        help="Write settings, scores and seed into the PNG, so that --recall can make the picture again.",
    ),
    # For diffusion models only
    click.option(
        "--encoder",
        metavar="NAME",
        help="Encoder that reads the reference: mini, a folder or a hub id.  [default: mini on a CPU, else "
        "thaoshibe/relsim-qwenvl25-lora]",
    ),
    click.option(
        "--captioner",
        metavar="NAME",
        help="Captioner that puts the relation into words: mini, a folder or a hub id.  [default: mini on a CPU, else "
        "thaoshibe/relsim-anonymous-caption-qwen25vl-lora]",
    ),
    click.option(
        "--adapter",
        metavar="DIR",
        help="Folder of a relational adapter that was trained for the model, see docs/big_models.md.",
    ),
    click.option(
        "--adapter-strength",
        metavar="TEXT",
        help="When and in which blocks the adapter acts, for example "
        "start=0.2,end=0.8,ease=out,up_blocks.1=0.5,rest=0. See docs/big_models.md.",
    ),
    click.option("--no-layout", is_flag=True, is_eager=True, expose_value=False, hidden=True, callback=_note_no_layout),
    click.option(
        "--layout",
        type=click.Choice(LAYOUTS),
        is_flag=False,
        flag_value="drawn",
        callback=_layout,
        help="Let mini compose a scene, or take that of --scene, and guide the model by it. drawn: as its starting "
        "picture, or, with --control, its control image; also meant by --layout alone. boxes: as boxes in the prompt "
        "of FLUX.3, Ideogram 4 and FIBO 2; to others it is told in words.",
    ),
    click.option(
        "--reference-as",
        type=click.Choice(REFERENCE_AS),
        default="auto",
        show_default=True,
        help="What a model that sees pictures is shown of the reference. layout: mini's drawing of its logic with the "
        "new subject; flattened: flat greys, without colours and textures; original: the reference itself, whose looks "
        "then leak into the result. auto: layout, or flattened where mini is not sure of the logic.",
    ),
    click.option(
        "--style-by",
        type=click.Choice(WAYS),
        default="auto",
        show_default=True,
        help="How FLUX.1 takes --style-image: by an IP-Adapter, or by Redux, which also goes with --adapter. auto: the "
        "first, or the second with --adapter.",
    ),
    click.option(
        "--style-scale",
        type=float,
        metavar="F",
        help="How much of the looks of --style-image, 0 to 1; at 0.5 prompt and picture are balanced. For models that "
        "take it by an adapter or Redux.  [default: 0.5]",
    ),
    click.option(
        "--retries",
        type=int,
        default=0,
        show_default=True,
        help="How often to make pictures anew that do not show the layout, as read back by mini, 0 to 10. Only the "
        "stage that failed gets new seeds. Only with diffusion models.",
    ),
    click.option(
        "--control",
        type=click.Choice(CONTROLS),
        help="With --layout: turn the scene into a control image of this kind, for a ControlNet.",
    ),
    click.option(
        "--control-model",
        metavar="NAME",
        help="With --control: folder or hub id of the ControlNet.  [default: a known one for the model]",
    ),
    click.option(
        "--strength",
        type=float,
        help="With --layout: how much the starting picture is changed; with --control: how closely the control image "
        "is followed. 0 to 1.  [default: 0.75, with --control 0.8]",
    ),
    click.option(
        "--lora",
        metavar="PATH[:SCALE]",
        multiple=True,
        help="A LoRA and its scale, for example my-style:0.8. May be given several times.",
    ),
    click.option(
        "--quantize",
        type=click.Choice(QUANTIZATIONS),
        help="Keep large weights in 8 or 4 bits, which saves memory. Needs bitsandbytes.",
    ),
    click.option(
        "--attention-backend",
        metavar="NAME",
        type=click.Choice(ATTENTION),
        help=f"Attention kernel: {', '.join(name for name in ATTENTION if not name.startswith('_'))}.  [default: "
        "PyTorch's own]",
    ),
    click.option(
        "--cpu-offload",
        type=click.Choice(OFFLOADS),
        help="Save memory. model: only one model is on the GPU at a time; sequential: only one layer, which is very "
        "slow.",
    ),
    click.option(
        "--compile/--no-compile",
        default=False,
        help="Compile the model first. Slow to start, faster for many pictures.",
    ),
)
