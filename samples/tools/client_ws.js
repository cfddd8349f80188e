// A client on Node `ws`: node client_ws.js PORT URL STEP...   (PORT: its own)
//
// send:TEXT   text:HEX (bytes as text)   recv   sleep:MS   close:CODE:TEXT (no CODE: empty)   wait
// terminate (ends TCP without a Close)   plain, tolerant (first): no compression; takes text that is not UTF-8

const WebSocket = require('ws');
const { log, watchCloses, isUtf8 } = require('./applog.js');

const [port, url, ...steps] = process.argv.slice(2);
const localPort = Number(port);
const path = new URL(url).pathname;
const ws = new WebSocket(url, {
  localPort, perMessageDeflate: !steps.includes('plain'), skipUTF8Validation: steps.includes('tolerant'),
});

ws.on('upgrade', (response) => {
  log('client', localPort, 'handshake', { path, result: 'complete', status: response.statusCode });
});
ws.on('unexpected-response', (request, response) => {
  log('client', localPort, 'handshake', { path, result: 'refused', status: response.statusCode });
  request.destroy();
});
ws.on('error', () => {});
ws.on('open', async () => {
  watchCloses(ws, 'client', localPort);
  for (const step of steps) {
    const [, name, value] = /^([^:]*):?(.*)$/.exec(step);
    await does[name](value);
  }
});

const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

const does = {
  plain() {},
  tolerant() {},
  send(text) { ws.send(text); },
  text(hex) {
    const data = Buffer.from(hex, 'hex');
    if (!isUtf8(data)) log('client', localPort, 'invalid-text-sent');
    ws.send(data, { binary: false });
  },
  recv() { return new Promise((done) => ws.once('message', done)); },
  sleep(ms) { return sleep(Number(ms)); },
  close(value) {
    const [code, reason] = value.split(':');
    return code ? ws.close(Number(code), reason) : ws.close();
  },
  terminate() {
    ws.terminatedHere = true;
    ws.terminate();
  },
  wait() { return new Promise((done) => ws.once('close', done)); },
};
