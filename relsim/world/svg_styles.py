"""The cascade of CSS in an SVG: which declarations hold for each element, in words that the rasteriser reads.

Style sheets, style attributes and presentation attributes are weighed as browsers do (tinycss2 parses, cssselect2
matches). Custom properties are followed, colours become sRGB, CSS transforms those of SVG. What is inherited stays to
be inherited: the rasteriser does that, through copies by <use> too.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import cssselect2
import tinycss2

from analogen.relsim.world.svg_colors import plain_color
from analogen.relsim.world.svg_transforms import svg_transform

MAX_RULES = 1000
MAX_MATCHES = 2_000_000  # rules times elements
MAX_SLOW_MATCHES = 200_000  # of selectors that look at many elements to judge one
MAX_VALUE = 8192  # characters of a value, its variables filled in
MAX_DEPTH = 32
MAX_NOTES = 6

PAINTS = frozenset({"fill", "stroke"})
COLORS = PAINTS | {"color", "stop-color", "flood-color"}
GEOMETRY = frozenset({"x", "y", "cx", "cy", "r", "rx", "ry", "width", "height"})
OPACITIES = frozenset({"opacity", "fill-opacity", "stroke-opacity", "stop-opacity", "flood-opacity"})
# What `initial` means, and an invalid value of a property that is not inherited.
INITIAL = {
    "fill": "#000000", "stroke": "none", "color": "#000000", "opacity": "1", "fill-opacity": "1", "stroke-opacity": "1",
    "stroke-width": "1", "stop-color": "#000000", "stop-opacity": "1", "flood-color": "#000000", "fill-rule": "nonzero",
    "clip-rule": "nonzero", "stroke-linecap": "butt", "stroke-linejoin": "miter", "stroke-dasharray": "none",
    "display": "inline", "visibility": "visible", "mask": "none", "filter": "none", "clip-path": "none",
    "transform": "none", "text-anchor": "start",
}  # fmt: skip
INHERITED = COLORS - {"stop-color", "flood-color"} | {
    "fill-opacity", "stroke-opacity", "stroke-width", "fill-rule", "clip-rule", "stroke-linecap", "stroke-linejoin",
    "stroke-dasharray", "visibility", "text-anchor",
}  # fmt: skip
MOVES = frozenset({"animation", "animation-name", "offset-path", "rotate", "scale", "translate"})
_SLOW = re.compile(r"~|:has|:nth|:last|:only|:first-of")

Tokens = Sequence[Any]
Style = dict[str, str]


@dataclass
class Notes:
    """What browsers draw and the rasteriser does not, each once, for a line to the user."""

    found: dict[str, None] = field(default_factory=dict)

    def add(self, what: str) -> None:
        self.found[" ".join(what.split())[:64]] = None

    def line(self, name: str) -> str | None:
        """One line, or None if there is nothing to say."""
        if not self.found:
            return None
        more = len(self.found) - MAX_NOTES
        rest = f" and {more} more" if more > 0 else ""
        return f"{name}: not drawn as in a browser: {', '.join(list(self.found)[:MAX_NOTES])}{rest}"


def cascade(
    root: ET.Element, size: tuple[float, float], known: frozenset[str], notes: Notes
) -> dict[ET.Element, Style]:
    """The declarations of each element by property; geometry and `transform` are meant as attributes.

    size: width and height of the canvas, of which percentages are taken. known: the properties that are kept.
    Raises ValueError if the style sheets have too many rules for so many elements.
    """
    matcher = _matcher(root, notes)
    found: dict[ET.Element, Style] = {}

    def visit(node: cssselect2.ElementWrapper, variables: Mapping[str, str]) -> None:
        element = node.etree_element
        declared = _declared(node, matcher, notes)
        variables = _with_variables(variables, declared)
        found[element] = _computed(element, declared, variables, size, known, notes)
        for child in node.iter_children():
            visit(child, variables)

    visit(cssselect2.ElementWrapper.from_xml_root(root), {})
    return found


def _matcher(root: ET.Element, notes: Notes) -> cssselect2.Matcher:
    matcher, rules, slow = cssselect2.Matcher(), 0, 0
    sheets = [element for element in root.iter() if element.tag.rpartition("}")[2] == "style"]
    for sheet in sheets:
        if not _holds_media(sheet.get("media", "")):
            continue
        text = sheet.text or ""
        if _is_deep(text):
            raise ValueError(f"its style sheets have brackets more than {MAX_DEPTH} deep: export it as plain SVG")
        nodes = tinycss2.parse_stylesheet(text, skip_comments=True, skip_whitespace=True)
        for prelude, content in _rules(nodes, notes, 0):
            selector_text = tinycss2.serialize(prelude).strip()
            try:
                selectors = cssselect2.compile_selector_list(prelude, {"svg": "http://www.w3.org/2000/svg"})
            except (cssselect2.SelectorError, ValueError, RecursionError):
                notes.add(f"the selector {selector_text}")
                continue
            rules += len(selectors)
            slow += len(selectors) if _SLOW.search(selector_text) else 0
            if rules > MAX_RULES:
                raise ValueError(
                    f"its style sheets have {rules} rules, at most {MAX_RULES} are read: export it as plain SVG"
                )
            declarations = list(_declarations(content, notes))
            for selector in selectors:
                if selector.pseudo_element is None:
                    matcher.add_selector(selector, declarations)
    count = sum(1 for _ in root.iter())
    if rules * count > MAX_MATCHES or slow * count > MAX_SLOW_MATCHES:
        raise ValueError(f"{rules} rules for {count} elements take too long to match: export it as plain SVG")
    return matcher


def _rules(nodes: Tokens, notes: Notes, depth: int) -> Iterator[tuple[Tokens, Tokens]]:
    """Selectors and contents of the rules that hold on a light screen."""
    for node in nodes:
        if node.type == "qualified-rule":
            yield node.prelude, node.content
        elif node.type == "at-rule":
            name = node.lower_at_keyword
            if name in ("media", "supports", "layer") and node.content is not None and depth < MAX_DEPTH:
                if name != "media" or _holds_media(tinycss2.serialize(node.prelude)):
                    inner = tinycss2.parse_rule_list(node.content, skip_comments=True, skip_whitespace=True)
                    yield from _rules(inner, notes, depth + 1)
            elif name not in ("charset", "namespace", "media"):
                notes.add("animations" if name.endswith("keyframes") else f"@{name}")


def _is_deep(text: str) -> bool:
    """Whether brackets lie in brackets beyond MAX_DEPTH; the parser goes as deep as they do."""
    depth = 0
    for bracket in re.findall(r"[(\[{)\]}]", text):
        depth = depth + 1 if bracket in "([{" else max(depth - 1, 0)
        if depth > MAX_DEPTH:
            return True
    return False


def _holds_media(query: str) -> bool:
    """Whether a media query holds for a still picture on a light screen; any condition but the scheme does not."""
    for part in query.lower().split(","):
        words = [w.strip() for w in part.replace("only ", "").split(" and ")]
        if all(w in ("", "all", "screen") or "prefers-color-scheme:light" in w.replace(" ", "") for w in words):
            return True
    return False


@dataclass(frozen=True)
class _Declaration:
    value: Tokens
    from_css: bool  # not a presentation attribute


def _declarations(content: Tokens | str, notes: Notes) -> Iterator[tuple[str, Tokens, bool]]:
    for node in tinycss2.parse_blocks_contents(content, skip_comments=True, skip_whitespace=True):
        if node.type == "declaration":
            name = node.name if node.name.startswith("--") else node.lower_name
            if len(tinycss2.serialize(node.value)) <= MAX_VALUE:
                yield name, node.value, node.important
        elif node.type == "qualified-rule":
            notes.add("nested rules")


def _declared(
    node: cssselect2.ElementWrapper, matcher: cssselect2.Matcher, notes: Notes
) -> dict[str, list[_Declaration]]:
    """The declarations of an element by property, the weakest first."""
    element = node.etree_element
    layers: dict[str, list[_Declaration]] = {}
    important: dict[str, list[_Declaration]] = {}
    for key, text in element.attrib.items():
        if (key in COLORS or "var(" in text) and not _is_deep(text):
            layers[key] = [_Declaration(tinycss2.parse_component_value_list(text[:MAX_VALUE]), False)]
    rules = [entry for match in matcher.match(node) for entry in match[3]]
    own = element.get("style", "")
    rules += _declarations("" if _is_deep(own) else own, notes)
    for name, value, is_important in rules:
        (important if is_important else layers).setdefault(name, []).append(_Declaration(value, True))
    for name, values in important.items():
        layers.setdefault(name, []).extend(values)
    return layers


def _with_variables(inherited: Mapping[str, str], declared: Mapping[str, list[_Declaration]]) -> Mapping[str, str]:
    own = {name: values[-1].value for name, values in declared.items() if name.startswith("--")}
    if not own:
        return inherited
    found = dict(inherited)
    for name in own:
        found.pop(name, None)

    def resolve(name: str, open_names: frozenset[str]) -> str | None:
        if name in found:
            return found[name]
        if name not in own or name in open_names or len(open_names) > MAX_DEPTH:
            return None
        text = _text(own[name], lambda other: resolve(other, open_names | {name}))
        if text is not None and len(text) <= MAX_VALUE:
            found[name] = text.strip()
            return found[name]
        return None

    for name in own:
        resolve(name, frozenset())
    return found


def _text(tokens: Tokens, variable: Any, depth: int = 0) -> str | None:
    """The tokens as text with var() filled in; None if one has neither a value nor a fallback."""
    if depth > MAX_DEPTH:
        return None
    parts: list[str] = []
    for token in tokens:
        if token.type == "function" and token.lower_name == "var":
            names = [t for t in token.arguments if t.type not in ("whitespace", "comment")]
            value = variable(names[0].value) if names and names[0].type == "ident" else None
            if value is None:
                comma = next((i for i, t in enumerate(token.arguments) if t == ","), None)
                value = None if comma is None else _text(token.arguments[comma + 1 :], variable, depth + 1)
            if value is None:
                return None
            parts.append(value)
        elif token.type in ("function", "() block"):
            inner = _text(token.arguments if token.type == "function" else token.content, variable, depth + 1)
            if inner is None:
                return None
            parts.append(f"{token.name if token.type == 'function' else ''}({inner})")
        elif token.type != "comment":
            parts.append(token.serialize())
        if sum(map(len, parts)) > MAX_VALUE:
            return None
    return "".join(parts)


def _computed(
    element: ET.Element,
    declared: Mapping[str, list[_Declaration]],
    variables: Mapping[str, str],
    size: tuple[float, float],
    known: frozenset[str],
    notes: Notes,
) -> Style:
    style: Style = {}
    for name, values in declared.items():
        if name.startswith("--"):
            continue
        for declaration in reversed(values):  # an invalid value leaves the one before it in force
            has_variable = any(t.type == "function" for t in declaration.value) and "var(" in tinycss2.serialize(
                declaration.value
            )
            text = _text(declaration.value, variables.get)
            kept = None if text is None else _kept(name, text.strip(), declaration.from_css, size, known, notes)
            if kept is not None:
                style.update(kept)
                break
            if has_variable:  # invalid only now: as if it were unset
                style[name] = "inherit" if name in INHERITED else INITIAL.get(name, "")
                break
    origin = style.pop("transform-origin", None) or element.get("transform-origin")
    box = style.pop("transform-box", "view-box")
    transform = style.get("transform", element.get("transform", ""))
    if transform and origin and transform != "none":
        if box == "view-box":
            style["transform"] = svg_transform(transform, size, origin) or transform
        else:
            notes.add(f"transform-box: {box}")
    return {name: value for name, value in style.items() if value}


def _kept(
    name: str, text: str, from_css: bool, size: tuple[float, float], known: frozenset[str], notes: Notes
) -> Style | None:
    """The declaration in plain words; {} for what is not known, None for an invalid value."""
    lower = text.lower()
    if name in MOVES and lower != "none":
        notes.add("animations" if name.startswith("animation") else name)
        return {}
    if name == "font":
        return _font(text)
    if name == "marker":
        return {f"marker-{place}": text for place in ("start", "mid", "end")}
    if name == "d":
        path = re.fullmatch(r"""path\(\s*(["'])([^"']*)\1\s*\)""", text)
        return {"d": path[2]} if path else None
    if name not in known and name not in GEOMETRY and name not in ("transform-box", "transform-origin"):
        return {}
    if lower in ("initial", "unset", "revert", "revert-layer"):
        unset = lower != "initial" and name in INHERITED
        return {name: "inherit" if unset else INITIAL.get(name, "")}
    if lower == "inherit":
        return {name: "inherit"}
    if name in COLORS:
        if name in PAINTS and re.match(r"url\(\s*[\"']?[^#\"'\s]", text, re.IGNORECASE):
            notes.add(f"a {name} from another file")
            return {name: "none"}
        paint = _paint(name, text)
        if paint is None and lower:
            notes.add(f"{name}: {text}")
        return None if paint is None else {name: paint}
    if name in GEOMETRY:
        return {name: lower.removesuffix("px")} if re.fullmatch(r"-?[\d.]+(e-?\d+)?(px|%)?", lower) else None
    if name in OPACITIES and lower.endswith("%"):
        return {name: f"{float(lower[:-1]) / 100:g}"} if re.fullmatch(r"[\d.]+%", lower) else None
    if name == "transform" and from_css and lower != "none":
        transform = svg_transform(text, size)
        if transform is None:
            notes.add(f"transform: {text}")
        return None if transform is None else {name: transform}
    if name in ("clip-path", "mask") and re.match(r"(circle|ellipse|inset|polygon|path|rect|xywh|linear-)", lower):
        notes.add(f"{name}: {text}")
        return {}
    if "calc(" in lower:
        notes.add(f"{name}: {text}")
        return {}
    return {name: text}


def _paint(name: str, text: str) -> str | None:
    lower = text.lower()
    if name in PAINTS:
        if lower in ("none", "context-fill", "context-stroke"):
            return lower
        reference = re.match(r"url\([^)]*\)", text)
        if reference is not None:
            rest = text[reference.end() :].strip()
            fallback = "none" if rest.lower() == "none" else plain_color(rest) if rest else ""
            return None if fallback is None else f"{reference[0]} {fallback}".strip()
    return plain_color(text)


def _font(text: str) -> Style | None:
    """The parts of the shorthand `font`."""
    match = re.fullmatch(
        r"(?P<before>(?:[\w-]+\s+)*)(?P<size>[\d.]+(?:px|pt|em|rem|%)?)(?:\s*/\s*[\w.%]+)?\s+(?P<family>[^;]+)", text
    )
    if match is None:
        return None
    style: Style = {"font-size": match["size"], "font-family": match["family"]}
    for word in match["before"].lower().split():
        if word in ("italic", "oblique"):
            style["font-style"] = word
        elif word in ("bold", "bolder", "lighter") or word.isdigit():
            style["font-weight"] = word
    return style
