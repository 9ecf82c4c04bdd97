// Builds elements of the page.

// tag("button", {class: "x", onclick: f}, "text", child, ...): properties that start with "on" are listeners, null ones
// are left out.
export function tag(name, properties = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith('on')) element.addEventListener(key.slice(2), value);
    else element.setAttribute(key, value === true ? '' : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

const PATHS = {
  undo: 'M9 14 4 9l5-5M4 9h10a6 6 0 0 1 0 12h-3', redo: 'm15 14 5-5-5-5M20 9H10a6 6 0 0 0 0 12h3',
  add: 'M12 5v14M5 12h14', remove: 'M4 7h16M9 7V4h6v3M6 7l1 13h10l1-13', odd: 'M12 3l2.6 5.6 6 .7-4.5 4.1 1.2 6-5.3-3-5.3 3 1.2-6L3.4 9.3l6-.7z',
  boxes: 'M3 12s3.5-6 9-6 9 6 9 6-3.5 6-9 6-9-6-9-6zM12 9.5a2.5 2.5 0 1 0 0 5 2.5 2.5 0 0 0 0-5', help: 'M9 9a3 3 0 1 1 4 2.8c-.7.3-1 .8-1 1.7M12 17h.01',
  save: 'm5 12 5 5L20 7', close: 'M6 6l12 12M18 6 6 18', reset: 'M4 12a8 8 0 1 0 3-6.2M4 4v4h4',
};

export function icon(name) {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  for (const [key, value] of Object.entries({ viewBox: '0 0 24 24', 'aria-hidden': 'true' })) svg.setAttribute(key, value);
  const path = document.createElementNS(svg.namespaceURI, 'path');
  path.setAttribute('d', PATHS[name]);
  svg.append(path);
  return svg;
}

// A button with an icon alone, whose label is its name for screen readers and its tooltip.
export function iconButton(name, label, onclick, properties = {}) {
  return tag('button', {
    type: 'button', class: 'se-button se-icon', 'aria-label': label, title: label, onclick, ...properties,
  }, icon(name));
}

export function button(name, label, onclick, properties = {}) {
  return tag('button', { type: 'button', class: 'se-button', title: label, onclick, ...properties }, icon(name), tag('span', {}, label));
}
