// Reads the API: one stream, and single answers. Both send the bearer token that the reader gave, if any.

/** @import { Message } from './types.js' */

const TOKEN = 'ilp-connector.apiToken';
const RETRY_MS_MAX = 5000;
/** The server sends a line at least this often. */
const SILENCE_MS_MAX = 40_000;
/** Far above the longest line, which is the state of a large network. */
const LINE_CHARS_MAX = 64 * 1024 * 1024;

/** The API beside this page, also behind a proxy with a path of its own. */
const api = () => new URL('../api/v1/', document.baseURI);

export const hasToken = () => sessionStorage.getItem(TOKEN) != null;
/** @param {string} token */
export const setToken = (token) => sessionStorage.setItem(TOKEN, token);

/** An answer that is no success; `status` is the HTTP status. */
class AnswerError extends Error {
  /** @param {number} status @param {string} message */
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/**
 * @param {string} path below /api/v1/ @param {string} accept
 * @param {{ signal?: AbortSignal, method?: string, body?: unknown }} [how]
 */
async function request(path, accept, { signal, method = 'GET', body } = {}) {
  /** @type {Record<string, string>} */
  const headers = { Accept: accept };
  // A form of another site cannot send this type.
  if (method !== 'GET') headers['Content-Type'] = 'application/json';
  const token = sessionStorage.getItem(TOKEN);
  // A header is made of bytes. A mistyped character beyond ASCII must reach the node as well, which refuses it.
  if (token != null) headers.Authorization = `Bearer ${String.fromCharCode(...new TextEncoder().encode(token))}`;
  const response = await fetch(new URL(path, api()), {
    method, headers, body: body === undefined ? null : JSON.stringify(body), signal: signal ?? null, cache: 'no-store',
  });
  if (!response.ok) throw new AnswerError(response.status, await reasonOf(response));
  return response;
}

/** What the body of an error says. @param {Response} response */
async function reasonOf(response) {
  const text = await response.text().catch(() => '');
  try {
    const body = JSON.parse(text);
    return String(body.detail ?? body.error ?? body.title ?? response.statusText);
  } catch {
    return text.slice(0, 200) || `${response.status} ${response.statusText}`;
  }
}

/** @param {string} path below /api/v1/ @returns {Promise<any>} */
export const getJson = async (path) => (await request(path, 'application/json')).json();

/** Does something. @param {'POST' | 'DELETE'} method @param {string} path below /api/v1/ @param {unknown} [body] @returns {Promise<any>} */
export async function send(method, path, body) {
  const text = await (await request(path, 'application/json', { method, body })).text();
  return text === '' ? null : JSON.parse(text);
}

/** The URL of a path of the API, for a command line. @param {string} path */
export const urlOf = (path) => new URL(path, api()).href;

/**
 * Reads the stream until the page closes. After a break it connects again and resumes after the last id.
 * @param {{ message: (message: Message) => void, status: (status: 'connecting' | 'live' | 'lost' | 'token', problem: string) => void }} on
 * @returns {() => void} connects again at once
 */
export function follow(on) {
  let last = '';
  let wait = 250;
  /** @type {AbortController} */
  let attempt = new AbortController();
  let wake = () => {};

  const read = async () => {
    const after = last ? `&after=${encodeURIComponent(last)}` : '';
    // Without topics: all that the token may read.
    const response = await request(`stream?packets=200${after}`, 'application/x-ndjson', { signal: attempt.signal });
    on.status('live', '');
    wait = 250;
    for await (const line of lines(response, attempt)) {
      const message = /** @type {Message} */ (JSON.parse(line));
      if ('id' in message && typeof message.id === 'string') last = message.id;
      if (message.type === 'bye') wait = Math.min(RETRY_MS_MAX, message.retryMs);
      on.message(message);
    }
    throw new Error('the node ended the stream');
  };

  const loop = async () => {
    for (;;) {
      attempt = new AbortController();
      const error = await read().catch((reason) => reason);
      const isToken = error instanceof AnswerError && error.status === 401;
      const text = error instanceof TypeError ? 'the node does not answer' : String(error.message ?? error);
      on.status(isToken ? 'token' : 'lost', isToken ? '' : text);
      await new Promise((resolve) => {
        wake = () => resolve(undefined);
        // Without another token, the next answer would be the same.
        if (!isToken) setTimeout(wake, wait);
      });
      wait = Math.min(RETRY_MS_MAX, wait * 2);
    }
  };
  loop();
  return () => {
    wait = 250;
    attempt.abort();
    wake();
  };
}

/** The lines of a body. Heartbeats are empty lines. @param {Response} response @param {AbortController} attempt */
async function* lines(response, attempt) {
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  if (!reader) return;
  let rest = '';
  for (;;) {
    const silence = setTimeout(() => attempt.abort(), SILENCE_MS_MAX);
    const { done, value } = await reader.read().finally(() => clearTimeout(silence));
    if (done) return;
    const parts = value.split('\n');
    parts[0] = rest + parts[0];
    rest = parts.pop() ?? '';
    if (rest.length > LINE_CHARS_MAX) throw new Error('the node sent a line without an end');
    for (const part of parts) if (part.trim() !== '') yield part;
  }
}

/**
 * Answers of the API, kept while they are fresh. A view asks on every render; `changed` is called when an answer comes.
 * @param {() => void} changed
 */
export function answers(changed) {
  /** @type {Map<string, { data: any, error: AnswerError | null, at: number, isLoading: boolean }>} */
  const kept = new Map();
  return {
    /** @param {string} path @param {number} maxAgeMs */
    get(path, maxAgeMs) {
      const known = kept.get(path) ?? { data: null, error: null, at: -Infinity, isLoading: false };
      // With a token that was refused, each request would be another guess.
      const isRefused = known.error?.status === 401;
      if (!known.isLoading && !isRefused && performance.now() - known.at > maxAgeMs) {
        known.isLoading = true;
        if (kept.size > 64) kept.delete(kept.keys().next().value ?? '');
        kept.set(path, known);
        getJson(path)
          .then((data) => Object.assign(known, { data, error: null }))
          .catch((error) => {
            known.error = error instanceof AnswerError ? error : new AnswerError(0, String(error.message ?? error));
          })
          .finally(() => {
            Object.assign(known, { isLoading: false, at: performance.now() });
            changed();
          });
      }
      return known;
    },
    clear: () => kept.clear(),
  };
}
