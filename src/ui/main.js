// The page: what the API sends goes into the store, what the address bar says chooses the view, and lit-html draws both.

import { render as draw } from './vendor/lit-html/lit-html.js';
import { animate } from './animate.js';
import { answers, follow } from './connect.js';
import { Dots } from './dots.js';
import { fetchEarlier } from './earlier.js';
import { compile } from './filter.js';
import { Graph } from './graph.js';
import { listenToKeys } from './keys.js';
import { besideOf, readPlace, selectionOf, writePlace } from './place.js';
import { listenToPointer } from './pointer.js';
import { Voice } from './say.js';
import { changes, shell } from './shell.js';
import { Store } from './store.js';
import { switchTheme } from './theme_switch.js';
import { uiState } from './ui_state.js';
import { details, view } from './views.js';

/** @import { Packet, Place } from './types.js' */

/** Data is drawn at most this often; what the reader does is drawn at once. */
const DATA_MS = 125;
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
    fetchEarlier(this.store, () => this.#soon());
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
    switchTheme();
    this.#recolor();
  }

  #recolor() {
    this.dots.readColors();
    this.render();
  }

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
    this.#measure();
    const root = /** @type {HTMLElement} */ (document.getElementById('app'));
    root.dataset.drawer = selectionOf(this.place) ? 'open' : '';
    const paint = () => draw(shell(this, view(this), details(this)), root);
    paint();
    // A drawer that opens makes the graph's box smaller, and the first drawing makes that box.
    if (this.#measure()) paint();
    document.title = `${this.place.id || this.place.view} · ${this.store.hello?.nodes.join(', ').slice(0, 40) || 'ilp-connector'}`;
    for (const work of this.#after.splice(0)) work();
  }

  /** Fits the graph to its box. @returns {boolean} whether the box has another size than before */
  #measure() {
    const picture = document.getElementById('picture');
    if (!picture) return false;
    const { width, height } = this.graph.size;
    this.graph.update(picture.clientWidth, picture.clientHeight, this.focus());
    return width !== picture.clientWidth || height !== picture.clientHeight;
  }
}

new App().start();
