// The dialog that asks before something is changed: why, and for how long. What came of it is said in a live region.

import { html, nothing } from './vendor/lit-html/lit-html.js';

/** @import { App } from './main.js' */
/**
 * @typedef {{ name: string, label: string, value?: string, options?: [string, string][], kind?: 'text' | 'number', min?: number, max?: number,
 *   isRequired?: boolean, placeholder?: string }} Field
 * @typedef {{ title: string, says: unknown, fields: Field[], button: string, run: (values: Record<string, string>) => Promise<string> }} Question
 * @typedef {{ question: Question, error: string, isBusy: boolean }} Asking
 */

/** Everything that is changed ends by itself. @type {Field} */
export const TTL = { name: 'ttl', label: 'for', value: '600', options: [['60', '1 minute'], ['600', '10 minutes'], ['3600', '1 hour'], ['86400', '1 day']] };
/** @type {Field} */
export const REASON = { name: 'reason', label: 'Why', isRequired: true, placeholder: 'maintenance of the peer' };

/** @param {App} app @param {Question} question */
export function ask(app, question) {
  app.ui.ask = { question, error: '', isBusy: false };
  app.render();
  /** @type {HTMLDialogElement | null} */ (document.getElementById('ask'))?.showModal();
}

/** Does something at once, without a question. @param {App} app @param {() => Promise<string>} run */
export function act(app, run) {
  run().then((text) => app.say(text), (error) => app.say(`This failed: ${error.message ?? error}`, true));
}

/** @param {App} app */
export function dialog(app) {
  const { ask: asking } = app.ui;
  if (!asking) return nothing;
  const { question, error, isBusy } = asking;
  const submit = async (/** @type {SubmitEvent} */ event) => {
    event.preventDefault();
    const form = /** @type {HTMLFormElement} */ (event.target);
    const values = Object.fromEntries([...new FormData(form)].map(([name, value]) => [name, String(value).trim()]));
    Object.assign(asking, { isBusy: true, error: '' });
    app.render();
    try {
      const text = await question.run(values);
      form.closest('dialog')?.close();
      app.say(text);
    } catch (reason) {
      Object.assign(asking, { isBusy: false, error: String(/** @type {Error} */ (reason).message ?? reason) });
      app.render();
    }
  };
  const close = () => {
    if (app.ui.ask === asking) app.ui.ask = null;
    app.render();
  };
  return html`<dialog id="ask" class="ask" aria-labelledby="ask-title" @close=${close} data-testid="ask"><h2 id="ask-title">${question.title}</h2>
    <p>${question.says}</p>
    <form @submit=${submit}>${question.fields.map(field)}
      ${error ? html`<p class="bad-text" role="alert">${error}</p>` : nothing}
      <p class="actions"><button type="submit" class="strong" ?disabled=${isBusy}>${question.button}</button>
        <button type="button" @click=${(/** @type {any} */ e) => e.target.closest('dialog').close()}>Leave it</button></p></form></dialog>`;
}

/** @param {Field} field */
function field({ name, label, value = '', options, kind = 'text', min, max, isRequired = false, placeholder = '' }) {
  return html`<label>${label} ${options
    ? html`<select name=${name}>${options.map(([key, text]) => html`<option value=${key} ?selected=${key === value}>${text}</option>`)}</select>`
    : html`<input name=${name} type=${kind} .defaultValue=${value} min=${min ?? nothing} max=${max ?? nothing} maxlength="256" ?required=${isRequired} placeholder=${placeholder} autocomplete="off">`}</label>`;
}
