// Undo and redo: the scenes so far, and which of them is shown.

const SAME_EDIT_MS = 800;

export class History {
  constructor(first) {
    this.scenes = [first];
    this.place = 0;
    this.edit = null;
  }

  get current() { return this.scenes[this.place]; }
  get canUndo() { return this.place > 0; }
  get canRedo() { return this.place < this.scenes.length - 1; }

  // edit: what was done, to which element; the same edit again within SAME_EDIT_MS is one step with it.
  add(scene, edit, now = Date.now()) {
    const again = this.edit && this.edit.name === edit && now - this.edit.at < SAME_EDIT_MS && this.canUndo;
    this.scenes = [...this.scenes.slice(0, again ? this.place : this.place + 1), scene];
    this.place = this.scenes.length - 1;
    this.edit = edit === null ? null : { name: edit, at: now };
  }

  undo() {
    if (this.canUndo) this.place -= 1;
    this.edit = null;
    return this.current;
  }

  redo() {
    if (this.canRedo) this.place += 1;
    this.edit = null;
    return this.current;
  }
}
