"""The pictures beside the reference, and whether a model can take each: the looks, the subject, the change."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from analogen import Request, UserError, find_model
from analogen.demos.messages import page_sentence


@dataclass(frozen=True)
class Role:
    """A picture that a run can have beside its references.

    name: the field of a request; label, info: what the page says; in_mini: what mini has in its place, "" if it takes
    the picture.
    """

    name: str
    label: str
    info: str
    in_mini: str = ""

    def refusal(self, model: str) -> str:
        """Why a model cannot take a picture in this role, as one sentence; "" if it can."""
        picture = Path("picture.png")
        if self.in_mini and find_model(model).is_mini:
            return self.in_mini
        given = {"relation": "a ring of {subject}"} if self.name != "becomes" else {"references": (picture,)}
        try:
            Request(subject="bicycle", model=model, **given, **{self.name: picture})  # type: ignore[arg-type]
        except UserError as error:
            return page_sentence(str(error))
        return ""


SUBJECT = Role("subject_image", "Your own picture of the subject", "A cut-out, an SVG, or a photo on a plain ground.")
STYLE = Role(
    "style_image", "A picture whose looks to take", "Its colours, materials and way of drawing.",
    "mini draws in styles of its own: choose one above. The looks of a picture need a diffusion model.",
)  # fmt: skip
BECOMES = Role(
    "becomes", "What the reference becomes", "The same change is made to your subject: A is to A' as B is to what?"
)
