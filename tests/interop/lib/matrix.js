'use strict'
// The matrix of docs/INTEROP.md: which features work between our node and each implementation in each role.
//
// Promises: a cell is `yes` only if a scenario passed in this run; versions are those of the lock
// file. `node lib/matrix.js RESULTS` prints the table.

const assert = require('node:assert/strict')
const fs = require('node:fs')
const path = require('node:path')
const { test } = require('node:test')

const FEATURES = ['codec', 'BTP', 'HTTP', 'packets', 'IL-DCP', 'CCP', 'STREAM', 'SPSP']

/** The rows: a package of the lock file, and its role for our node. */
const ROWS = {
  btpPacket: { package: 'btp-packet', role: 'reads our frames, writes its own' },
  ilpPacket: { package: 'ilp-packet', role: 'reads our packets, writes its own' },
  btpClient: { package: 'ilp-plugin-btp', role: 'dials us' },
  btpListener: { package: 'ilp-plugin-btp', role: 'is dialled by us' },
  miniAccounts: { package: 'ilp-plugin-mini-accounts', role: 'our parent' },
  httpBoth: { package: 'ilp-plugin-http', role: 'posts to us, and we to it' },
  theirChild: { package: 'ilp-connector', role: 'our child' },
  theirPeer: { package: 'ilp-connector', role: 'our peer' },
  theirParent: { package: 'ilp-connector', role: 'our parent' },
  chain: { package: 'ilp-connector', role: 'between two of our nodes' },
  stream: { package: 'ilp-protocol-stream', role: 'pays and receives, through a mixed chain' },
  rafikiSender: { package: '@interledger/pay', role: 'pays, through a mixed chain' },
  rafikiReceiver: { package: '@interledger/stream-receiver', role: 'receives, through a mixed chain' },
  spspClient: { package: 'ilp-protocol-spsp', role: 'pays our receiver' }
}

/** Implementations that the tests do not run; `tried` by hand, as docs/INTEROP.md describes. */
const NOT_RUN = [
  {
    name: '`ilp-node` (interledger-rs)',
    version: '0.6.0',
    role: 'not run here; our peer, child and parent, by hand',
    tried: ['BTP', 'HTTP', 'packets', 'IL-DCP', 'CCP', 'STREAM', 'SPSP']
  },
  {
    name: 'Rafiki',
    version: '2.3, 2.4',
    role: 'not run here; our peer and parent, by hand',
    tried: ['HTTP', 'packets', 'STREAM']
  },
  { name: '`ilpv4-connector` (Java)', version: '', role: 'not run', tried: [] }
]

/**
 * A test that fills cells of the matrix when it passes: `covers` is `{ row: [features] }`.
 */
function scenario (name, covers, run) {
  for (const [row, features] of Object.entries(covers)) {
    assert.ok(ROWS[row], `no row ${row}`)
    features.forEach(feature => assert.ok(FEATURES.includes(feature), `no feature ${feature}`))
  }
  test(name, async t => {
    await run(t)
    const file = process.env.INTEROP_RESULTS
    if (file) fs.appendFileSync(file, JSON.stringify(covers) + '\n')
  })
}

/** The table, from lines that `scenario` wrote. */
function table (results) {
  const seen = new Set()
  for (const line of results.split('\n').filter(line => line !== '')) {
    for (const [row, features] of Object.entries(JSON.parse(line))) {
      features.forEach(feature => seen.add(`${row} ${feature}`))
    }
  }
  const { packages } = JSON.parse(fs.readFileSync(path.join(__dirname, '..', 'package-lock.json')))
  const rows = Object.entries(ROWS).map(([id, row]) => [
    `\`${row.package}\``,
    packages[`node_modules/${row.package}`].version,
    row.role,
    ...FEATURES.map(feature => seen.has(`${id} ${feature}`) ? 'yes' : '')
  ])
  const head = ['implementation', 'version', 'role', ...FEATURES]
  const notRun = NOT_RUN.map(({ name, version, role, tried }) =>
    [name, version, role, ...FEATURES.map(feature => tried.includes(feature) ? 'by hand' : '')])
  const lines = [head, head.map(() => '---'), ...rows, ...notRun]
  return lines.map(cells => `| ${cells.join(' | ')} |\n`).join('')
}

if (require.main === module) {
  process.stdout.write(table(fs.readFileSync(process.argv[2], 'utf8')))
}

module.exports = { scenario }
