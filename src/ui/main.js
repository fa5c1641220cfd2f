// The page: what the API sends goes into the store, what the address bar says chooses the view, and lit-html draws both.

import { render as draw } from './vendor/lit-html/lit-html.js';
import { animate } from './animate.js';
import { answers, follow, getJson } from './connect.js';
import { Dots } from './dots.js';
import { compile } from './filter.js';
import { Graph } from './graph.js';
import { listenToKeys } from './keys.js';
import { besideOf, readPlace, selectionOf, writePlace } from './place.js';
import { listenToPointer } from './pointer.js';
import { Voice } from './say.js';
import { changes, shell } from './shell.js';
import { Store } from './store.js';
import { uiState } from './ui_state.js';
import { details, view } from './views.js';

/** @import { Packet, Place } from './types.js' */

/** Data is drawn at most this often; what the reader does is drawn at once. */
const DATA_MS = 125;
/** What is shown from before the page opened. Under load the newest packets are samples only, so Rejects are asked for too. */
const EARLIER = ['packets?limit=1000', 'packets?limit=1000&filter=lane%3Dreject', 'events'];
const NARROW = matchMedia('(max-width: 700px)');
const STILL = matchMedia('(prefers-reduced-motion: reduce)');

export class App {
  store = new Store();
  graph = new Graph(this.store);
  dots = new Dots((node, peer) => this.store.far(node, peer));
  answers = answers(() => this.render());
  voice = new Voice(() => this.render());
  place = readPlace(location.hash);
  /** @type {{ compiled: (packet: Packet) => boolean, error: string }} */ filter = { compiled: () => true, error: '' };
  ui = uiState(STILL.matches);
  reconnect = () => {};
  #isDue = false;
  #drawnAt = 0;
  /** @type {(() => void)[]} */ #after = [];
  /** @type {Map<string, string>} */ #states = new Map();

  start() {
    addEventListener('hashchange', () => this.#arrive());
    addEventListener('resize', () => this.render());
    STILL.addEventListener('change', () => { this.ui.isStill = STILL.matches; this.dots.clear(); this.render(); });
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.#recolor());
    listenToKeys(this);
    listenToPointer(this);
    this.#readFilter();
    this.#recolor();
    this.reconnect = follow({
      message: (message) => {
        const isNew = message.type === 'packet' && this.filter.compiled(message);
        this.store.apply(message);
        // Hours of packets that nobody looked at would come all at once.
        if (isNew && !this.ui.isStill && !document.hidden && document.getElementById('dots')) this.dots.add(message);
        if (message.type === 'hello') this.#begin();
        if (message.type === 'state' || message.type === 'rates') this.#announce();
        this.#soon();
      },
      status: (connection, problem) => {
        Object.assign(this.store, { connection, problem });
        this.render();
      },
    });
    setInterval(() => this.#soon(), 1000);
    animate(this);
    this.render();
  }

  /** A stream has begun: fetches what was kept before it. */
  #begin() {
    this.answers.clear();
    const isReadable = (/** @type {string} */ path) => this.store.may(path.startsWith('packets') ? 'packets' : 'read');
    for (const path of EARLIER.filter(isReadable)) getJson(path).then((earlier) => { this.store.addEarlier(earlier); this.#soon(); }, () => {});
  }

  /** By the clock of the node. */
  now() { return Date.now() + this.store.skew; }
  isNarrow() { return NARROW.matches; }
  /** The node whose neighbourhood a graph shows that is too large: the last one that was selected. */
  focus() {
    const selection = selectionOf(this.place);
    if (selection?.kind === 'node') this.ui.focus = selection.id;
    return this.ui.focus;
  }

  /** Pixels from side to side for the details of a selection. */
  roomForDetails() { return Math.min(innerWidth - 36, selectionOf(this.place) ? (innerWidth > 1080 ? 360 : 310) : 760); }
  /** Runs after the next drawing. @param {() => void} work */
  after(work) { this.#after.push(work); }

  /** Goes to a place. @param {string | Place} place @param {boolean} [isSame] whether Back shall skip it */
  go(place, isSame = false) {
    const hash = typeof place === 'string' ? place : writePlace(place);
    if (!isSame) location.hash = hash;
    else {
      history.replaceState(null, '', hash);
      this.#arrive();
    }
  }

  #arrive() {
    const before = this.place;
    this.place = readPlace(location.hash);
    if (this.place.view !== before.view) {
      this.ui.scroll = { top: 0, room: this.ui.scroll.room };
      this.ui.hold = null;
      this.dots.clear();
      this.after(() => document.getElementById('main')?.scrollTo(0, 0));
    }
    this.#readFilter();
    this.render();
  }

  #readFilter() {
    try {
      this.filter = { compiled: compile(this.place.params.filter ?? ''), error: '' };
    } catch (error) {
      this.filter = { compiled: () => false, error: String(/** @type {Error} */ (error).message) };
    }
  }

  /** @param {string} filter */
  setFilter(filter) {
    const view = ['network', 'packets'].includes(this.place.view) ? this.place : { view: 'packets', id: '', params: {} };
    this.dots.clear();
    this.go({ ...view, params: { ...view.params, filter } }, view === this.place);
  }

  pause() {
    this.store.pause(!this.store.paused);
    this.dots.isPaused = this.store.paused != null;
    this.render();
  }

  /** Shows one packet at a time, each with its details. */
  follow() {
    this.dots.clear();
    this.dots.follow = this.dots.follow ? null : (id) => this.go(besideOf(this.place, 'packet', id), true);
    this.dots.slow = this.dots.follow ? 3 : 1;
  }

  closeDrawer() {
    if (this.dots.follow) this.follow();
    const { sel, ...params } = this.place.params;
    if (sel) this.go({ ...this.place, params });
  }

  switchTheme() {
    const root = document.documentElement;
    const isDark = getComputedStyle(root).colorScheme.startsWith('dark');
    root.dataset.theme = isDark ? 'light' : 'dark';
    localStorage.setItem('ilp-connector.theme', root.dataset.theme);
    this.#recolor();
  }

  #recolor() {
    this.dots.readColors();
    this.render();
  }

  /** @param {string} text */
  copy(text) { this.voice.copy(text); }

  /** What came of something that the reader did. @param {string} text @param {boolean} [isTrouble] */
  say(text, isTrouble = false) {
    this.voice.announce(text);
    this.voice.show(text, isTrouble);
  }

  #announce() {
    const states = this.store.states();
    this.voice.announce(changes(this.#states, states));
    this.#states = states;
  }

  #soon() { this.#isDue = true; }

  /** Whether there is something to draw, and the last drawing is long enough ago. @param {number} at */
  isDue(at) { return this.#isDue && at - this.#drawnAt >= DATA_MS; }

  render() {
    this.#isDue = false;
    this.#drawnAt = performance.now();
    const picture = document.getElementById('picture');
    if (picture) this.graph.update(picture.clientWidth, picture.clientHeight, this.focus());
    const root = /** @type {HTMLElement} */ (document.getElementById('app'));
    root.dataset.drawer = selectionOf(this.place) ? 'open' : '';
    draw(shell(this, view(this), details(this)), root);
    document.title = `${this.place.id || this.place.view} · ${this.store.hello?.nodes.join(', ').slice(0, 40) || 'ilp-connector'}`;
    for (const work of this.#after.splice(0)) work();
    // The first drawing makes the box that the graph is fitted to.
    if (!picture && document.getElementById('picture')) this.#soon();
  }
}

new App().start();
