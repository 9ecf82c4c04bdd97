// Edits of a scene. Every function returns a new scene and leaves the old one as it was, so that history.js can keep both.
//
// Keys that start with "_" are notes of the page, which `toJson` leaves out: `_from` is where a thing of a reading was read.
//
// A scene is the JSON of analogen: `elements` with x, y (centre), size, aspect and turn, in half short sides of the
// picture from its centre; in a reading also `group`, the number of a kind of thing, 0 for the subject, -1 for props.

// By kind of thing; those of analogen read --overlay.
export const KIND_COLORS = ['#e4572e', '#2b6f97', '#4f9d69', '#b6519f', '#d9a21b', '#3c8dbc', '#7b4e2e', '#5f558f'];
export const PROP_COLOR = '#6b7480';
export const MAX_ELEMENTS = 64;
const SMALLEST = 0.03, LARGEST = 4, FARTHEST = 4;

export const toJson = (value) => JSON.stringify(value, (key, part) => (key.startsWith('_') ? undefined : part));

// The scene with a note in each element of where it is now.
export function withOrigins(scene) {
  const origin = ({ x, y, size, aspect, turn }) => ({ x, y, size, aspect, turn });
  return { ...scene, elements: scene.elements.map((element) => ({ ...element, _from: origin(element) })) };
}

// Whether an element of a reading still is where it was read.
export const isInPlace = (element) =>
  !element._from || ['x', 'y', 'size', 'aspect', 'turn'].every((key) => element[key] === element._from[key]);

export const isThing = (element) => element.kind === 'subject' || element.kind === 'other';
export const widthOf = (element) => element.size * Math.sqrt(element.aspect ?? 1);
export const heightOf = (element) => element.size / Math.sqrt(element.aspect ?? 1);
export const things = (scene) => scene.elements.filter(isThing);

// The number of an element's kind of thing: alike things share it.
export function groupOf(element) {
  if (!isThing(element)) return -1;
  return element.group ?? (element.kind === 'subject' ? 0 : 1);
}

export const colorOf = (element) =>
  isThing(element) ? KIND_COLORS[groupOf(element) % KIND_COLORS.length] : PROP_COLOR;

export const groupsOf = (scene) => [...new Set(things(scene).map(groupOf))].sort((a, b) => a - b);

const between = (value, low, high) => Math.min(high, Math.max(low, value));
const rounded = (value, digits = 4) => Number(value.toFixed(digits));

export function changed(scene, index, values) {
  const elements = scene.elements.map((element, place) => (place === index ? { ...element, ...values } : element));
  return { ...scene, elements };
}

// reach: half the width and height of the picture, in half short sides; centres stay within it.
export function moved(scene, index, x, y, reach = [FARTHEST, FARTHEST]) {
  return changed(scene, index, {
    x: rounded(between(x, -reach[0], reach[0])), y: rounded(between(y, -reach[1], reach[1])),
  });
}

export function scaled(scene, index, factor) {
  return changed(scene, index, { size: rounded(between(scene.elements[index].size * factor, SMALLEST, LARGEST)) });
}

export function turned(scene, index, degrees) {
  return changed(scene, index, { turn: rounded((((scene.elements[index].turn ?? 0) + degrees) % 360 + 360) % 360, 2) });
}

// box: x, y, width and height in half short sides, turn in degrees.
export function boxed(scene, index, box, reach) {
  const size = between(Math.sqrt(Math.max(box.width * box.height, 1e-9)), SMALLEST, LARGEST);
  const shape = { size: rounded(size), aspect: rounded(between(box.width / box.height, 0.1, 10)),
    turn: rounded((box.turn % 360 + 360) % 360, 2) };
  return moved(changed(scene, index, shape), index, box.x, box.y, reach);
}

export const removed = (scene, index) => ({ ...scene, elements: scene.elements.filter((_, place) => place !== index) });

// A copy of a thing beside it; without one, a thing of the common size in the middle.
export function added(scene, index, reach) {
  const model = scene.elements[index] ?? commonThing(scene);
  const step = Math.min(0.6 * model.size, 0.25);
  const element = index >= 0
    ? { ...model, x: rounded(between(model.x + step, -reach[0], reach[0])), y: rounded(between(model.y + step, -reach[1], reach[1])) }
    : { ...model, x: 0, y: 0 };
  if ('confidence' in element) element.confidence = 1;
  return { ...scene, elements: [...scene.elements, element] };
}

function commonThing(scene) {
  const sizes = things(scene).map((element) => element.size).sort((a, b) => a - b);
  const like = things(scene)[0] ?? { kind: 'subject', group: 0, aspect: 1 };
  return { ...like, turn: 0, size: sizes[Math.floor(sizes.length / 2)] ?? 0.4, confidence: 1 };
}

// The thing becomes of another kind; the kind 0 is the subject.
export function regrouped(scene, index, group) {
  return changed(scene, index, { kind: group === 0 ? 'subject' : 'other', group });
}

export function isOdd(scene, index) {
  const group = groupOf(scene.elements[index]);
  return isThing(scene.elements[index]) && things(scene).length > 1
    && things(scene).filter((element) => groupOf(element) === group).length === 1;
}

// The thing is the only one of another kind, all others are alike; an odd one becomes like the others.
export function oddMarked(scene, index) {
  const odd = !isOdd(scene, index);
  const elements = scene.elements.map((element, place) => {
    if (!isThing(element)) return element;
    return place === index && odd ? { ...element, kind: 'other', group: 1 } : { ...element, kind: 'subject', group: 0 };
  });
  return { ...scene, elements };
}

// The values for the thing, or for all that show the same drawing.
export function restyled(scene, index, values, all) {
  const drawing = drawingOf(scene, scene.elements[index]);
  const elements = scene.elements.map((element, place) => {
    const alike = all && isThing(element) && drawingOf(scene, element) === drawing;
    return place === index || alike ? { ...element, ...values } : element;
  });
  return { ...scene, elements };
}

export function drawingOf(scene, element) {
  if (!isThing(element)) return element.kind;
  return element.noun || (element.kind === 'subject' ? scene.subject : scene.other);
}

export function grounded(scene, color) {
  return { ...scene, background: { ...scene.background, kind: 'plain', color } };
}

// "upper left": where an element is, for people who cannot see it.
export function placeOf(element) {
  const across = element.x < -0.25 ? 'left' : element.x > 0.25 ? 'right' : '';
  const down = element.y < -0.25 ? 'upper' : element.y > 0.25 ? 'lower' : '';
  if (across && down) return `${down} ${across}`;
  return { left: 'on the left', right: 'on the right', upper: 'at the top', lower: 'at the bottom' }[across || down] ?? 'in the middle';
}
