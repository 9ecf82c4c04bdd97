"""Names the parts of compositions in words, and makes captions of them.

An arrangement has whole phrases; the other parts have clauses that follow it. {way} is how the arrangement is read.
Every phrase belongs to one part only, so captions tell compositions apart. The first of each is the plainest.
"""

from __future__ import annotations

WAYS: dict[str, str] = {
    "row": "from left to right", "column": "from top to bottom", "falling": "on the way down",
    "rising": "on the way up", "arch": "from left to right", "bowl": "from left to right", "ring": "clockwise",
    "double_ring": "clockwise", "spiral": "outwards", "lattice": "in reading order", "bricks": "in reading order",
    "pyramid": "from top to bottom", "funnel": "from top to bottom", "wedge": "from the tip backwards",
    "plus": "from the middle outwards", "saltire": "from the middle outwards", "wave": "from left to right",
    "zigzag": "from left to right", "square": "clockwise", "triangle": "clockwise", "nest": "inwards",
}  # fmt: skip

ARRANGED: dict[str, tuple[str, ...]] = {
    "single": (
        "a single {subject}", "one {subject} alone", "a lone {subject}", "just one {subject}",
        "{subject} all by itself", "{subject} alone in the picture, with no other of its kind beside it",
    ),
    "facing_pair": (
        "two {subject} face to face", "a pair of {subject} turned toward each other", "{subject} facing its double",
        "{subject} and its mirror image, looking at each other", "two {subject} meeting",
        "two equal {subject} side by side, the left one and the right one turned to each other",
    ),
    "back_to_back": (
        "two {subject} back to back", "a pair of {subject} turned away from each other",
        "{subject} with its back to its double", "two {subject} parting",
        "{subject} and its mirror image, looking away from each other",
        "two equal {subject} side by side, the left one turned to the left and the right one turned to the right",
    ),
    "row": (
        "a row of {subject}", "{subject} in a row", "{subject} side by side in a line", "a level line of {subject}",
        "{subject} lined up next to each other", "several {subject} next to one another in one straight level row",
    ),
    "column": (
        "a column of {subject}", "{subject} in a column", "{subject} one below the other",
        "an upright line of {subject}", "{subject} lined up vertically",
        "several {subject} one beneath another in one straight upright column",
    ),
    "falling": (
        "a falling diagonal of {subject}", "{subject} on a diagonal going down",
        "{subject} in a slanting line from the upper left to the lower right", "{subject} like steps leading down",
        "a descending line of {subject}", "several {subject} along a straight slope that falls from left to right",
    ),
    "rising": (
        "a rising diagonal of {subject}", "{subject} on a diagonal going up",
        "{subject} in a slanting line from the lower left to the upper right", "{subject} like steps leading up",
        "an ascending line of {subject}", "several {subject} along a straight slope that rises from left to right",
    ),
    "arch": (
        "an arch of {subject}", "{subject} in an arch", "{subject} forming a rainbow's bow",
        "{subject} along an arc that is high in the middle", "a bridge-like arc of {subject}",
        "several {subject} along a curve that climbs to its top in the middle and comes down again",
    ),
    "bowl": (
        "a hanging arc of {subject}", "{subject} in a smile's curve", "{subject} strung like a hanging chain",
        "{subject} along an arc that is low in the middle", "a garland of {subject}",
        "several {subject} along a curve that sinks to its lowest point in the middle and climbs again",
    ),
    "ring": (
        "a ring of {subject}", "{subject} in a ring", "{subject} arranged in a circle", "a circle of {subject}",
        "{subject} placed round like the hours of a clock",
        "many {subject} spaced evenly along a circle around an empty middle",
    ),
    "double_ring": (
        "two rings of {subject}", "{subject} in two rings", "a ring of {subject} within a ring of {subject}",
        "{subject} in an inner and an outer circle", "a double circle of {subject}",
        "many {subject} on two circles about one centre, an outer one and a smaller one inside it",
    ),
    "spiral": (
        "a coil of {subject}", "{subject} in a spiral", "{subject} coiling out from the middle",
        "{subject} wound up like a snail's shell", "a swirl of {subject}",
        "many {subject} on a curve that winds about the centre more than once, farther out with every turn",
    ),
    "lattice": (
        "a grid of {subject}", "{subject} in rows and columns", "{subject} in rank and file",
        "a rectangular array of {subject}", "{subject} repeated evenly across and down",
        "many {subject} in straight rows and straight columns with the same gap between all neighbours",
    ),
    "bricks": (
        "staggered rows of {subject}", "{subject} laid like bricks", "{subject} in shifted rows",
        "a brick pattern of {subject}", "rows of {subject}, every second row moved by half a step",
        "many {subject} in level rows, each row shifted against the next so that things stand above the gaps",
    ),
    "pyramid": (
        "a pyramid of {subject}", "{subject} in a pyramid", "{subject} stacked up to a point",
        "a triangular stack of {subject}", "rows of {subject}, one more in each row below",
        "many {subject} in rows, a single one on top and one more in every row beneath it",
    ),
    "funnel": (
        "a pyramid of {subject} standing on its tip", "{subject} in a triangle that points down",
        "{subject} narrowing row by row to one at the bottom", "a funnel of {subject}",
        "rows of {subject}, one fewer in each row below",
        "many {subject} in rows, a long one on top and one fewer in every row beneath it, down to a single one",
    ),
    "wedge": (
        "{subject} in V formation", "a V of {subject}", "{subject} in a wedge like wild geese",
        "an arrowhead of {subject}", "two slanting lines of {subject} that meet at a tip",
        "one {subject} at the tip and the others behind it in two even lines that open like a V",
    ),
    "plus": (
        "a plus sign of {subject}", "{subject} in an upright cross", "{subject} laid out as a plus",
        "four arms of {subject}, up, down, left and right", "{subject} forming an upright cross",
        "several {subject} on a level line and an upright line that cross in the middle",
    ),
    "saltire": (
        "an X of {subject}", "{subject} in a diagonal cross", "{subject} laid out as an X",
        "four arms of {subject} toward the four corners", "{subject} forming a slanting cross",
        "several {subject} on two diagonals that cross in the middle",
    ),
    "wave": (
        "a wave of {subject}", "{subject} in a wavy line", "{subject} along a wave",
        "{subject} gently rising and falling", "an undulating line of {subject}",
        "many {subject} on a smooth line that swings up and down from left to right",
    ),
    "zigzag": (
        "a zigzag of {subject}", "{subject} in a zigzag", "{subject} up and down in turn",
        "{subject} along a jagged line", "a line of {subject}, every second one lower",
        "several {subject} from left to right that stand high and low in strict turns",
    ),
    "square": (
        "a square outline of {subject}", "{subject} along the sides of a square", "a square frame made of {subject}",
        "{subject} around an empty square", "four straight sides of {subject} that form a square",
        "many {subject} spaced evenly along the four edges of a square whose inside stays empty",
    ),
    "triangle": (
        "a triangle outline of {subject}", "{subject} along the sides of a triangle",
        "a triangular frame made of {subject}", "{subject} around an empty triangle",
        "three straight sides of {subject} that form a triangle",
        "many {subject} spaced evenly along the three edges of a triangle whose inside stays empty",
    ),
    "rosette": (
        "a rosette of {subject}", "one {subject} with a ring of {subject} around it",
        "{subject} arranged like the petals of a flower", "{subject} surrounding {subject}",
        "a flower made of {subject}", "one {subject} in the middle and several more in an even circle about it",
    ),
    "nest": (
        "{subject} within {subject} within {subject}", "nested {subject}", "{subject} inside itself",
        "ever smaller {subject} around one centre", "{subject} like nesting dolls, one inside the other",
        "a large outline of {subject}, in its middle a smaller one, and so on down to the smallest",
    ),
    "scatter": (
        "scattered {subject}", "{subject} scattered about", "{subject} strewn at random", "{subject} here and there",
        "a loose sprinkling of {subject}", "many {subject} spread over the picture without any order or overlap",
    ),
    "heap": (
        "a heap of {subject}", "{subject} in a heap", "a messy pile of {subject}", "{subject} dumped in a mound",
        "{subject} lying across and over each other",
        "many {subject} thrown together into a mound, turned every which way, broad below and narrow above",
    ),
    "mirrored": (
        "two mirrored groups of {subject}", "{subject} and their reflections left and right",
        "a symmetric picture of {subject}", "{subject} mirrored about an upright line",
        "a group of {subject} and its mirror image",
        "some {subject} on the left and the same on the right, each the reflection of its partner across the middle",
    ),
    "k_fold": (
        "groups of {subject} turning about a centre", "{subject} in rotational symmetry", "a pinwheel of {subject}",
        "{subject} in groups that repeat around the middle", "a turning pattern of {subject}, large and small",
        "the same little group of {subject} again and again, each time turned further about one centre",
    ),
    "two_groups": (
        "two groups of {subject}", "{subject} in two clusters", "{subject} divided into two groups",
        "two equal bunches of {subject}", "a cluster of {subject} on either side",
        "several {subject} close together on the left and just as many on the right with a gap between",
    ),
    "counted": (
        "one, two, three {subject}", "groups of {subject}, each one larger by one", "{subject} counted up",
        "{subject} in groups of one, two, three", "{subject} alone, then by two, then by three",
        "groups of {subject} from left to right, the first a single one and each next group one more",
    ),
}  # fmt: skip

PROGRESSING: dict[str, tuple[str, ...]] = {
    "none": ("",),
    "growing": (
        "growing {way}", "each larger than the last", "getting bigger and bigger {way}", "ever larger {way}",
        "from tiny to large, step by step {way}",
    ),
    "shrinking": (
        "shrinking {way}", "each smaller than the last", "getting smaller and smaller {way}", "ever smaller {way}",
        "from large to tiny, step by step {way}",
    ),
    "turning": (
        "turning {way}", "each turned further than the last", "rotated a little more {way}",
        "turned step by step {way}", "each with the same additional turn against the one before {way}",
    ),
    "fading": (
        "fading {way}", "each fainter than the last", "growing paler until almost invisible {way}",
        "more and more transparent {way}", "from solid to barely visible, step by step {way}",
    ),
    "appearing": (
        "appearing {way}", "each clearer than the last", "coming into view {way}", "less and less transparent {way}",
        "from barely visible to solid, step by step {way}",
    ),
    "colour": (
        "changing colour {way}", "each of a further hue", "running through the colours {way}",
        "in shifting hues {way}", "with a hue that moves on step by step {way}",
    ),
    "paling": (
        "losing colour {way}", "each greyer than the last", "draining to grey {way}", "less and less colourful {way}",
        "from full colour to grey, step by step {way}",
    ),
    "colouring": (
        "gaining colour {way}", "each more colourful than the last", "filling with colour {way}",
        "more and more colourful {way}", "from grey to full colour, step by step {way}",
    ),
    "darkening": (
        "darkening {way}", "each darker than the last", "sinking into the dark {way}", "darker and darker {way}",
        "from bright to almost black, step by step {way}",
    ),
    "eaten": (
        "eaten up {way}", "each with a bigger bite taken", "bitten away {way}", "with more and more bites taken {way}",
        "from whole to a gnawed remnant, step by step {way}",
    ),
    "cut_away": (
        "cut away {way}", "each with more cut off than the last", "trimmed further and further {way}",
        "sliced off straight, with less left {way}", "from whole to a straight-cut rest, step by step {way}",
    ),
    "dissolving": (
        "dissolving into pixels {way}", "each coarser than the last", "breaking up into blocks {way}",
        "in ever larger pixels {way}", "from full detail to a few coarse blocks, step by step {way}",
    ),
    "drawn": (
        "coming to life from a sketch {way}", "each less of a sketch than the last",
        "from outline to finished picture {way}", "drawn at first and coloured in at last {way}",
        "from a bare line drawing to the full colours, step by step {way}",
    ),
}  # fmt: skip

CASTING: dict[str, tuple[str, ...]] = {
    "alike": ("",),
    "one_odd": (
        "with one {other}", "one of them replaced by {other}", "with a single {other} among them",
        "one {other} in the place of one", "a lone {other} standing out",
    ),
    "alternating": (
        "alternating with {other}", "taking turns with {other}", "every second one replaced by {other}",
        "{other} always in between", "mixed with {other} in strict turns",
    ),
    "halves": (
        "half of them {other}", "one half replaced by {other}", "giving way to {other} halfway",
        "{other} in the one half", "the half that comes first and the half that comes last told apart by {other}",
    ),
    "led_by_other": (
        "led by {other}", "{other} at the head", "{other} first", "following {other}",
        "the first of them replaced by {other}",
    ),
    "other_at_ends": (
        "{other} at both ends", "between {other} and {other}", "the first and the last replaced by {other}",
        "bounded by {other} on both sides", "with {other} to begin and {other} to end",
    ),
    "other_in_middle": (
        "{other} in the middle", "around {other}", "with {other} at the centre", "the middle one replaced by {other}",
        "with {other} as their heart",
    ),
    "leader": (
        "led by a large one", "the first much larger than the rest", "a big one at the head",
        "small ones following a large one", "a giant of their kind leading the others",
    ),
    "one_large": (
        "with one large one", "one of them much larger than the rest", "a big one among small ones",
        "one giant of their kind among them", "all small but for one",
    ),
    "one_small": (
        "with one small one", "one of them much smaller than the rest", "a tiny one among big ones",
        "one dwarf of their kind among them", "all big but for one",
    ),
    "alternating_size": (
        "large and small in turn", "big ones and little ones alternating", "every second one small",
        "in two sizes that take turns", "a small one always following a large one",
    ),
    "one_turned": (
        "with one upside down", "one of them upside down", "one standing on its head", "one turned over",
        "all upright but for one",
    ),
    "alternating_turn": (
        "upright and upside down in turn", "every second one upside down", "every other one standing on its head",
        "alternately turned over", "each turned the other way up than its neighbour",
    ),
    "one_shadow": (
        "with one dark silhouette", "one of them only a black silhouette", "one in black", "one a mere shadow",
        "all in colour but for a single black outline shape",
    ),
    "one_grey": (
        "with one grey one", "one of them without colour", "one in grey", "one drained of its colours",
        "all colourful but for one in shades of grey",
    ),
    "one_sketched": (
        "with one merely sketched", "one of them only a line drawing", "one just an outline sketch",
        "one drawn in bare lines", "all finished but for one that is still a drawing",
    ),
    "missing": (
        "with one missing", "one of them gone", "one place left empty", "a gap where one should be",
        "complete but for a single empty place",
    ),
}  # fmt: skip

SET: dict[str, tuple[str, ...]] = {
    "none": ("",),
    "behind_bars": ("behind bars", "caged", "locked up behind bars", "seen through the bars of a cage"),
    "in_bubble": ("in a bubble", "inside a soap bubble", "enclosed in a clear bubble", "within a see-through sphere"),
    "framed": ("framed", "in a picture frame", "framed like a painting", "as a picture in a wooden frame"),
    "on_panel": ("on a panel", "on a white board", "shown on a bright panel", "set on a plain rectangular sheet"),
    "on_disc": ("on a disc", "on a round disc", "set on a flat circle", "upon a plain coloured roundel"),
    "in_ring": ("inside a hoop", "encircled by a hoop", "with a round line about it all", "surrounded by one big hoop"),
    "banned": ("forbidden", "crossed out", "under a prohibition sign", "struck out by a red circle and slash"),
    "in_ice": ("frozen in ice", "in a block of ice", "locked in clear ice", "trapped inside an ice block"),
    "in_thought": ("in a thought bubble", "as a thought", "imagined in a thought cloud", "as something thought of"),
    "in_spotlight": ("in the spotlight", "in a cone of light", "lit from above", "under a beam of stage light"),
    "half_under_water": (
        "half under water", "sunk in water to the middle", "rising out of the water",
        "with the lower part below the water line",
    ),
    "before_sun": ("in front of the sun", "before a big sun", "against a large sun", "with the sun right behind"),
    "before_heart": ("on a heart", "before a big heart", "against a large heart shape", "with a big heart behind"),
    "before_star": ("on a star", "before a big star", "against a large five-pointed star", "with a big star behind"),
    "on_shelf": ("on a shelf", "standing on a board", "set out on a shelf", "resting on a wooden beam"),
    "on_pedestal": ("on a pedestal", "raised on a plinth", "honoured on a pedestal", "standing on top of a plinth"),
    "behind_wall": (
        "behind a wall", "peeking over a wall", "half hidden by a wall", "looking out over the top of a barrier",
    ),
    "in_bowl": ("in a bowl", "served in a bowl", "sitting in a dish", "filling a bowl"),
    "cracked": ("cracked across", "with a crack through it all", "torn by a crack", "split by one long jagged crack"),
}  # fmt: skip


def captions(arrangement: str, progression: str, casting: str, setting: str) -> tuple[str, ...]:
    """At least six wordings: the plainest first, then others, the shortest and the longest among them."""
    way = WAYS.get(arrangement, "")
    wholes = ARRANGED[arrangement]
    clauses = [PROGRESSING[progression], CASTING[casting], SET[setting]]
    made = []
    for number, whole in enumerate(wholes):
        step, cast, setting_words = (
            words[number * stride % len(words)] for words, stride in zip(clauses, (1, 2, 1), strict=True)
        )
        order = (whole, setting_words, step, cast) if number == 3 else (whole, step, cast, setting_words)
        made.append(joined(order, way))
    made.insert(1, joined([min(words, key=len) for words in (wholes, *clauses)], way))
    made.append(joined([max(words, key=len) for words in (wholes, *clauses)], way))
    return tuple(dict.fromkeys(made))


def joined(parts: tuple[str, ...] | list[str], way: str) -> str:
    return ", ".join(part.replace("{way}", way) for part in parts if part)
