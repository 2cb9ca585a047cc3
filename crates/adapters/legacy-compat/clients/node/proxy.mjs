// A proxy between a client and the gateway that counts requests and does with answers what it is told: `lose` cuts the
// connection once the answer is there, so the effect has taken place; `fail` answers 500 in its stead.

import http from "node:http";

export class Proxy {
  #server;
  #plans = [];
  /** What was asked, in its order. */
  asked = [];

  async start(upstream) {
    const target = new URL(upstream);
    this.#server = http.createServer((request, response) => {
      const body = [];
      request.on("data", (bytes) => body.push(bytes));
      request.on("end", () => {
        const options = { host: target.hostname, port: target.port, method: request.method, path: request.url, headers: request.headers };
        const passed = http.request(options, (answer) => {
          const parts = [];
          answer.on("data", (bytes) => parts.push(bytes));
          answer.on("end", () => this.#answer(request, response, answer, Buffer.concat(parts)));
        });
        passed.on("error", () => response.destroy());
        passed.end(Buffer.concat(body));
      });
    });
    await new Promise((ready) => this.#server.listen(0, "127.0.0.1", ready));
    this.url = `http://127.0.0.1:${this.#server.address().port}${target.pathname}`;
    return this;
  }

  /** What becomes of the next answers to requests of this method. */
  plan(method, plan, times) {
    this.#plans = [{ method, plan, times }];
  }

  #answer(request, response, answer, body) {
    this.asked.push(`${request.method} ${request.url}`);
    const plan = this.#plans.find((known) => known.method === request.method && known.times > 0);
    if (plan) {
      plan.times -= 1;
      if (plan.plan === "lose") {
        request.socket.destroy();
        return;
      }
      response.writeHead(500, { "content-type": "application/json" });
      response.end(JSON.stringify({ error: { type: "SERVER_ERROR", message: "told to" } }));
      return;
    }
    response.writeHead(answer.statusCode, answer.headers);
    response.end(body);
  }

  close() {
    this.#server.closeAllConnections();
    this.#server.close();
  }
}
