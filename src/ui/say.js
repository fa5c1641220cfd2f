// What the page says besides what it shows: a note at the bottom, and the live region for screen readers.

const TOAST_MS = 2500;
const TROUBLE_MS = 8000;

export class Voice {
  toast = '';
  isTrouble = false;
  #timer = 0;

  /** @param {() => void} changed */
  constructor(changed) { this.changed = changed; }

  /** A note that goes away by itself. @param {string} text @param {boolean} [isTrouble] */
  show(text, isTrouble = false) {
    Object.assign(this, { toast: text, isTrouble });
    clearTimeout(this.#timer);
    if (text) this.#timer = window.setTimeout(() => this.show(''), isTrouble ? TROUBLE_MS : TOAST_MS);
    this.changed();
  }

  /** For screen readers only. @param {string} text */
  announce(text) {
    const place = document.getElementById('live');
    if (text && place) place.textContent = text;
  }

  /** @param {string} text */
  copy(text) {
    // Browsers give the clipboard only to pages of https or of this machine: otherwise the text is shown.
    const shown = (/** @type {string} */ what) => {
      this.announce(what);
      this.show(what);
    };
    if (navigator.clipboard) navigator.clipboard.writeText(text).then(() => shown('Copied'), () => shown(text));
    else shown(text);
  }
}
