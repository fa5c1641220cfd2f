'use strict'
// Routes by CCP between our nodes and a real `ilp-connector`: found, lost, found again.

const assert = require('node:assert/strict')

const { createTraffic, exchangePackets, addressOf } = require('./lib/traffic')
const { startChain, CONVERGED_MS_MAX } = require('./lib/chain')
const { startNode } = require('./lib/connector')
const manual = require('./lib/manual')
const { scenario } = require('./lib/matrix')
const { makePrepare, assertReject } = require('./lib/packets')
const plugins = require('./lib/plugin')
const { startTheirs } = require('./lib/theirs')
const { eventually, freePort } = require('./lib/waiting')

const waitForRoute = (what, look) => eventually(what, CONVERGED_MS_MAX, look)

scenario('their connector as our peer, as in the manual', { theirPeer: ['CCP'] }, async t => {
  const ports = { 7768: await freePort() }
  const theirs = await startTheirs(t, manual.load('connector-ccp/theirs', ports))
  const ours = await startNode(t, manual.half('connector-ccp/ours', ports))
  await theirs.connected()
  const { handler, ...traffic } = createTraffic()
  const alice = plugins.client(t, ours.port, 'alice', 'alice-secret')
  alice.registerDataHandler(handler)
  await alice.connect()
  const tina = await theirs.connect('tina', handler)
  await waitForRoute('we have their route', async () => (await ours.route('test.theirs.x')).nextHop === 'theirs')
  await waitForRoute('they have our route', async () => (await theirs.routes())['test.hub']?.nextHop === 'ours')
  const paid = await exchangePackets(traffic,
    { plugin: alice, address: await addressOf(alice) }, { plugin: tina, address: await addressOf(tina) })
  assert.deepEqual(await ours.balances(), { alice: paid, theirs: -paid })
})

scenario('a mixed chain learns its routes, also after each loss', { chain: ['CCP'] }, async t => {
  const chain = await startChain(t, { dynamic: true })
  const { a, alice } = chain
  const { handler, ...traffic } = createTraffic()
  alice.registerDataHandler(handler)
  await alice.connect()
  const payCarol = async () => {
    const carol = plugins.client(t, chain.c.port, 'carol', 'token-of-carol-7e21')
    carol.registerDataHandler(handler)
    await carol.connect()
    await exchangePackets(traffic,
      { plugin: alice, address: 'test.a.alice' }, { plugin: carol, address: 'test.c.carol' })
    await carol.disconnect()
  }
  const waitForLoss = async why => {
    await waitForRoute(why, async () => (await a.route('test.c.carol')).code === 'F02')
    assertReject(await alice.sendData(makePrepare('test.c.carol').bytes), 'F02', 'test.a')
  }
  await payCarol()

  await chain.c.stop()
  await waitForLoss('a route that their connector has lost is withdrawn')
  await chain.restart.c()
  await chain.converged()
  await payCarol()

  await chain.theirs.kill()
  await waitForLoss('their connector is gone, and its routes with it')
  await chain.restart.t()
  await chain.converged()
  await payCarol()
})

/** `env` with more settings for the account `ours`. */
function withAccount (env, more) {
  const { ours, ...accounts } = JSON.parse(env.CONNECTOR_ACCOUNTS)
  return { ...env, CONNECTOR_ACCOUNTS: JSON.stringify({ ours: { ...ours, ...more }, ...accounts }) }
}

const BOTH_WAYS = { sendRoutes: true, receiveRoutes: true }

scenario('their connector as our child advertises the routes below it', { theirChild: ['CCP'] }, async t => {
  const yaml = manual.half('connector-child/ours', {})
  const ours = await startNode(t, `routing: dynamic\n${yaml.replace('theirs-secret', 'theirs-secret, sendRoutes: true, receiveRoutes: true')}`)
  const env = withAccount(manual.load('connector-child/theirs', { 3000: ours.port }), BOTH_WAYS)
  const theirs = await startTheirs(t, {
    ...env, CONNECTOR_ROUTES: JSON.stringify([{ targetPrefix: 'test.elsewhere', peerId: 'clients' }])
  })
  await theirs.connected()
  await waitForRoute('we have the route below our child', async () => (await ours.route('test.elsewhere.x')).nextHop === 'theirs')
  await waitForRoute('our child has a route to us', async () => (await theirs.routes())['test.hub']?.nextHop === 'ours')
})

scenario('their connector as our parent advertises its address', { theirParent: ['CCP'] }, async t => {
  const ports = { 7768: await freePort() }
  const env = withAccount(manual.load('connector-parent/theirs', ports), BOTH_WAYS)
  const theirs = await startTheirs(t, {
    ...env, CONNECTOR_ROUTES: JSON.stringify([{ targetPrefix: 'test.elsewhere', peerId: 'clients' }])
  })
  const ours = await startNode(t, `routing: dynamic\n${manual.half('connector-parent/ours', ports)}`)
  await theirs.connected()
  await waitForRoute('we have the route from our parent', async () =>
    (await ours.route('test.elsewhere.x')).reason.includes('learned'))
})
