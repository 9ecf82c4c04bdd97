// The editor on the page. Start reading here.
//
// `mount` waits for a scene in the component's value and opens a session for it; a session has the scene's history
// (history.js), changes it by the functions of model.js, and shows it on the stage (stage.js) and in the panels.

import { latest, settled } from './calls.js';
import { button, iconButton, tag } from './dom.js';
import { History } from './history.js';
import { KEYS, onKey } from './keyboard.js';
import { Kinds } from './kinds.js';
import { ElementList, nameOf } from './list.js';
import { Looks } from './looks.js';
import * as model from './model.js';
import { BoxStage, loadKonva } from './stage.js';

const EDITED_MS = 700; // of quiet before the page reads an edited scene's logic again

// component: {element, props, watch, server, raise}, see component.py.
export function mount(component) {
  const root = component.element.querySelector('.se');
  loadStyle();
  let session = null, own = null;
  const setValue = (state) => {
    own = model.toJson(state);
    component.props.value = own;
  };
  const open = async () => {
    const value = component.props.value || '';
    if (value === own) return;
    own = value;
    session?.close();
    session = null;
    root.replaceChildren();
    root.hidden = !value;
    if (!value) return;
    const Konva = await loadKonva();
    if (component.props.value !== value) return;
    session = new Session(Konva, root, JSON.parse(value), component, setValue);
  };
  component.watch('value', open);
  open();
}

function loadStyle() {
  const href = new URL('editor.css', import.meta.url).href;
  if (![...document.querySelectorAll('link')].some((link) => link.href === href)) {
    document.head.append(tag('link', { rel: 'stylesheet', href }));
  }
}

class Session {
  constructor(Konva, root, state, { server, raise }, setValue) {
    Object.assign(this, { root, state, server, raise, setValue, mode: state.mode, selected: -1 });
    this.isReading = this.mode === 'reading';
    // As the reader read it.
    this.original = this.isReading ? model.withOrigins(state.original ?? state.scene) : state.scene;
    this.history = new History(state.original ? state.scene : this.original);
    this.#build();
    this.stage = new BoxStage(Konva, this.host, {
      crop: this.isReading && state.reference ? state.crop : null, quiet: !this.isReading,
      origins: this.isReading ? this.original.elements : [],
      onSelect: (index) => this.select(index), onChange: (scene, index, ended) => this.#onDrag(scene, index, ended),
    });
    this.describe = latest((scene) => server.describe(model.toJson(scene)), (told) => this.#told(told));
    this.redraw = latest((scene) => this.#preview(scene), (drawn) => this.#drawn(drawn));
    this.tellPage = settled(() => raise('edited', { scene: model.toJson(this.scene), edited: this.edited }), EDITED_MS);
    this.announce = settled((text) => { this.live.textContent = text; }, 250);
    this.stage.setPicture(state.picture).then(() => {
      this.show();
      this.root.dataset.ready = 'true';
    });
  }

  get scene() { return this.history.current; }
  get edited() { return this.scene !== this.original; }

  close() {
    this.tellPage.cancel();
    this.stage.destroy();
    delete this.root.dataset.ready;
  }

  // Parts of the page.

  #build() {
    this.host = tag('div', {
      class: 'se-stage', tabindex: 0, role: 'application', 'aria-label': this.#stageLabel(),
      onkeydown: (event) => onKey(event, this.actions), onfocus: () => this.#focused(),
    });
    this.live = tag('p', { class: 'se-live', role: 'status', 'aria-live': 'polite' });
    this.sentence = tag('p', { class: 'se-sentence' });
    this.list = new ElementList(this.mode, (index) => this.select(index));
    this.help = tag('table', { class: 'se-keys', hidden: true }, tag('caption', {}, 'Keys in the picture'), tag('tbody', {}, ...KEYS
      .filter(({ mode }) => !mode || mode === this.mode)
      .map(({ keys, what }) => tag('tr', {}, tag('th', { scope: 'row' }, keys), tag('td', {}, what)))));
    this.tools = this.#tools();
    const canvas = tag('div', { class: 'se-canvas' }, this.host);
    this.panel = this.isReading ? new Kinds((group) => this.#regroup(group)) : this.#looks();
    const parts = this.isReading
      ? [this.sentence, canvas, this.#toolbar(), this.panel.root, this.#footer()]
      : [this.#resultHead(), tag('div', { class: 'se-desk' }, tag('div', {}, canvas, this.#toolbar()), this.panel.root)];
    this.root.classList.toggle('se-result', !this.isReading);
    this.root.replaceChildren(...parts, this.list.root, this.help, this.live);
  }

  #stageLabel() {
    return this.isReading ? 'What was read: boxes over the picture. Press ? for the keys.'
      : 'The picture: its things can be moved. Press ? for the keys.';
  }

  #tools() {
    const { actions } = this;
    return {
      undo: iconButton('undo', 'Undo', () => actions.undo()), redo: iconButton('redo', 'Redo', () => actions.redo()),
      add: button('add', 'Add', () => actions.add()),
      odd: this.isReading ? button('odd', 'Odd one', () => actions.odd(), { 'aria-pressed': 'false' }) : null,
      remove: button('remove', 'Delete', () => actions.remove()),
      boxes: this.isReading ? iconButton('boxes', 'Show the boxes', () => this.#toggleBoxes(), { 'aria-pressed': 'true' }) : null,
      help: iconButton('help', 'Keys', () => actions.help(), { 'aria-expanded': 'false' }),
    };
  }

  #toolbar() {
    return tag('div', { class: 'se-tools', role: 'group', 'aria-label': 'Edit' }, ...Object.values(this.tools).filter(Boolean));
  }

  #footer() {
    this.resetButton = button('reset', 'Back to what was read', () => this.#reset());
    this.footer = tag('p', { class: 'se-follows', hidden: true }, 'Edited: Generate follows these boxes. ', this.resetButton);
    return this.footer;
  }

  #resultHead() {
    const save = button('save', 'Save as a new picture', () => this.#save(), { class: 'se-button se-primary' });
    const close = button('close', 'Close', () => this.raise('closed', {}));
    this.saveButton = save;
    return tag('div', { class: 'se-head' }, tag('h2', { class: 'se-heading' }, `Edit ${this.state.name}`), save, close, this.sentence);
  }

  #looks() {
    return new Looks({
      colors: this.state.colors ?? {}, nouns: () => this.server.nouns(''), findNoun: (text) => this.server.find_noun(text),
      onChange: (values, all, edit) => this.#change(model.restyled(this.scene, this.selected, values, all), edit),
      onGround: (color) => this.#change(model.grounded(this.scene, color), 'ground'),
    });
  }

  // What can be done, by keys and by buttons.

  get actions() {
    const chosen = (edit) => (...values) => this.selected >= 0 && edit(...values);
    return {
      undo: () => this.#goTo(this.history.undo()), redo: () => this.#goTo(this.history.redo()),
      step: (by) => this.#step(by), clear: () => this.select(-1),
      move: chosen((x, y) => this.#change(model.moved(this.scene, this.selected, this.#element.x + x, this.#element.y + y, this.stage.reach), 'move')),
      scale: chosen((factor) => this.#change(model.scaled(this.scene, this.selected, factor), 'scale')),
      turn: chosen((degrees) => this.#change(model.turned(this.scene, this.selected, degrees), 'turn')),
      remove: chosen(() => this.#remove()), add: () => this.#add(),
      odd: chosen(() => this.isReading && model.isThing(this.#element) && this.#change(model.oddMarked(this.scene, this.selected), null)),
      toDrawing: chosen(() => !this.isReading && this.panel.focusDrawing()), help: () => this.#toggleHelp(),
    };
  }

  get #element() { return this.scene.elements[this.selected]; }

  select(index) {
    this.selected = index;
    this.show();
    if (index >= 0) this.announce(`${nameOf(this.scene, index, this.mode)}, ${index + 1} of ${this.scene.elements.length}`);
  }

  #focused() {
    if (this.selected < 0 && this.scene.elements.length && this.host.matches(':focus-visible')) this.select(0);
  }

  // Selects the next or previous box; false at the ends, where Tab leaves the stage.
  #step(by) {
    const next = this.selected + by;
    if (next < 0 || next >= this.scene.elements.length) return false;
    this.select(next);
    return true;
  }

  #add() {
    if (this.scene.elements.length >= model.MAX_ELEMENTS) return this.announce(`At most ${model.MAX_ELEMENTS} boxes are possible.`);
    const scene = model.added(this.scene, this.selected, this.stage.reach);
    this.selected = scene.elements.length - 1;
    this.#change(scene, null);
  }

  #remove() {
    const scene = model.removed(this.scene, this.selected);
    this.selected = Math.min(this.selected, scene.elements.length - 1);
    this.#change(scene, null);
    this.announce(`Deleted. ${scene.elements.length} left.`);
  }

  #regroup(group) {
    this.#change(model.regrouped(this.scene, this.selected, group), null);
  }

  #reset() {
    this.selected = -1;
    this.#change(this.original, null);
    this.host.focus();
  }

  #toggleBoxes() {
    this.stage.setVisible(!this.stage.visible);
    this.tools.boxes.setAttribute('aria-pressed', String(this.stage.visible));
    this.show();
  }

  #toggleHelp() {
    this.help.hidden = !this.help.hidden;
    this.tools.help.setAttribute('aria-expanded', String(!this.help.hidden));
  }

  // Changes of the scene.

  #onDrag(scene, index, ended) {
    if (ended) {
      this.#change(scene, null);
    } else {
      this.stage.show(scene, index);
      if (!this.isReading) this.redraw(scene);
    }
  }

  // edit: its name, for edits that are one step when they follow each other quickly; null for a step of its own.
  #change(scene, edit) {
    this.history.add(scene, edit === null ? null : `${edit} ${this.selected}`);
    this.#applied();
    if (edit === 'move') this.announce(nameOf(scene, this.selected, this.mode));
  }

  #goTo(scene) {
    this.selected = Math.min(this.selected, scene.elements.length - 1);
    this.#applied();
  }

  #applied() {
    this.show();
    if (this.isReading) {
      this.setValue({ ...this.state, scene: this.scene, edited: this.edited });
      if (!model.things(this.scene).length) return this.#told({ error: 'No thing is left: add one.' });
      this.describe(this.scene);
      this.tellPage();
    } else {
      this.redraw(this.scene);
    }
  }

  show() {
    this.stage.show(this.scene, this.selected);
    this.list.show(this.scene, this.selected);
    this.panel.show(this.scene, this.selected);
    const element = this.#element, { tools } = this;
    tools.undo.disabled = !this.history.canUndo;
    tools.redo.disabled = !this.history.canRedo;
    tools.remove.disabled = !element;
    if (tools.odd) {
      tools.odd.disabled = !element || !model.isThing(element) || model.things(this.scene).length < 2;
      tools.odd.setAttribute('aria-pressed', String(Boolean(element) && model.isOdd(this.scene, this.selected)));
    }
    if (this.isReading) {
      this.footer.hidden = !this.edited;
      if (!this.told) this.#told(this.state);
    }
  }

  // Answers of the server.

  #told(told) {
    this.told = true;
    const sentence = told.error ?? `I see ${told.sentence}.`;
    const certainty = told.error ? null
      : tag('span', { class: 'se-sure', 'data-level': told.words, title: `certainty ${told.certainty}` }, told.words);
    this.sentence.replaceChildren(sentence, ' ', certainty ?? '');
  }

  async #preview(scene) {
    const started = performance.now();
    const { job, rank } = this.state;
    const drawn = await this.server.preview({ job, rank, scene: model.toJson(scene) });
    return { ...drawn, started };
  }

  async #drawn(drawn) {
    this.sentence.textContent = drawn.error ?? '';
    if (drawn.error) return;
    await this.stage.setPicture(drawn.picture);
    this.root.dataset.redrawMs = Math.round(performance.now() - drawn.started);
    this.root.dataset.redraws = Number(this.root.dataset.redraws ?? 0) + 1;
  }

  #save() {
    // A second click while the first is answered would save twice.
    this.saveButton.disabled = true;
    setTimeout(() => { this.saveButton.disabled = false; }, 3000);
    const { job, rank } = this.state;
    this.raise('saved', { job, rank, scene: model.toJson(this.scene) });
  }
}
