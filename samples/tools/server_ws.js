// A server on Node `ws`: node server_ws.js HOST PORT [--tolerant] [--plain] [--heartbeat MS]
//
// /echo  sends every message back    /latin1  answers every message with bytes that are no UTF-8, as text
// /quiet reads, never writes         /empty   answers the first message with an empty Close frame
// /tick  writes every 100 ms
//
// --tolerant takes text that is not UTF-8. --heartbeat pings, and drops who did not answer the last ping.

const { WebSocketServer } = require('ws');
const { log, watchCloses, isUtf8 } = require('./applog.js');

const [host, port, ...flags] = process.argv.slice(2);
const LATIN1 = Buffer.from('d\xe9j\xe0 vu: 20 \xb0C', 'latin1');

const server = new WebSocketServer({
  host, port, skipUTF8Validation: flags.includes('--tolerant'), perMessageDeflate: !flags.includes('--plain'),
});

server.on('connection', (ws, request) => {
  const peer = request.socket.remotePort;
  log('server', peer, 'handshake', { path: request.url, result: 'complete', status: 101 });
  watchCloses(ws, 'server', peer);
  ws.on('error', () => {}); // the Close frame that follows is what matters
  ws.on('message', (data, isBinary) => answer(ws, peer, request.url, data, isBinary));
  if (request.url === '/tick') setInterval(() => ws.send('tick ' + Date.now()), 100).unref();
  if (flags.includes('--heartbeat')) heartbeat(ws, Number(flags[flags.indexOf('--heartbeat') + 1]));
});

function answer(ws, peer, path, data, isBinary) {
  if (path === '/echo') sendBytes(ws, peer, data, isBinary);
  if (path === '/latin1') sendBytes(ws, peer, LATIN1, false);
  if (path === '/empty') ws.close();
}

function sendBytes(ws, peer, data, binary) {
  if (!binary && !isUtf8(data)) log('server', peer, 'invalid-text-sent');
  ws.send(data, { binary });
}

function heartbeat(ws, interval) {
  let alive = true;
  ws.on('pong', () => { alive = true; });
  const timer = setInterval(() => {
    if (!alive) {
      ws.terminatedHere = true;
      ws._socket.resetAndDestroy(); // not terminate(): its FIN would queue behind what nobody acknowledges
      clearInterval(timer);
    }
    alive = false;
    if (ws.readyState === 1) ws.ping();
  }, interval);
  ws.on('close', () => clearInterval(timer));
}
