// The list of packets: only the rows in sight are drawn, so that thousands cost as much as twenty.

import { html, nothing } from './vendor/lit-html/lit-html.js';
import { labThen } from './active.js';
import { amount, clock, count, micros, short } from './format.js';
import { eventOf, whyOf } from './words.js';
import { hasLab } from './lab.js';
import { besideOf, selectionOf } from './place.js';
import { hasProbes, startPings } from './probes.js';
import { command, empty } from './parts.js';
import { pingCommand } from './words.js';

/** @import { App } from './main.js' */
/** @import { Packet } from './types.js' */

const ROW = 30;
const ROW_NARROW = 52;
const SPARE = 6;

/** Holds the list still while the pointer is over it or it is scrolled, so that a row does not move away under a click. @param {App} app @param {boolean} isHeld */
function hold(app, isHeld) {
  const { ui, store } = app;
  if (isHeld && !ui.hold && ui.listed.length > 0) ui.hold = { packets: [...store.shownPackets()], seen: store.seen };
  if (!isHeld && ui.scroll.top === 0) ui.hold = null;
  app.render();
}

/** Newest first, of what the lists show and the filter passes. @param {App} app @returns {Packet[]} */
export function listed(app) {
  const { compiled } = app.filter;
  const shown = app.ui.hold?.packets ?? app.store.shownPackets();
  const list = [];
  for (let i = shown.length - 1; i >= 0; i -= 1) {
    const packet = shown[i];
    if (packet && compiled(packet)) list.push(packet);
  }
  return list;
}

/** @param {Packet} packet */
const amounts = (packet) => {
  if (packet.amount == null) return '';
  const out = packet.outgoingAmount;
  return out != null && out !== packet.amount ? `${short(packet.amount)} → ${short(out)}` : amount(packet.amount);
};

/** @param {App} app @param {Packet} packet @param {number} index @param {number} height @param {boolean} isSelected */
function row(app, packet, index, height, isSelected) {
  const fault = packet.reason?.peer && packet.decidedHere ? labThen(app, packet.node, packet.reason.peer, packet.at) : null;
  const why = (fault ? `${whyOf(packet)}: lab, ${fault}` : whyOf(packet)) || (app.isNarrow() ? `${packet.from ?? 'itself'} → ${packet.to ?? '–'}` : '');
  const { mark, word } = eventOf(packet);
  return html`<div role="row" class="row ${packet.phase}" aria-rowindex=${index + 2} aria-selected=${isSelected ? 'true' : 'false'}
      .style=${`transform:translateY(${index * height}px)`} @click=${() => app.go(besideOf(app.place, 'packet', packet.id))}>
    <span role="cell" class="c-time"><a href=${besideOf(app.place, 'packet', packet.id)} @click=${(/** @type {Event} */ e) => e.stopPropagation()}
      title=${packet.at}>${clock(packet.at)}</a></span>
    <span role="cell" class="c-node" title=${packet.node}>${packet.node}</span>
    <span role="cell" class="c-event"><span class="mark" aria-hidden="true">${mark}</span> ${word}</span>
    <span role="cell" class="c-from" title=${packet.from ?? 'the node itself'}>${packet.from ?? html`<span class="dim">itself</span>`}</span>
    <span role="cell" class="c-to" title=${packet.to ?? ''}>${packet.to ?? '–'}</span>
    <span role="cell" class="c-dest" title=${packet.destination ?? ''}>${packet.destination ?? ''}</span>
    <span role="cell" class="c-amount num" title=${amount(packet.amount)}>${amounts(packet)}</span>
    <span role="cell" class="c-latency num">${packet.latencyUs == null ? '' : micros(packet.latencyUs)}</span>
    <span role="cell" class="c-why" title=${why}>${packet.code ? html`<b class="code">${packet.code}</b> ` : nothing}${why}</span>
  </div>`;
}

const HEADS = [['time', 'c-time'], ['node', 'c-node'], ['event', 'c-event'], ['from', 'c-from'], ['to', 'c-to'],
  ['destination', 'c-dest'], ['amount', 'c-amount num'], ['latency', 'c-latency num'], ['why', 'c-why']];

/** @param {App} app */
export function packetTable(app) {
  const list = listed(app);
  const height = app.isNarrow() ? ROW_NARROW : ROW;
  const { top, room } = app.ui.scroll;
  const first = Math.max(0, Math.floor(top / height) - SPARE);
  const rows = list.slice(first, first + Math.ceil(room / height) + 2 * SPARE);
  const selection = selectionOf(app.place);
  app.ui.listed = list;
  return html`<div class="packets" data-testid="packets">
    <div class="scroll" role="region" tabindex="0" aria-label="List of packets" @scroll=${(/** @type {any} */ event) => {
    app.ui.scroll = { top: event.currentTarget.scrollTop, room: event.currentTarget.clientHeight };
    hold(app, event.currentTarget.scrollTop > 0 || event.currentTarget.matches(':hover'));
  }} @pointerenter=${() => hold(app, true)} @pointerleave=${() => hold(app, false)}>
      <div role="table" aria-label="Packets, newest first" aria-rowcount=${list.length + 1}>
        <div role="row" class="row head" aria-rowindex="1">${HEADS.map(([name, css]) => html`<span role="columnheader" class=${css}>${name}</span>`)}</div>
        <div class="spacer" role=${rows.length > 0 ? 'rowgroup' : 'none'} .style=${`height:${list.length * height}px`}>${rows.map((packet, i) => row(app, packet, first + i, height,
    selection?.kind === 'packet' && selection.id === packet.id))}</div></div>
      ${list.length === 0 ? nothingYet(app) : nothing}
    </div>
    ${app.ui.hold && !app.store.paused && app.store.seen > app.ui.hold.seen ? html`<button class="held small" type="button" @click=${() => {
    app.ui.hold = null;
    document.querySelector('.packets .scroll')?.scrollTo(0, 0);
    app.render();
  }}>+${count(app.store.seen - app.ui.hold.seen)} new, held while you read</button>` : nothing}</div>`;
}

/** @param {App} app */
function nothingYet(app) {
  const { store } = app;
  if (store.connection !== 'live' && store.packets.length === 0) return empty('Waiting for the node …', store.problem);
  if (store.connection === 'live' && !store.may('packets')) return empty('Your token may not read packets.', 'Its scopes do not have "packets". Figures and widths of lines count every packet all the same.');
  if (app.filter.error) return empty('The filter cannot be read.', app.filter.error);
  if (store.shownPackets().length > 0) {
    return empty('No packet passes the filter.', `${store.shownPackets().length} packets are kept here.`,
      html`<button type="button" @click=${() => app.setFilter('')}>Clear the filter</button>`);
  }
  const others = html`${hasProbes(app) && store.nodes.size > 1 ? html`<button type="button" @click=${() => startPings(app)}>Ping all nodes</button>` : nothing}
    ${hasLab(app) ? html`<a class="button" href=${besideOf({ ...app.place, view: 'network', id: '' }, 'lab', 'all')}>Open the lab</a>` : nothing}`;
  return empty('No packets yet.', 'Send one, and watch it go. In another terminal:', html`${command(app, pingCommand([...store.nodes.values()]))}<p class="actions">${others}</p>`);
}

/** Moves the selection in the list. @param {App} app @param {number} by */
export function step(app, by) {
  const list = app.ui.listed;
  const selection = selectionOf(app.place);
  const at = list.findIndex((packet) => selection?.kind === 'packet' && packet.id === selection.id);
  const next = list[at < 0 ? 0 : Math.min(list.length - 1, Math.max(0, at + by))];
  if (!next) return;
  app.go(besideOf(app.place, 'packet', next.id), true);
  const height = app.isNarrow() ? ROW_NARROW : ROW;
  const scroll = document.querySelector('.packets .scroll');
  if (!scroll) return;
  const y = list.indexOf(next) * height;
  if (y < scroll.scrollTop) scroll.scrollTop = y;
  else if (y + height > scroll.scrollTop + scroll.clientHeight - ROW) scroll.scrollTop = y + height - scroll.clientHeight + ROW;
}
