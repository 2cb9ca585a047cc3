'use strict';
// The real server as a process, in a directory of its own, and what its ledger came to.

const { spawn, spawnSync } = require('node:child_process');
const { existsSync, mkdtempSync, rmSync } = require('node:fs');
const { tmpdir } = require('node:os');
const { join, resolve } = require('node:path');
const { createInterface } = require('node:readline');

const ROOT = resolve(__dirname, '../../../../../..');

/** The server: RUNLEDGER_BIN, or what cargo built. */
function program() {
  const path = process.env.RUNLEDGER_BIN || join(ROOT, 'target', 'debug', 'runledger');
  if (!existsSync(path)) {
    throw new Error(`${path} is not there; build it with \`cargo build -p runledger\` or name it in RUNLEDGER_BIN`);
  }
  return path;
}

/** A server and its data directory. It can be killed and started again on the same data and the same port. */
class RealServer {
  #home = mkdtempSync(join(tmpdir(), 'runledger-legacy-'));
  #port = 0;
  #child;
  url = '';

  /** Starts it with these settings in its environment, and waits for its greeting. */
  async start(settings = {}) {
    const listen = ['serve', '--listen', `127.0.0.1:${this.#port}`, '--json'];
    const stdio = ['ignore', 'pipe', 'ignore'];
    this.#child = spawn(program(), listen, { env: { ...this.#environment(), ...settings }, cwd: this.#home, stdio });
    const ended = new Promise((_, reject) => {
      this.#child.once('exit', (code) => reject(new Error(`the server ended with ${code} before it greeted`)));
    });
    ended.catch(() => {});
    const lines = createInterface({ input: this.#child.stdout });
    const [greeting] = await Promise.race([new Promise((greet) => lines.once('line', (line) => greet([line]))), ended]);
    this.url = JSON.parse(greeting).url;
    this.#port = Number(new URL(this.url).port);
    return this;
  }

  /** Ends it with SIGKILL. */
  async kill() {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) {
      return;
    }
    const gone = new Promise((done) => child.once('exit', done));
    child.kill('SIGKILL');
    await gone;
  }

  /** Ends it, and removes its data. */
  async close() {
    await this.kill();
    rmSync(this.#home, { recursive: true, force: true });
  }

  /** What a command prints, line by line, as JSON. */
  run(...words) {
    const ran = spawnSync(program(), [...words, '--json'], {
      env: this.#environment(), cwd: this.#home, encoding: 'utf8',
    });
    if (ran.status !== 0) {
      throw new Error(`${words.join(' ')}: ${ran.stdout}${ran.stderr}`);
    }
    return ran.stdout.split('\n').filter(Boolean).map((line) => JSON.parse(line));
  }

  /** Every record of the ledger. */
  records() {
    return this.run('list', '--all');
  }

  #environment() {
    return { HOME: this.#home, RUNLEDGER_DATA: join(this.#home, 'data') };
  }
}

/** A module of this package, loaded anew, that knows this ledger. */
function fresh(url, settings = {}) {
  const package_ = resolve(__dirname, '../..');
  for (const path of Object.keys(require.cache).filter((path) => path.startsWith(package_) && !path.includes('/test/'))) {
    delete require.cache[path];
  }
  const legacy = require('../..');
  legacy.configure({ url, ...settings });
  return legacy;
}

module.exports = { RealServer, fresh, program };
