// The stream and single answers, with a server that is a function.

import assert from 'node:assert/strict';
import test from 'node:test';
import { answers, follow, send, setToken } from '../../src/ui/connect.js';

const kept = new Map();
Object.assign(globalThis, {
  document: { baseURI: 'http://node/ui/' },
  sessionStorage: { getItem: (key) => kept.get(key) ?? null, setItem: (key, value) => kept.set(key, value) },
});

const refused = () => new Response('{"detail":"no"}', { status: 401 });
const streamed = (...chunks) => new Response(ReadableStream.from(chunks.map((chunk) => new TextEncoder().encode(chunk))));

/** Serves one answer after the other, and none after the last. @returns the requests as they come */
function serve(...list) {
  const requests = [];
  globalThis.fetch = (url, { headers }) => {
    requests.push({ path: `${url.pathname}${url.search}`, token: Buffer.from(new Headers(headers).get('Authorization') ?? '', 'latin1').toString() });
    const next = list.shift();
    return next ? Promise.resolve(next) : new Promise(() => {});
  };
  return requests;
}

/** Waits for so many requests. One more than there are answers: that attempt waits for ever, and disturbs no other test. */
async function asked(requests, count) {
  while (requests.length < count) await new Promise(setImmediate);
}

/** Follows, and gives what comes until there is `count` of it. */
const followed = (count) => new Promise((resolve) => {
  const seen = [];
  const note = (what) => { if (seen.push(what) === count) resolve({ seen, reconnect }); };
  const reconnect = follow({ message: ({ id, type }) => note(id ?? type), status: (status, problem) => note(problem ? `${status}: ${problem}` : status) });
});

test('lines are read across chunks, and a broken stream resumes after the last id', async () => {
  const requests = serve(streamed('{"type":"hello"}\n\n{"type":"pac', 'ket","id":"7-', '1"}\n'), streamed('{"type":"packet","id":"7-2"}\n'));
  const { seen } = await followed(7);
  assert.deepEqual(seen, ['live', 'hello', '7-1', 'lost: the node ended the stream', 'live', '7-2', 'lost: the node ended the stream']);
  assert.ok(!requests[0].path.includes('after='));
  assert.ok(requests[1].path.endsWith('&after=7-1'), requests[1].path);
  await asked(requests, 3);
});

test('a line without an end is not collected for ever', async () => {
  const requests = serve(streamed(...Array.from({ length: 65 }, () => 'x'.repeat(1024 * 1024))));
  assert.deepEqual((await followed(2)).seen, ['live', 'lost: the node sent a line without an end']);
  await asked(requests, 2);
});

test('garbage ends the attempt', async () => {
  const requests = serve(streamed('garbage\n'));
  const { seen } = await followed(2);
  assert.match(seen[1], /^lost: .*JSON/);
  await asked(requests, 2);
});

test('a refused token is not sent again until there is another one', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  setToken('wrong …');
  const requests = serve(refused(), streamed('{"type":"hello"}\n'));
  const { seen, reconnect } = await followed(1);
  assert.deepEqual(seen, ['token']);
  await new Promise(setImmediate);
  t.mock.timers.tick(60_000);
  await new Promise(setImmediate);
  assert.equal(requests.length, 1);
  setToken('right');
  reconnect();
  await asked(requests, 2);
  assert.deepEqual(requests.map(({ token }) => token), ['Bearer wrong …', 'Bearer right']);
});

test('an answer is asked for again when it is old, but not with a token that was refused', async () => {
  const requests = serve(Response.json({ n: 1 }), Response.json({ n: 2 }), refused(), Response.json({ n: 4 }));
  let changed = () => {};
  const list = answers(() => changed());
  const next = (maxAgeMs) => new Promise((resolve) => {
    changed = () => resolve(list.get('money', Infinity));
    list.get('money', maxAgeMs);
  });
  assert.equal((await next(0)).data.n, 1);
  assert.equal(list.get('money', Infinity).isLoading, false);
  assert.equal((await next(-1)).data.n, 2);
  assert.equal((await next(-1)).error.status, 401);
  assert.equal(list.get('money', -1).isLoading, false);
  assert.equal(requests.length, 3);
  // A stream has begun, so the token is right.
  list.clear();
  assert.equal((await next(-1)).data.n, 4);
});

test('a verb is sent as JSON, and a refusal says why', async () => {
  const seen = [];
  const list = [Response.json({ id: '7' }), new Response(null, { status: 200 }), new Response('{"detail":"your token may not do this"}', { status: 403 })];
  globalThis.fetch = (url, { method, body, headers }) => {
    seen.push([method, url.pathname, body, headers['Content-Type']]);
    return Promise.resolve(list.shift());
  };
  assert.deepEqual(await send('POST', 'nodes/a/peers/b/suspend', { ttlSeconds: 60 }), { id: '7' });
  assert.equal(await send('DELETE', 'overrides/7'), null);
  await assert.rejects(send('DELETE', 'overrides/7'), { status: 403, message: 'your token may not do this' });
  assert.deepEqual(seen.slice(0, 2), [['POST', '/api/v1/nodes/a/peers/b/suspend', '{"ttlSeconds":60}', 'application/json'], ['DELETE', '/api/v1/overrides/7', null, 'application/json']]);
});
