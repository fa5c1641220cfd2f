// The configuration of a node: what is in force and where it comes from, what the last reload said, and what the file says
// now that is not in force.

import { html, nothing } from './vendor/lit-html/lit-html.js';
import { overrideLine } from './active.js';
import { count, plural, since } from './format.js';
import { empty, problem, time } from './parts.js';

/** @import { App } from './main.js' */
/** @import { Config, ConfigCheck } from './types.js' */

const SHOWN_MAX = 500;

/** @param {App} app */
export function configView(app) {
  const { store, place } = app;
  const ids = [...store.nodes.keys()];
  if (ids.length === 0) return empty('Connecting …', store.problem);
  if (store.seenBy) return empty('The configuration is not for the token of a peer.');
  const node = store.nodes.has(place.params.node ?? '') ? place.params.node ?? '' : ids[0] ?? '';
  const path = `nodes/${encodeURIComponent(node)}/config`;
  const [config, check] = [app.answers.get(path, 5000), app.answers.get(`${path}/check`, 5000)];
  return html`<section class="page"><h1>Configuration</h1>
    <div class="explain"><label>of node <select aria-label="Node" @change=${(/** @type {any} */ e) => app.go({ ...place, params: { ...place.params, node: e.target.value } }, true)}>
      ${ids.map((id) => html`<option value=${id} ?selected=${id === node}>${id}</option>`)}</select></label>
      ${config.data?.file ? html`<span class="dim">file <code>${config.data.file}</code></span>` : nothing}</div>
    ${config.data ? html`${reload(app, config.data)}${fileNow(app, check)}${changed(app, node)}${values(app, config.data)}`
    : config.error ? problem(config, 'its configuration') : html`<p class="dim">Loading …</p>`}</section>`;
}

/** @param {App} app @param {Config} config */
function reload(app, { lastReload }) {
  if (!lastReload) return nothing;
  const { at, successful, error, succeededAt, mistakes = [] } = lastReload;
  return successful ? html`<p class="line" data-testid="reload"><span class="badge good"><span aria-hidden="true">✓</span> in force</span>
      <span>What was read ${since(at, app.now())} ago is in force.</span> <span class="dim">${time(at)}</span></p>`
    : html`<section class="verdict" aria-label="The last reload" data-testid="reload"><p><b>The file was refused</b> ${since(at, app.now())} ago (${time(at)}). The node goes on with the version ${succeededAt ? html`of ${time(succeededAt)}` : 'before'}.</p>
      ${mistakes.length > 0 ? html`<ul class="plain">${mistakes.map(mistake)}</ul>` : error ? html`<p><code>${error}</code></p>` : nothing}</section>`;
}

/** @param {{ text: string, file?: string | null, line?: number | null }} mistake */
const mistake = ({ text, file, line }) => html`<li>${file ? html`<code>${file}${line == null ? '' : `:${line}`}</code> ` : line == null ? nothing : html`<code>line ${line}</code> `}${text}</li>`;

/** What the file would do, as it is on the disk now. @param {App} app @param {{ data: ConfigCheck | null, error: any }} check */
function fileNow(app, check) {
  if (check.error) return check.error.status === 404 ? nothing : html`<p class="dim">The file cannot be compared: ${check.error.message}</p>`;
  if (!check.data) return html`<p class="dim">Reading the file …</p>`;
  const { mistakes = [], warnings = [], changes = [], moreChanges = 0 } = check.data;
  return html`<section aria-label="The file as it is now" data-testid="check"><h2>The file as it is now</h2>
    ${mistakes.length > 0 ? html`<ul class="reasons" data-testid="mistakes">${mistakes.map(mistake)}</ul>` : nothing}
    ${warnings.length > 0 ? html`<p class="warn-text">${plural(warnings.length, 'warning')}</p><ul class="plain">${warnings.map(mistake)}</ul>` : nothing}
    ${mistakes.length === 0 && changes.length === 0 ? html`<p class="good-text">✓ It is what runs.</p>` : nothing}
    ${changes.length > 0 ? html`<p class="dim">${plural(changes.length + moreChanges, 'difference')} between the file and what runs${moreChanges > 0 ? `, the first ${count(changes.length)} shown` : ''}.</p>
      <div class="wide-table"><table data-testid="differences"><thead><tr><th scope="col">key</th><th scope="col">running</th><th scope="col">in the file</th><th scope="col">applied</th></tr></thead>
      <tbody>${changes.map(({ key, running, file, needsRestart }) => html`<tr><th scope="row">${keyText(key)}</th><td class="wrap"><span class="was"><span class="unseen">runs: </span>${shown(running)}</span></td>
        <td class="wrap"><span class="will"><span class="unseen">file: </span>${shown(file)}</span></td><td>${needsRestart ? html`<span class="warn-text">at the next start</span>` : html`<span class="dim">while it runs</span>`}</td></tr>`)}</tbody></table></div>` : nothing}</section>`;
}

/** @param {App} app @param {string} node */
function changed(app, node) {
  const list = app.store.overrides.filter((override) => override.node === node);
  return list.length === 0 ? nothing : html`<h2>Changed for a while</h2><ul class="cards">${list.map((override) => html`<li class="card"><div class="line">${overrideLine(app, override)}</div></li>`)}</ul>`;
}

/** @param {App} app @param {Config} config */
function values(app, { values }) {
  const { place } = app;
  const { find = '', all = '' } = place.params;
  const set = (/** @type {Record<string, string>} */ params) => app.go({ ...place, params: { ...place.params, ...params } }, true);
  const own = values.filter(({ from }) => from !== 'default');
  const words = find.toLowerCase().split(/\s+/);
  const list = (all || find ? values : own).filter(({ key, value, from }) => words.every((word) => `${key} ${text(value)} ${from}`.toLowerCase().includes(word)));
  return html`<h2>In force</h2>
    <div class="explain" role="group" aria-label="Which values"><button class="chip" type="button" aria-pressed=${all ? 'false' : 'true'} @click=${() => set({ all: '' })}>set somewhere <span class="dim">${count(own.length)}</span></button>
      <button class="chip" type="button" aria-pressed=${all ? 'true' : 'false'} @click=${() => set({ all: '1' })}>all <span class="dim">${count(values.length)}</span></button>
      <label class="grow"><span class="unseen">Find a key</span><input type="search" aria-label="Find a key" placeholder="find: peers minBalance" .value=${find} autocomplete="off" spellcheck="false" @input=${(/** @type {any} */ e) => set({ find: e.target.value })}></label></div>
    ${list.length === 0 ? empty('No such value.', 'Another word, or all values.', html`<button type="button" @click=${() => set({ find: '', all: '1' })}>Show all</button>`)
    : html`<div class="wide-table"><table data-testid="values"><thead><tr><th scope="col">key</th><th scope="col">value</th><th scope="col">from</th></tr></thead>
      <tbody>${list.slice(0, SHOWN_MAX).map(({ key, value, from }) => html`<tr class=${from === 'default' ? 'default' : ''}><th scope="row">${keyText(key)}</th>
        <td class="wrap">${shown(value)}</td><td class="wrap">${origin(from)}</td></tr>`)}</tbody></table></div>
      ${list.length > SHOWN_MAX ? html`<p class="dim">The first ${count(SHOWN_MAX)} of ${count(list.length)}. Find a key to see others.</p>` : nothing}`}
    <p class="dim">Secrets are masked. A value for a while comes from an override, and is gone when its time is over.</p>`;
}

/** @param {unknown} value */
const text = (value) => (typeof value === 'string' ? value : value == null ? '' : JSON.stringify(value));

/** @param {unknown} value */
const shown = (value) => (value == null ? html`<span class="dim">none</span>` : html`<code>${text(value)}</code>`);

/** A key that may break at its dots and words. @param {string} key */
const keyText = (key) => html`<code>${key.split(/(?<=\.)|(?=[A-Z[])/).map((part) => html`<wbr>${part}`)}</code>`;

/** @param {string} from */
function origin(from) {
  if (from === 'default') return html`<span class="dim">default</span>`;
  return /:\d+$/.test(from) ? html`<code>${from}</code>` : from === 'override' ? html`<b class="warn-text">override</b>` : from;
}
