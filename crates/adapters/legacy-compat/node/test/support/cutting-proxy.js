'use strict';
// A TCP proxy that loses answers: it passes a request on, waits for the answer, so that the effect has taken place, and
// does with the answer what it was told.

const net = require('node:net');

class CuttingProxy {
  #server;
  #plans = [];
  #sockets = new Set();
  done = [];
  url = '';

  async start(upstream) {
    const { hostname, port } = new URL(upstream);
    this.#server = net.createServer((client) => this.#serve(client, Number(port), hostname));
    await new Promise((ready) => this.#server.listen(0, '127.0.0.1', ready));
    this.url = `http://127.0.0.1:${this.#server.address().port}`;
    return this;
  }

  /** What is to happen to the next answers: `lose`, `cut` (half of it comes), `hold` (it never comes). */
  plan(...plans) {
    this.#plans.push(...plans);
  }

  async close() {
    this.#sockets.forEach((socket) => socket.destroy());
    await new Promise((done) => this.#server.close(done));
  }

  #serve(client, port, host) {
    const server = net.connect(port, host);
    for (const socket of [client, server]) {
      this.#sockets.add(socket);
      socket.on('error', () => socket.destroy());
      socket.on('close', () => this.#sockets.delete(socket));
    }
    client.on('data', (bytes) => server.write(bytes));
    client.on('close', () => server.destroy());
    server.on('close', () => client.destroy());
    server.on('data', (bytes) => {
      const plan = this.#plans.shift();
      this.done.push(plan ?? 'passed');
      if (plan === 'hold') {
        return;
      }
      if (plan === 'lose') {
        client.destroy();
      } else if (plan === 'cut') {
        client.end(bytes.subarray(0, Math.floor(bytes.length / 2)));
      } else {
        client.write(bytes);
      }
    });
  }
}

module.exports = { CuttingProxy };
