// The looks of the selected element of a result: its drawing and colours; and the colour of the ground.

import { drawingOf, isThing } from './model.js';
import { tag } from './dom.js';

const SLIDERS = [
  { name: 'hue', label: 'Hue', min: -180, max: 180, step: 1, usual: 0 },
  { name: 'saturation', label: 'Saturation', min: 0, max: 2, step: 0.05, usual: 1 },
  { name: 'brightness', label: 'Brightness', min: 0.3, max: 1.7, step: 0.05, usual: 1 },
  { name: 'opacity', label: 'Opacity', min: 0.1, max: 1, step: 0.05, usual: 1 },
];
// The colours of the palette that a thing can be filled with, and what the button is called.
const FLAT = ['primary', 'secondary', 'accent', 'soft', 'paper', 'dark'];
let lists = 0;

export class Looks {
  // onChange(values, all, edit), onGround(color), findNoun(text): a promise of {noun, note} or {error}, nouns(): of {nouns}.
  constructor({ onChange, onGround, findNoun, nouns, colors }) {
    Object.assign(this, { onChange, onGround, findNoun, nouns, colors });
    const id = `se-nouns-${lists++}`;
    this.options = tag('datalist', { id });
    this.drawing = tag('input', {
      type: 'text', list: id, maxlength: 100, autocomplete: 'off', class: 'se-text', onfocus: () => this.#fill(),
      onchange: () => this.#swap(),
    });
    this.all = tag('input', { type: 'checkbox', checked: true });
    this.note = tag('p', { class: 'se-hint', role: 'status' });
    this.sliders = SLIDERS.map((slider) => this.#slider(slider));
    this.flat = FLAT.map((name) => this.#swatch(name));
    this.own = tag('button', { type: 'button', class: 'se-own', onclick: () => this.#paint(null) }, 'Own colours');
    this.ground = tag('input', { type: 'color', oninput: () => this.onGround(this.ground.value) });
    this.title = tag('h3', { class: 'se-title' });
    this.ofThing = tag('div', { class: 'se-fields' },
      tag('label', { class: 'se-field se-drawing' }, 'Drawing', this.drawing, this.options),
      tag('label', { class: 'se-check' }, this.all, 'change all that are alike'), this.note);
    this.ofElement = tag('div', { class: 'se-fields' }, ...this.sliders.map(({ root }) => root));
    this.colours = tag('div', { class: 'se-swatches', role: 'group', 'aria-label': 'Fill with one colour' },
      tag('span', {}, 'Fill'), ...this.flat, this.own);
    this.empty = tag('p', { class: 'se-hint' }, 'Click a thing in the picture to move it, swap it or change its colours.');
    this.root = tag('div', { class: 'se-looks' }, this.title, this.empty, this.ofThing, this.colours, this.ofElement,
      tag('label', { class: 'se-field se-ground' }, 'Ground', this.ground));
  }

  show(scene, selected) {
    const element = scene.elements[selected];
    const thing = Boolean(element) && isThing(element);
    if (selected !== this.shown || !element) this.note.textContent = '';
    this.shown = selected;
    this.title.textContent = element ? drawingOf(scene, element) : 'Nothing selected';
    this.empty.hidden = Boolean(element);
    this.ofThing.hidden = this.colours.hidden = !thing;
    this.ofElement.hidden = !element;
    this.ground.value = scene.background?.color ?? '#ffffff';
    if (!element) return;
    if (document.activeElement !== this.drawing) this.drawing.value = drawingOf(scene, element);
    for (const { slider, input, output } of this.sliders) {
      const value = element[slider.name] ?? slider.usual;
      input.value = slider.name === 'hue' && value > 180 ? value - 360 : value;
      output.textContent = slider.name === 'hue' ? `${Math.round(input.value)}°` : Number(input.value).toFixed(2);
    }
    for (const swatch of this.flat) {
      swatch.setAttribute('aria-pressed', String(element.silhouette >= 1 && element.palette === swatch.dataset.name));
    }
    this.own.setAttribute('aria-pressed', String(!(element.silhouette > 0)));
  }

  focusDrawing() {
    this.drawing.focus();
    this.drawing.select();
  }

  #slider(slider) {
    const output = tag('output', {});
    const input = tag('input', {
      type: 'range', min: slider.min, max: slider.max, step: slider.step, 'aria-label': slider.label,
      oninput: () => this.onChange({ [slider.name]: Number(input.value) }, this.all.checked, slider.name),
    });
    return { slider, input, output, root: tag('label', { class: 'se-field se-slider' }, tag('span', {}, slider.label), input, output) };
  }

  #swatch(name) {
    const swatch = tag('button', {
      type: 'button', class: 'se-swatch', 'data-name': name, title: name, 'aria-label': name, onclick: () => this.#paint(name),
    });
    swatch.style.background = this.colors[name];
    return swatch;
  }

  #paint(name) {
    const values = name ? { silhouette: 1, palette: name } : { silhouette: 0, palette: 'none' };
    this.onChange(values, this.all.checked, `fill ${name}`);
  }

  async #fill() {
    if (this.options.children.length) return;
    const { nouns } = await this.nouns();
    if (!this.options.children.length) this.options.append(...(nouns ?? []).map((noun) => tag('option', { value: noun })));
  }

  async #swap() {
    const text = this.drawing.value.trim();
    if (!text) return;
    const found = await this.findNoun(text);
    this.note.textContent = found.error ?? found.note;
    if (found.noun) {
      this.drawing.value = found.noun;
      this.onChange({ noun: found.noun }, this.all.checked, 'drawing');
    }
  }
}
