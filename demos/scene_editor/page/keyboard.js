// The keys of the editor, and the list of them that "?" shows.

const STEP = 0.02, LARGE_STEP = 0.1, GROW = 1.05, TURN = 5, LARGE_TURN = 45;

// mode: "reading" or "result", for those keys that only one of them has.
export const KEYS = [
  { keys: 'Tab, Shift+Tab', what: 'next and previous box; after the last one the page goes on' },
  { keys: '← ↑ → ↓', what: 'move; with Shift in larger steps' },
  { keys: '+ and −', what: 'larger and smaller' },
  { keys: '[ and ]', what: 'turn left and right; with Shift by 45 degrees' },
  { keys: 'Delete', what: 'delete' },
  { keys: 'A', what: 'add a copy, or a new thing if no box is selected' },
  { keys: 'O', what: 'mark as the odd one', mode: 'reading' },
  { keys: 'D', what: 'go to the drawing of the selected thing', mode: 'result' },
  { keys: 'Ctrl+Z, Ctrl+Y', what: 'undo and redo' },
  { keys: 'Esc', what: 'select nothing' },
  { keys: '?', what: 'this list' },
];

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

// Handles a key that was pressed on the stage. actions: what the editor can do. Keys that are not handled keep their
// meaning for the page.
export function onKey(event, actions) {
  if (event.altKey) return;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  if (event.ctrlKey || event.metaKey) {
    const undoes = key === 'z' && !event.shiftKey, redoes = key === 'y' || (key === 'z' && event.shiftKey);
    if (undoes) actions.undo();
    else if (redoes) actions.redo();
    if (undoes || redoes) event.preventDefault();
    return;
  }
  if (key === 'Tab') {
    if (actions.step(event.shiftKey ? -1 : 1)) event.preventDefault();
    return;
  }
  const action = actionOf(event, key, actions);
  if (!action) return;
  event.preventDefault();
  action();
}

function actionOf(event, key, actions) {
  if (key in ARROWS) {
    const [x, y] = ARROWS[key], step = event.shiftKey ? LARGE_STEP : STEP;
    return () => actions.move(x * step, y * step);
  }
  const turn = event.shiftKey ? LARGE_TURN : TURN;
  return {
    '+': () => actions.scale(GROW), '=': () => actions.scale(GROW), '-': () => actions.scale(1 / GROW),
    '_': () => actions.scale(1 / GROW), '[': () => actions.turn(-turn), '{': () => actions.turn(-turn),
    ']': () => actions.turn(turn), '}': () => actions.turn(turn), Delete: actions.remove, Backspace: actions.remove,
    a: actions.add, o: actions.odd, d: actions.toDrawing, Escape: actions.clear, '?': actions.help,
  }[key];
}
