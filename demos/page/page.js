// Mends what Gradio's own parts lack, and the keys of Create.
//
// Gradio's upload buttons have an accessible name that is not their visible text, as speech control needs it, or that is
// the key of a translation.

const OWN_NAMES = { references: 'Drop a picture whose idea you like, or click to choose' };

new MutationObserver(() => document.querySelectorAll('button[aria-label]').forEach((button) => {
  const key = button.getAttribute('aria-label').match(/^common\.(\w)(\w*)$/);
  if (key) button.title = button.ariaLabel = key[1].toUpperCase() + key[2];
  // A button inside a button: only the inner one takes files, by keyboard too.
  if (button.querySelector('button')) { button.role = 'group'; button.tabIndex = -1; }
  const own = button.querySelector('.wrap') && OWN_NAMES[button.closest('.block')?.id];
  const shown = own || button.innerText.replace(/\s+/g, ' ').trim();
  // A sign alone, such as ×, is no name.
  if (shown.length > 2 && !button.dataset.pick && !button.getAttribute('aria-label').includes(shown)) button.setAttribute('aria-label', shown);
})).observe(document.documentElement, { childList: true, subtree: true });

const $ = (selector) => document.querySelector(selector);
const cards = () => [...document.querySelectorAll('#strip .an-card')];
const chosen = () => cards().findIndex((card) => card.getAttribute('aria-pressed') === 'true');

function choose(index) {
  const card = cards()[index];
  card?.click();
  card?.scrollIntoView({ block: 'nearest' });
}

// From the picture to the reference under it and back.
function split() {
  const slide = $('#large .st-slide');
  if (!slide) return;
  slide.value = Number(slide.value) < 100 ? 100 : 0;
  slide.dispatchEvent(new Event('input', { bubbles: true }));
}

const ACTIONS = {
  ' ': split, s: () => $('#star')?.click(), e: () => $('#edit')?.click(), n: () => $('#more')?.click(),
  c: () => $('#pin')?.click(),
  ArrowRight: () => choose(chosen() + 1), ArrowDown: () => choose(chosen() + 1),
  ArrowLeft: () => chosen() > 0 && choose(chosen() - 1), ArrowUp: () => chosen() > 0 && choose(chosen() - 1),
  Delete: () => $('#delete')?.click(), '?': () => $('#keys')?.showModal(),
};

addEventListener('keydown', (event) => {
  if (event.altKey || $('#keys')?.open) return;
  if ((event.ctrlKey || event.metaKey)) {
    if (event.key === 'Enter' && $('#generate')?.offsetParent) $('#generate').click();
    return;
  }
  // Where keys have a meaning of their own: in fields, in the editor of boxes, on other buttons and tabs.
  if (event.target.closest('input, textarea, select, .se-stage, dialog, [role=tab], [role=listbox]')) return;
  const onButton = event.target.closest('button, a, summary, label');
  if (event.key === ' ' && onButton && !event.target.closest('.an-card')) return;
  if (event.key !== '?' && !$('#large .cv')?.offsetParent) return;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const action = /^[1-9]$/.test(key) ? () => choose(Number(key) - 1) : ACTIONS[key];
  if (!action) return;
  event.preventDefault();
  action();
});

addEventListener('click', (event) => event.target.closest('#show-keys') && $('#keys').showModal());
