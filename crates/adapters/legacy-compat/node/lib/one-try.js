'use strict';
// One try of a call: a request, and its whole answer or an error. It ends in its time whatever the other side does.

const http = require('node:http');
const https = require('node:https');

/** The longest answer that is read, in bytes. */
const ANSWER_BYTES_MAX = 32 * 1024 * 1024;
/** What shows that nothing reached a server. */
const NEVER_SENT = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH', 'EADDRNOTAVAIL']);

// Connections that wait for the next call do not keep the process alive.
const agents = {
  'http:': new http.Agent({ keepAlive: true, maxFreeSockets: 16 }),
  'https:': new https.Agent({ keepAlive: true, maxFreeSockets: 16 }),
};

/**
 * Posts JSON. Resolves to `{status, headers, text}` when the answer came whole, or to `{failed, wasSent}`; it never rejects.
 */
function oneTry(url, headers, body, ms) {
  return new Promise((resolve) => {
    let request;
    let timer;
    const settle = (outcome) => {
      clearTimeout(timer);
      resolve(outcome);
    };
    const fail = (error) => settle({ failed: error.message, wasSent: !NEVER_SENT.has(error.code) });
    const giveUp = (what) => {
      settle({ failed: what, wasSent: true });
      request.destroy();
    };
    try {
      const { request: open } = url.protocol === 'https:' ? https : http;
      request = open(url, { method: 'POST', headers, agent: agents[url.protocol] });
    } catch (error) {
      settle({ failed: error.message, wasSent: false });
      return;
    }
    timer = setTimeout(() => giveUp(`no answer within ${Math.ceil(ms)} ms`), ms);
    // The error of a request that was given up comes later still, and must not be nobody's.
    request.on('error', fail);
    request.on('response', (response) => read(response, settle, fail, giveUp));
    request.end(body);
  });
}

function read(response, settle, fail, giveUp) {
  const parts = [];
  let bytes = 0;
  response.on('data', (part) => {
    bytes += part.length;
    if (bytes > ANSWER_BYTES_MAX) {
      giveUp(`the answer is longer than ${ANSWER_BYTES_MAX} bytes`);
      return;
    }
    parts.push(part);
  });
  response.on('error', fail);
  response.on('aborted', () => settle({ failed: 'the answer broke off', wasSent: true }));
  response.on('close', () => settle({ failed: 'the answer broke off', wasSent: true }));
  response.on('end', () => {
    if (!response.complete) {
      settle({ failed: 'the answer broke off', wasSent: true });
      return;
    }
    const text = Buffer.concat(parts).toString('utf8');
    settle({ status: response.statusCode, headers: response.headers, text });
  });
}

module.exports = { oneTry };
