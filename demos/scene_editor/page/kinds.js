// The kind of the selected thing of a reading: alike things share a kind.

import { KIND_COLORS, groupOf, groupsOf, isThing } from './model.js';
import { tag } from './dom.js';

export class Kinds {
  constructor(onChange) {
    this.onChange = onChange;
    this.root = tag('div', { class: 'se-kinds', role: 'group', 'aria-label': 'Kind of the selected thing' });
  }

  show(scene, selected) {
    const element = scene.elements[selected];
    this.root.hidden = !element || !isThing(element);
    if (this.root.hidden) return;
    const known = groupsOf(scene), fresh = Math.max(...known) + 1;
    const kinds = [...new Set([0, ...known, fresh])].slice(0, KIND_COLORS.length);
    const focused = [...this.root.children].indexOf(document.activeElement);
    this.root.replaceChildren(tag('span', {}, 'Alike with'), ...kinds.map((group) => {
      const dot = tag('i', { class: 'se-dot', 'aria-hidden': 'true' });
      dot.style.background = KIND_COLORS[group];
      const name = group === fresh ? 'a new kind' : `kind ${group + 1}`;
      return tag('button', {
        type: 'button', class: 'se-chip', 'aria-pressed': String(groupOf(element) === group), onclick: () => this.onChange(group),
      }, dot, name);
    }));
    if (focused > 0) this.root.children[focused]?.focus();
  }
}
