// The elements as a list of buttons: the same boxes for people who do not see the stage, and for small ones.

import { colorOf, drawingOf, groupOf, isOdd, isThing, placeOf } from './model.js';
import { tag } from './dom.js';

// What an element is called: "Thing 3 of kind 1, upper left", "Bicycle 3, upper left".
export function nameOf(scene, index, mode) {
  const element = scene.elements[index];
  const where = placeOf(element);
  if (!isThing(element)) return `${element.kind}, ${where}`;
  const number = scene.elements.slice(0, index + 1).filter(isThing).length;
  if (mode === 'result') return `${drawingOf(scene, element)} ${number}, ${where}`;
  const kind = isOdd(scene, index) ? 'the odd one' : `kind ${groupOf(element) + 1}`;
  return `thing ${number}, ${kind}, ${where}`;
}

export class ElementList {
  constructor(mode, onSelect) {
    this.mode = mode;
    this.onSelect = onSelect;
    this.items = tag('ol', { class: 'se-list' });
    this.summary = tag('summary', {});
    this.root = tag('details', { class: 'se-details' }, this.summary, this.items);
  }

  show(scene, selected) {
    const count = scene.elements.length;
    this.summary.textContent = `${count} ${count === 1 ? 'box' : 'boxes'} as a list`;
    while (this.items.children.length > count) this.items.lastChild.remove();
    while (this.items.children.length < count) this.items.append(this.#item(this.items.children.length));
    scene.elements.forEach((element, index) => {
      const chip = this.items.children[index].firstChild;
      chip.setAttribute('aria-pressed', String(index === selected));
      chip.lastChild.textContent = nameOf(scene, index, this.mode);
      chip.firstChild.style.background = this.mode === 'result' ? '' : colorOf(element);
      chip.firstChild.hidden = this.mode === 'result';
    });
  }

  #item(index) {
    const dot = tag('i', { class: 'se-dot', 'aria-hidden': 'true' });
    return tag('li', {}, tag('button', { type: 'button', class: 'se-chip', onclick: () => this.onSelect(index) }, dot, tag('span')));
  }
}
