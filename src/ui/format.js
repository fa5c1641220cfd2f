// How the page writes numbers, times and sizes. Figures without data are a dash, never a zero.

export const NONE = '–';
const COMMA = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 });

/** Thousands with commas: 1,204. @param {number | null | undefined} value */
export const count = (value) => (value == null || !Number.isFinite(value) ? NONE : COMMA.format(value));

/** A rate: 0, 0.4, 12, 1,204, 1.2M. @param {number | null | undefined} value */
export function rate(value) {
  if (value == null || !Number.isFinite(value)) return NONE;
  if (value > 0 && value < 10) return String(Number(value.toFixed(1)));
  return value < 1e6 ? COMMA.format(value) : short(String(Math.round(value)));
}

/** A whole amount of any length, in groups: 1,234,567. @param {string | null | undefined} value */
export function amount(value) {
  if (value == null || value === '') return NONE;
  return /^-?\d+$/.test(value) ? value.replace(/\B(?=(\d{3})+$)/g, ',').replace('-', '−') : value;
}

/** An amount in at most seven characters: 999, 12.3k, 1.2M, 3.5e17. @param {string | null | undefined} value */
export function short(value) {
  if (value == null || !/^-?\d+$/.test(value)) return value ?? NONE;
  const sign = value.startsWith('-') ? '−' : '';
  const digits = value.replace('-', '').replace(/^0+(?=\d)/, '');
  if (digits.length <= 4) return sign + COMMA.format(Number(digits));
  const group = Math.floor((digits.length - 1) / 3);
  const suffix = ['', 'k', 'M', 'G', 'T'][group];
  if (suffix === undefined) return `${sign}${digits[0]}.${digits[1]}e${digits.length - 1}`;
  const whole = digits.slice(0, digits.length - 3 * group);
  const part = digits.charAt(whole.length);
  return sign + whole + (whole.length < 3 && part !== '0' ? `.${part}` : '') + suffix;
}

/**
 * An amount in units of its asset: 1234567890 of USD/9 is 1.2346 USD.
 * @param {string | null | undefined} value @param {string} asset code and scale, such as USD/9
 */
export function inAsset(value, asset) {
  const [code = '', scale = '0'] = asset.split('/');
  if (value == null || !/^-?\d+$/.test(value)) return value ?? NONE;
  const digits = value.replace('-', '').padStart(Number(scale) + 1, '0');
  const whole = digits.slice(0, digits.length - Number(scale));
  const part = digits.slice(digits.length - Number(scale));
  // Four digits, and never a zero for an amount that is not.
  const places = Math.max(4, whole === '0' ? part.search(/[1-9]/) + 3 : 0);
  const shown = part.slice(0, places).replace(/0+$/, '');
  return `${value.startsWith('-') ? '−' : ''}${amount(whole)}${shown ? `.${shown}` : ''} ${code}`;
}

/** A percentage: 99.8 %; a dash without data. @param {number | null | undefined} value */
export function percent(value) {
  if (value == null || !Number.isFinite(value)) return NONE;
  // 99.96 % is not 100 %.
  const shown = value < 100 && value > 99.9 ? '>99.9' : value > 0 && value < 0.1 ? '<0.1' : String(Number(value.toFixed(1)));
  return `${shown} %`;
}

/** Microseconds: 450 µs, 2.1 ms, 1.3 s. @param {number | null | undefined} us */
export function micros(us) {
  if (us == null || !Number.isFinite(us)) return NONE;
  if (us < 1000) return `${Math.round(us)} µs`;
  if (us < 1e6) return `${Number((us / 1000).toFixed(us < 1e4 ? 1 : 0))} ms`;
  return `${Number((us / 1e6).toFixed(1))} s`;
}

/** Bytes: 0 B, 12 KiB, 4 MiB. @param {number | null | undefined} bytes */
export function bytes(bytes) {
  if (bytes == null) return NONE;
  if (bytes < 1024) return `${bytes} B`;
  return bytes < 1048576 ? `${Math.round(bytes / 1024)} KiB` : `${Number((bytes / 1048576).toFixed(1))} MiB`;
}

/** Seconds in two units at most: 14 s, 3 min, 2 h 14 min, 5 d 3 h. @param {number | null | undefined} seconds */
export function duration(seconds) {
  if (seconds == null || !Number.isFinite(seconds)) return NONE;
  const s = Math.max(0, Math.floor(seconds));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
  return `${Math.floor(s / 86400)} d ${Math.floor((s % 86400) / 3600)} h`;
}

/** What is left of a time: 0:09, 9:31, 1:02:03. @param {string | null | undefined} time @param {number} now milliseconds */
export function left(time, now) {
  const ms = Date.parse(time ?? '') - now;
  if (Number.isNaN(ms)) return NONE;
  const s = Math.max(0, Math.ceil(ms / 1000));
  const two = (/** @type {number} */ value) => String(value).padStart(2, '0');
  const [hours, minutes] = [Math.floor(s / 3600), Math.floor((s % 3600) / 60)];
  return hours > 0 ? `${hours}:${two(minutes)}:${two(s % 60)}` : `${minutes}:${two(s % 60)}`;
}

/** How long ago a time was. @param {string | null | undefined} time @param {number} now milliseconds */
export const since = (time, now) => (time ? duration((now - Date.parse(time)) / 1000) : NONE);

/** The time of day in the reader's zone, to the millisecond. @param {string | null | undefined} time */
export function clock(time) {
  const date = new Date(time ?? NaN);
  if (Number.isNaN(date.getTime())) return NONE;
  const two = (/** @type {number} */ value) => String(value).padStart(2, '0');
  const ms = String(date.getMilliseconds()).padStart(3, '0');
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${ms}`;
}

/** A text of at most `length` characters; the middle is left out. @param {string} text @param {number} length */
export function middle(text, length) {
  if (text.length <= length) return text;
  const head = Math.ceil((length - 1) * 0.6);
  return `${text.slice(0, head)}…${text.slice(text.length - (length - 1 - head))}`;
}

/** @param {number} n @param {string} one @param {string} [many] */
export const plural = (n, one, many = `${one}s`) => `${count(n)} ${n === 1 ? one : many}`;
