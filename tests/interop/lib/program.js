'use strict'
// A program that runs beside a test: its output is kept, and it ends with the test.

const { spawn } = require('node:child_process')

const STOP_MS_MAX = 10_000

/**
 * Starts a program with only PATH and `env` in its environment. `stop(signal)` sends the signal, kills the program if
 * it does not end in time, and returns `{ code, signal }`.
 */
function startProgram (command, args, env = {}) {
  const child = spawn(command, args, {
    env: { PATH: process.env.PATH, ...env },
    stdio: ['ignore', 'pipe', 'pipe']
  })
  const program = { stdout: '', stderr: '', over: false, stop }
  child.stdout.on('data', chunk => { program.stdout += chunk })
  child.stderr.on('data', chunk => { program.stderr += chunk })
  program.ended = new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code, signal) => {
      program.over = true
      resolve({ code, signal })
    })
  })

  async function stop (signal) {
    child.kill(signal)
    const late = setTimeout(() => child.kill('SIGKILL'), STOP_MS_MAX)
    const end = await program.ended
    clearTimeout(late)
    return end
  }

  return program
}

module.exports = { startProgram }
