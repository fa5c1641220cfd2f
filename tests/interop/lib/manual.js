'use strict'
// The examples of docs/INTEROP.md for the two halves of a connection: the tests run what readers copy.
//
// A half is a fenced block after the comment `<!-- interop NAME -->`. A test may change only its ports.

const assert = require('node:assert/strict')
const fs = require('node:fs')
const Module = require('node:module')
const path = require('node:path')

const PAGE = path.join(__dirname, '..', '..', '..', 'docs', 'INTEROP.md')

const page = () => fs.readFileSync(PAGE, 'utf8')

/** The names of all halves. */
const names = () => [...page().matchAll(/<!-- interop (.*) -->/g)].map(([, name]) => name)

/** The text of half `name`, with `ports` (`{ port of the page: port of this test }`) replaced. */
function half (name, ports) {
  const [, text] = page().match(new RegExp(`<!-- interop ${name} -->\n\`\`\`\\w+\n(.*?)\`\`\``, 's')) ?? []
  assert.ok(text, `docs/INTEROP.md has no half named ${name}`)
  return Object.entries(ports).reduce((text, [from, to]) => {
    const port = new RegExp(`\\b${from}\\b`, 'g')
    assert.match(text, port, `half ${name} does not have the port ${from}`)
    return text.replace(port, to)
  }, text)
}

/** The exports of a half in JavaScript. `beside` are files that it can require: `{ name: text }`. */
function load (name, ports, beside = {}) {
  return compile(name, half(name, ports), beside)
}

function compile (name, text, beside) {
  const module = new Module(name)
  module.paths = [path.join(__dirname, '..', 'node_modules')]
  const installed = module.require.bind(module)
  module.require = id => {
    const file = beside[id.replace(/^\.\//, '')]
    return file === undefined ? installed(id) : compile(id, file, {})
  }
  module._compile(text, `${PAGE}, ${name}`)
  return module.exports
}

module.exports = { names, half, load }
