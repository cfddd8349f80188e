// The same event lines as applog.py, from Node.

const fs = require('fs');

function log(role, port, event, more = {}) {
  if (!process.env.APPLOG) return;
  fs.appendFileSync(process.env.APPLOG, JSON.stringify({ role, port, event, ...more }) + '\n');
}

// Logs each Close frame of a `ws` socket as it is sent or received. ws calls 1005 what has no code.
function watchCloses(ws, role, port) {
  let frames = 0;
  const frame = (direction, code, reason) => {
    frames += 1;
    log(role, port, `close-${direction}`, { code: code === 1005 || code === undefined ? null : code, reason });
  };
  ws._receiver.prependListener('conclude', (code, reason) => frame('received', code, String(reason)));
  ws._receiver.prependListener('error', (error) => {
    const invalid = /invalid status code (\d+)/.exec(error.message);
    if (invalid) frame('received', Number(invalid[1]), '');
  });
  const send = ws._sender.close;
  ws._sender.close = function (code, reason, ...rest) {
    frame('sent', code, String(reason || ''));
    return send.call(this, code, reason, ...rest);
  };
  ws.on('close', () => {
    if (frames === 0) log(role, port, 'ended', { by: ws.terminatedHere ? 'me' : 'peer' });
  });
}

function isUtf8(data) {
  return require('buffer').isUtf8(data);
}

module.exports = { log, watchCloses, isUtf8 };
