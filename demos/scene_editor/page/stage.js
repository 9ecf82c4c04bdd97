// The picture with its boxes on a Konva stage: selecting, dragging, resizing and turning them.

import { boxed, colorOf, heightOf, isInPlace, isThing, moved, widthOf } from './model.js';

const HALO = '#ffffff';
const ANCHORS = ['top-left', 'top-center', 'top-right', 'middle-left', 'middle-right', 'bottom-left', 'bottom-center',
  'bottom-right'];
const TAG_HEIGHT = 18;
const MOST_HEIGHT = { reading: 0.3, result: 0.66 }; // of the window

// Loads Konva, which lies beside this file, once.
let loading = null;
export function loadKonva() {
  loading ??= new Promise((resolve, reject) => {
    if (window.Konva) return resolve(window.Konva);
    const script = document.createElement('script');
    script.src = new URL('konva.min.js', import.meta.url).href;
    script.onload = () => resolve(window.Konva);
    script.onerror = () => reject(new Error('Konva cannot be loaded'));
    document.head.append(script);
  });
  return loading;
}

export class BoxStage {
  // host: an element of the page. crop: [left, top, right, bottom] of the picture in its pixels that scenes refer to, or
  // null for all of it. quiet: boxes are seen only where the pointer is, or when selected.
  // origins: the elements as they were read; those that are no longer there are covered, and moved boxes carry their
  // piece of the picture along.
  // onSelect(index), onChange(scene, index, ended): ended is false as long as the pointer drags.
  constructor(Konva, host, { crop, quiet, origins, onSelect, onChange }) {
    Object.assign(this, { Konva, host, crop, quiet, onSelect, onChange });
    this.origins = origins.filter(isThing).map((element) => ({ element, cover: null }));
    this.coarse = matchMedia('(pointer: coarse)').matches;
    this.accent = getComputedStyle(host).getPropertyValue('--color-accent').trim() || '#4f6bed';
    this.scene = { elements: [] };
    this.selected = -1;
    this.boxes = [];
    this.dragging = false;
    this.visible = true;
    this.stage = new Konva.Stage({ container: host, width: 10, height: 10 });
    this.pictureLayer = new Konva.Layer({ listening: false });
    this.layer = new Konva.Layer();
    this.picture = new Konva.Image({});
    this.pictureLayer.add(this.picture);
    for (const origin of this.origins) {
      origin.cover = new Konva.Rect({ opacity: 0.82, cornerRadius: 4 });
      this.pictureLayer.add(origin.cover);
    }
    this.transformer = new Konva.Transformer({
      rotationSnaps: [0, 45, 90, 135, 180, 225, 270, 315], rotationSnapTolerance: 4, flipEnabled: false,
      anchorSize: this.coarse ? 18 : 10, anchorCornerRadius: 9, anchorStroke: this.accent, anchorStrokeWidth: 2,
      borderStroke: this.accent, borderStrokeWidth: 2, rotateAnchorOffset: this.coarse ? 30 : 22,
      boundBoxFunc: (old, box) => (Math.min(Math.abs(box.width), Math.abs(box.height)) < 8 ? old : box),
    });
    this.layer.add(this.transformer);
    this.stage.add(this.pictureLayer, this.layer);
    this.stage.on('click tap', (event) => event.target === this.stage && this.onSelect(-1));
    this.resizing = new ResizeObserver(() => this.#fit());
    this.resizing.observe(host.parentElement);
  }

  destroy() {
    this.resizing.disconnect();
    this.stage.destroy();
  }

  // Half the width and height of the picture in half short sides.
  get reach() {
    const [left, top, right, bottom] = this.cropped;
    const short = Math.min(right - left, bottom - top);
    return [(right - left) / short, (bottom - top) / short];
  }

  // Shows a picture in place of the one before, once it is loaded. Returns a promise of that.
  setPicture(source) {
    const image = new Image();
    const loaded = new Promise((resolve, reject) => {
      image.onload = resolve;
      image.onerror = () => reject(new Error('the picture cannot be loaded'));
    });
    image.src = source;
    return loaded.then(() => {
      const resized = image.naturalWidth !== this.image?.naturalWidth;
      this.image = image;
      this.picture.image(image);
      if (resized) this.#fit(true);
      this.pictureLayer.batchDraw();
    });
  }

  show(scene, selected) {
    this.scene = scene;
    this.selected = selected;
    this.#draw();
  }

  setVisible(visible) {
    this.visible = visible;
    this.layer.visible(visible);
  }

  get cropped() {
    return this.crop ?? [0, 0, this.image?.naturalWidth ?? 1, this.image?.naturalHeight ?? 1];
  }

  // Of scene units in pixels of the stage.
  get view() {
    const [left, top, right, bottom] = this.cropped.map((value) => value * this.scale);
    return { x: (left + right) / 2, y: (top + bottom) / 2, left, top, unit: Math.min(right - left, bottom - top) / 2 };
  }

  #fit(force = false) {
    if (!this.image) return;
    const room = this.host.parentElement.clientWidth;
    const scale = Math.min(room / this.image.naturalWidth, (MOST_HEIGHT[this.quiet ? 'result' : 'reading'] * innerHeight) / this.image.naturalHeight);
    if (!room || (!force && Math.abs(scale - this.scale) < 1e-4)) return;
    this.scale = scale;
    const size = { width: this.image.naturalWidth * scale, height: this.image.naturalHeight * scale };
    this.stage.size(size);
    this.host.style.width = `${size.width}px`;
    this.picture.size(size);
    this.#draw();
  }

  #draw() {
    if (!this.image) return;
    while (this.boxes.length < this.scene.elements.length) this.boxes.push(this.#box(this.boxes.length));
    while (this.boxes.length > this.scene.elements.length) {
      Object.values(this.boxes.pop()).forEach((node) => node.destroy());
    }
    this.scene.elements.forEach((element, index) => this.#place(element, index));
    this.#cover();
    // Small boxes lie over large ones, so that each can be reached.
    const order = this.boxes.map((_, index) => index)
      .sort((a, b) => this.scene.elements[b].size - this.scene.elements[a].size);
    if (!this.dragging) {
      for (const index of order) ['patch', 'halo', 'rect'].forEach((name) => this.boxes[index][name].moveToTop());
      this.boxes[this.selected]?.rect.moveToTop();
      this.boxes.forEach(({ tag }) => tag.moveToTop());
      this.transformer.moveToTop();
    }
    const chosen = this.boxes[this.selected];
    this.transformer.nodes(chosen && this.visible ? [chosen.rect] : []);
    // On a small box the anchors would cover each other.
    const side = chosen ? Math.min(chosen.rect.width(), chosen.rect.height()) : 0;
    this.transformer.enabledAnchors(side < (this.coarse ? 72 : 40) ? ['bottom-right'] : ANCHORS);
    if (chosen) this.transformer.rotateAnchorAngle(this.#reachesTop(this.scene.elements[this.selected]) ? 180 : 0);
    this.layer.batchDraw();
  }

  #reachesTop(element) {
    const { y, unit } = this.view;
    return y + unit * (element.y - heightOf(element) / 2) < this.transformer.rotateAnchorOffset() + 12;
  }

  #box(index) {
    const { Konva } = this;
    const patch = new Konva.Image({ listening: false, visible: false });
    const halo = new Konva.Rect({ listening: false, stroke: HALO });
    const rect = new Konva.Rect({ strokeScaleEnabled: false, hitStrokeWidth: this.coarse ? 18 : 10, fill: 'rgba(0,0,0,0)' });
    const tag = new Konva.Label({ listening: false });
    tag.add(new Konva.Tag({ cornerRadius: 3 }), new Konva.Text({ fontSize: 12, fontStyle: 'bold', fill: HALO, padding: 3 }));
    rect.on('mousedown touchstart', () => !this.coarse && this.selected !== index && this.onSelect(index));
    rect.on('click tap', () => this.selected !== index && this.onSelect(index));
    rect.on('mouseenter', () => this.#hover(index, true));
    rect.on('mouseleave', () => this.#hover(index, false));
    rect.on('dragstart transformstart', () => { this.dragging = true; });
    rect.on('dragmove', () => this.#report(index, false));
    rect.on('transform', () => {
      // The scale becomes size, so that lines keep their width.
      const [width, height] = [rect.width() * rect.scaleX(), rect.height() * rect.scaleY()];
      rect.setAttrs({ width, height, offsetX: width / 2, offsetY: height / 2, scaleX: 1, scaleY: 1 });
      this.#report(index, false);
    });
    rect.on('dragend transformend', () => {
      this.dragging = false;
      this.#report(index, true);
    });
    this.layer.add(patch, halo, rect, tag);
    return { rect, halo, tag, patch };
  }

  #hover(index, over) {
    this.host.style.cursor = over ? 'move' : '';
    if (this.quiet && index !== this.selected) {
      this.boxes[index].rect.stroke(over ? this.accent : 'rgba(0,0,0,0)');
      this.layer.batchDraw();
    }
  }

  #place(element, index) {
    const { x, y, unit } = this.view;
    const { rect, halo, tag } = this.boxes[index];
    const chosen = index === this.selected, thing = isThing(element), color = colorOf(element);
    const [width, height] = [unit * widthOf(element), unit * heightOf(element)];
    const place = {
      x: x + unit * element.x, y: y + unit * element.y, width, height, offsetX: width / 2, offsetY: height / 2,
      rotation: element.turn ?? 0,
    };
    if (!(this.dragging && chosen)) rect.setAttrs(place);
    this.#carry(element, this.boxes[index].patch, place);
    halo.setAttrs({ ...place, strokeWidth: thing ? 5 : 3, visible: !this.quiet });
    rect.setAttrs({
      stroke: this.quiet ? 'rgba(0,0,0,0)' : color, strokeWidth: thing ? 3 : 1.5, dash: thing ? [] : [6, 4],
      draggable: chosen || !this.coarse, preventDefault: chosen || !this.coarse,
      fill: chosen && !this.quiet ? `${color}22` : 'rgba(0,0,0,0)',
    });
    tag.visible(!this.quiet && (thing || chosen));
    tag.position(this.#corner(place));
    tag.getTag().fill(color);
    tag.getText().text(thing ? String(this.#number(index)) : element.kind);
  }

  // Shows the piece of the picture that a moved box was read in.
  #carry(element, patch, place) {
    const from = element._from;
    patch.visible(Boolean(from) && !isInPlace(element));
    if (!patch.visible()) return;
    const { x, y, unit } = this.view, scale = 1 / this.scale;
    const [width, height] = [unit * widthOf(from), unit * heightOf(from)];
    patch.image(this.image);
    patch.setAttrs({
      ...place, rotation: (element.turn ?? 0) - (from.turn ?? 0),
      crop: { x: (x + unit * from.x - width / 2) * scale, y: (y + unit * from.y - height / 2) * scale,
        width: width * scale, height: height * scale },
    });
  }

  // Covers things of the picture that were moved or deleted.
  #cover() {
    const { x, y, unit } = this.view;
    const kept = new Set(this.scene.elements.filter(isInPlace).map((element) => element._from));
    for (const { element, cover } of this.origins) {
      const [width, height] = [unit * widthOf(element), unit * heightOf(element)];
      cover.setAttrs({
        visible: this.visible && !kept.has(element._from), x: x + unit * element.x, y: y + unit * element.y, width, height,
        offsetX: width / 2, offsetY: height / 2, rotation: element.turn ?? 0, fill: this.scene.background?.color ?? HALO,
      });
    }
    this.pictureLayer.batchDraw();
  }

  // The number of a thing, from 1, in drawing order.
  #number(index) {
    return this.scene.elements.slice(0, index + 1).filter(isThing).length;
  }

  // The leftmost, then highest corner of a turned box, within the stage.
  #corner({ x, y, width, height, rotation }) {
    const [c, s] = [Math.cos(rotation * Math.PI / 180), Math.sin(rotation * Math.PI / 180)];
    const corners = [[-1, -1], [1, -1], [1, 1], [-1, 1]]
      .map(([a, b]) => [x + (c * a * width - s * b * height) / 2, y + (s * a * width + c * b * height) / 2])
      .sort((a, b) => Math.round(a[0] - b[0]) || a[1] - b[1]);
    return { x: Math.max(0, Math.min(corners[0][0], this.stage.width() - 20)),
      y: Math.max(0, Math.min(corners[0][1] - TAG_HEIGHT, this.stage.height() - TAG_HEIGHT)) };
  }

  #report(index, ended) {
    const { rect } = this.boxes[index];
    const { x, y, unit } = this.view;
    const [left, top] = [(rect.x() - x) / unit, (rect.y() - y) / unit];
    const before = this.scene.elements[index];
    const [width, height] = [rect.width() / unit, rect.height() / unit];
    const same = Math.abs(width - widthOf(before)) < 1e-3 && Math.abs(height - heightOf(before)) < 1e-3
      && Math.abs(rect.rotation() - (before.turn ?? 0)) < 1e-2;
    const scene = same ? moved(this.scene, index, left, top, this.reach)
      : boxed(this.scene, index, { x: left, y: top, width, height, turn: rect.rotation() }, this.reach);
    this.onChange(scene, index, ended);
  }
}
