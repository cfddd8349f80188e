#!/bin/bash
# Records the sample captures again, from real clients and servers.
#
#   sudo samples/record.sh              every sample
#   sudo samples/record.sh 1000 nginx   those whose name contains one of these words
#   sudo samples/record.sh --install    first installs the Python and Node libraries, into samples/.tools
#
# Needs Linux, root (for network namespaces), iproute2, tcpdump, dumpcap and editcap (wireshark-common), nginx, openssl,
# Python 3.11 with venv, Node 20 with npm. On Debian 12:
#
#   apt-get install iproute2 tcpdump wireshark-common nginx-light openssl python3-venv nodejs npm
#
# Every sample gets network namespaces of its own, so that ports are the same each time and no other traffic is there.
# The applications log what they sent and received; tools/truth.py makes truth.json of that.

set -euo pipefail
samples=$(cd "$(dirname "$0")" && pwd)
tools=$samples/tools
libraries=$samples/.tools
python=$libraries/venv/bin/python
work=$(mktemp -d)
mkdir "$work/logs"
export NODE_PATH=$libraries/node_modules PYTHONDONTWRITEBYTECODE=1

# ---- the samples -------------------------------------------------------------------------------------------------

sample_1000_clean() {
  sample 1000-clean.pcap
  loopback
  serve websockets 9001
  capture tcpdump
  client websockets 40001 9001/echo send:hello recv send:'grüße, 世界' recv close:1000:done
  client ws 40002 9001/echo send:hello recv close:1000:
  client websockets 40003 9001/close/1000/bye plain send:enough wait
  client simple 40004 9001/echo send:hello recv close:1000:finished
}

sample_1001_server_shutdown() {
  sample 1001-server-shutdown.pcapng
  veth
  serve websockets 9001
  capture dumpcap
  client ws 40006 9001/echo send:hello recv sleep:200 close:1001:'page left'
  for port in 40001 40002 40003; do meanwhile websockets $port 9001/echo send:hello recv wait; done
  for port in 40004 40005; do meanwhile ws $port 9001/quiet send:hello wait; done
  sleep 1.5
  stop_server TERM
}

sample_1002_protocol_errors() {
  sample 1002-protocol-errors.pcap
  loopback
  serve_node ws 9001 --plain
  capture tcpdump
  local valid='plain send:valid recv'
  client websockets 40001 9001/echo $valid raw:8105756e6d736b wait              # not masked
  client websockets 40002 9001/echo $valid raw:c18100000000ff wait              # RSV1, no compression agreed
  client websockets 40003 9001/echo $valid raw:838000000000 wait                # opcode 3
  client websockets 40004 9001/echo $valid raw:098000000000 wait                # a ping that is a fragment
  client websockets 40005 9001/echo $valid raw:80810000000041 wait              # continues nothing
  client websockets 40006 9001/echo $valid raw:018100000000418181000000000042 wait   # a message inside a message
  client websockets 40007 9001/echo $valid raw:89fe007e00000000 wait            # a ping of 126 bytes
  client websockets 40008 9001/echo $valid raw-close:999 wait                   # no such close code
}

sample_1003_text_only() {
  sample 1003-text-only.pcap
  loopback
  serve tornado 9001 65536
  capture tcpdump
  client simple 40001 9001/text send:hello recv binary:600 answer
  client ws 40002 9001/text send:hello recv text:c3a9 recv close:1000:
}

sample_1005_empty_close() {
  sample 1005-empty-close.pcap
  loopback
  serve_node ws 9001
  serve websockets 9002
  serve tornado 9003 65536
  capture tcpdump
  client ws 40001 9001/echo send:hello recv close wait
  client websockets 40002 9001/empty send:hello wait
  client websockets 40003 9002/echo send:hello recv close wait
  client ws 40004 9003/empty send:hello wait
}

sample_1006_killed_server() {
  sample 1006-killed-server.pcap
  veth
  serve aiohttp 9001
  capture tcpdump
  for port in 40001 40002 40003; do meanwhile websockets $port 9001/echo send:hello recv wait; done
  sleep 1.5
  stop_server KILL
}

sample_1006_client_reset() {
  sample 1006-client-reset.pcap
  loopback
  serve websockets 9001
  capture tcpdump
  client websockets 40001 9001/echo send:hello recv abort
  client ws 40002 9001/echo send:hello recv terminate
}

sample_1006_nginx_read_timeout() {
  sample 1006-nginx-read-timeout.pcapng
  loopback
  serve websockets 9001
  nginx_in_front 8080 9001 2s
  capture dumpcap
  client websockets 40001 8080/quiet send:hello wait
  client ws 40002 8080/echo send:hello recv wait
  client websockets 40003 8080/echo send:hello recv close:1000:'in time'
}

sample_1006_peer_vanished() {
  sample 1006-peer-vanished.pcap
  wire 20
  capture_side=wsa-server
  serve_node ws 9001 --plain --heartbeat 1500
  capture tcpdump
  meanwhile websockets 40001 9001/tick plain send:hello wait
  sleep 2
  kill -USR1 $wire
  sleep 4
  waiting=()                        # it will never know
}

sample_1007_latin1_text() {
  sample 1007-latin1-text.pcapng
  loopback
  serve_node ws 9001
  serve websockets 9002
  capture dumpcap
  local latin1=436166e920646520466c6f7265 split='7072697820:e282:20ac'
  client websockets 40001 9001/echo plain send:'Café' recv text:$latin1 wait
  client websockets 40002 9001/echo send:'Café' recv text:$latin1 wait              # compressed
  client websockets 40003 9001/echo plain split:$split wait                         # a character cut in two, badly
  client websockets 40004 9002/echo plain text:fffe480069002100 wait                # UTF-16
  client ws 40005 9002/echo plain text:1f8b080000000000000333340400a9c1d0c803000000 wait  # gzip
  client websockets 40006 9001/echo plain split:e282:ac recv close:1000:            # a character cut in two, well
  client websockets 40007 9001/latin1 plain send:'weather?' recv                    # the server's mistake
}

sample_utf8_tolerated() {
  sample utf8-tolerated.pcap
  veth
  serve_node ws 9001 --tolerant
  capture tcpdump
  client ws 40001 9001/echo tolerant text:436166e9 recv text:436166c3a9 recv close:1000:
  client ws 40002 9001/latin1 tolerant plain send:'weather?' recv send:'again?' recv close:1000:bye
}

sample_1008_policy() {
  sample 1008-policy.pcap
  loopback
  serve aiohttp 9001
  capture tcpdump
  client websockets 40001 9001/token wait
  client ws 40002 9001/token wait
  client websockets 40003 9001/limited plain send:slow sleep:0.5 send:slow sleep:0.5 times:40:send:fast wait
}

sample_1009_too_big() {
  sample 1009-too-big.pcapng
  loopback
  serve websockets 9001 max_size=1024
  serve tornado 9002 1024
  capture dumpcap
  client websockets 40001 9001/echo send:small recv binary:3000 wait      # compressed
  client ws 40002 9001/echo plain send:small recv send:"$(printf 'x%.0s' {1..2000})" wait
  client websockets 40003 9002/echo plain send:small recv binary:3000 wait
}

sample_1011_server_error() {
  sample 1011-server-error.pcap
  veth
  serve websockets 9001 ping_interval=0.5 ping_timeout=0.5
  capture tcpdump
  client websockets 40001 9001/crash send:hello wait
  client websockets 40002 9001/echo send:hello recv freeze:1.5 wait       # does not answer a ping
}

sample_1012_restart_with_reconnects() {
  sample 1012-restart-with-reconnects.pcapng
  log_of_servers=/dev/null          # nginx hides their connections from the capture
  loopback
  serve websockets 9001 --shutdown-code 1012
  nginx_in_front 8080 9001 60s
  capture dumpcap 'tcp port 8080'
  for n in 1 2 3 4; do meanwhile websockets 4000$n 8080/echo send:hello recv wait; done
  sleep 1.5
  stop_server TERM
  sleep 0.2
  client websockets 40011 8080/echo send:'too early'      # nginx answers 502
  serve websockets 9001
  for n in 1 2 3 4; do sleep 0.2; client websockets 4002$n 8080/echo send:'back again' recv close:1000: & done
  sleep 1
}

sample_1013_1014_try_again() {
  sample 1013-1014-try-again.pcap
  loopback
  serve websockets 9001
  capture tcpdump
  client websockets 40001 9001/close/1013/overloaded send:hello wait
  client ws 40002 9001/close/1014/'no%20answer%20upstream' send:hello wait
}

sample_3000_4999_private() {
  sample 3000-4999-private.pcap
  loopback
  serve websockets 9001
  capture tcpdump
  client websockets 40001 9001/close/3000/unauthorized send:hello wait
  client ws 40002 9001/close/3008/timeout send:hello wait
  client websockets 40003 9001/close/4000/ send:hello wait
  client ws 40004 9001/echo send:hello recv close:4001:'session replaced' wait
  client websockets 40005 9001/echo send:hello recv close:4999:'größer geht nicht'
}

sample_refused_handshakes() {
  sample refused-handshakes.pcap
  loopback
  serve aiohttp 9001
  serve_silence 9002
  nginx_in_front 8080 9003 60s      # nobody listens on 9003
  capture tcpdump
  client websockets 40001 9001/private
  client ws 40002 9001/forbidden
  client simple 40003 9001/nowhere
  client websockets 40004 9001/plain
  client ws 40005 8080/echo
  client websockets 40006 9002/silent
  client websockets 40007 9001/echo send:hello recv close:1000:
}

sample_crossed_closes() {
  sample crossed-closes.pcap
  wire 100
  serve websockets 9001
  capture tcpdump
  client websockets 40001 9001/crossed sleep:0.2 close:1000:'client was first'
}

sample_ipv6() {
  sample ipv6-1000.pcap
  veth
  host='[fd00:1::2]' listen=::
  serve websockets 9001
  capture tcpdump
  client websockets 40001 9001/echo send:hello recv close:1000:done
  client websockets 40002 9001/close/1011/'database%20gone' send:hello wait
}

sample_nanosecond() {
  sample nanosecond-1000.pcap
  veth
  serve aiohttp 9001
  capture tcpdump --time-stamp-precision=nano
  client websockets 40001 9001/echo send:hello recv send:again recv close:1000:done
}

sample_any_interface() {
  sample any-interface-sll2.pcap
  loopback
  serve websockets 9001
  capture tcpdump -i any
  client websockets 40001 9001/echo send:hello recv close:1000:done
  client ws 40002 9001/close/4002/ send:hello wait
}

sample_lossy_link() {
  sample lossy-link.pcap
  wire 10 --lose 3,7,8,13
  serve websockets 9001
  capture tcpdump -i wire
  client websockets 40001 9001/burst/30 plain times:30:recv wait
}

sample_reordered() {
  sample reordered.pcap
  wire 10 --late 3,9
  serve websockets 9001
  capture tcpdump
  client websockets 40001 9001/burst/20 plain times:20:recv wait
}

# What the capture lost, the applications did not.

sample_capture_loss() {
  sample capture-loss.pcapng
  veth
  serve websockets 9001
  capture dumpcap
  client websockets 40001 9001/burst/30 plain times:30:recv wait
  client websockets 40002 9001/echo plain times:20:send:hello times:20:recv close:4000:'after the holes'
  without 12 13 20-24
}

sample_snap_length() {
  sample snap-length-400.pcap
  loopback
  serve websockets 9001
  capture tcpdump -s 400
  client websockets 40001 9001/echo plain send:"$(printf 'cut short %.0s' {1..60})" recv close:1000:done
  client websockets 40002 9001/close/1011/failed plain send:"$(printf 'ä%.0s' {1..300})" wait
}

sample_tls_with_secrets() {
  sample tls-with-secrets.pcapng
  certificates
  loopback
  serve websockets 9001 --tls "$work/good.pem"
  serve websockets 9002 --tls "$work/good.pem" --before-tls13
  capture dumpcap
  local version server
  for version in 2 3; do
    server=900$((4 - version))
    client websockets 4000$version $server/echo tls:"$work/ca.crt":$version send:'grüße, 世界' recv close:1000:done
    client websockets 4001$version $server/close/4001/bye tls:"$work/ca.crt":$version plain send:enough wait
    client websockets 4002$version $server/echo tls:"$work/ca.crt":$version send:hello recv text:4772fcdf65 wait
  done
  inject_secrets
}

sample_1015_tls_failures() {
  sample 1015-tls-failures.pcapng
  certificates
  loopback
  serve websockets 9001 --tls "$work/good.pem"
  serve websockets 9002 --tls "$work/expired.pem"
  serve websockets 9003 --tls "$work/other-name.pem"
  serve websockets 9004 --tls "$work/self-signed.pem"
  serve websockets 9005 --tls "$work/good.pem" --before-tls13
  capture dumpcap
  client websockets 40001 9001/echo tls:"$work/ca.crt":3 send:hello recv close:1000:done
  secrets=''  # of the failures nothing is known but what is on the wire
  local port
  for port in 2 3 4; do client websockets 4000$port 900$port/echo tls:"$work/ca.crt":2 wait; done
  client websockets 40005 9002/echo tls:"$work/ca.crt":3 wait
  client websockets 40006 9005/echo tls:"$work/ca.crt":3 wait
  inject_secrets
}

# ---- networks ----------------------------------------------------------------------------------------------------

# One namespace with its loopback.
loopback() {
  client_side=wsa-client server_side=wsa-client capture_side=wsa-client interface=lo host=127.0.0.1
  ip netns add wsa-client
  ip -n wsa-client link set lo up
}

# Two namespaces and a virtual cable: real Ethernet.
veth() {
  client_side=wsa-client server_side=wsa-server capture_side=wsa-client interface=cable host=10.1.0.2
  ip netns add wsa-client
  ip netns add wsa-server
  ip -n wsa-client link add cable address 02:00:00:00:00:0a type veth peer name cable \
    address 02:00:00:00:00:0b netns wsa-server
  local n=1 side
  for side in wsa-client wsa-server; do
    ip -n $side addr add 10.1.0.$n/24 dev cable
    ip -n $side addr add fd00:1::$n/64 dev cable nodad
    ip -n $side link set cable up
    n=$((n + 1))
  done
}

# Two namespaces and a cable in user space, with a delay, losses and reordering:
#   wire DELAY_MS [--lose N,N... | --late N,N...]
wire() {
  client_side=wsa-client server_side=wsa-server capture_side=wsa-client interface=wire host=10.1.0.2
  ip netns add wsa-client
  ip netns add wsa-server
  "$python" "$tools/wire.py" wsa-client wsa-server "$@" >"$work/wire" 2>&1 &
  wire=$!
  wait_until grep -q ready "$work/wire"
}

# ---- applications ------------------------------------------------------------------------------------------------

client() { # client LIBRARY PORT SERVERPORT/PATH STEP...; one client, until it has ended
  local program=("$python" "$tools/client_$1.py")
  [[ $1 == ws ]] && program=(node "$tools/client_ws.js")
  local scheme=ws
  [[ ${4:-} == tls:* ]] && scheme=wss
  SSLKEYLOGFILE=$secrets APPLOG=$log timeout 20 ip netns exec $client_side "${program[@]}" "$2" "$scheme://$host:$3" "${@:4}" 2>>"$work/errors" || true
}

meanwhile() { # the same in the background
  client "$@" &
  waiting+=($!)
}

certificates() {
  "$tools/certificates.sh" "$work"
  secrets=$work/secrets
  rm -f "$secrets"
}

serve() { start "$2" "$python" "$tools/server_$1.py" $listen "${@:2}"; }
serve_node() { start "$2" node "$tools/server_$1.js" $listen "${@:2}"; }
serve_silence() { start "$1" "$python" "$tools/silent.py" $listen "$1"; }

start() { # start PORT COMMAND...
  APPLOG=${log_of_servers:-$log} ip netns exec $server_side "${@:2}" 2>>"$work/errors" &
  server=$!
  wait_until listens "$1"
}

stop_server() { # stop_server SIGNAL: the server that was started last
  kill -"$1" $server
  wait $server || true
}

nginx_in_front() { # nginx_in_front PORT BACKEND_PORT READ_TIMEOUT
  cat >"$work/nginx.conf" <<CONF
daemon off;
pid $work/nginx.pid;
error_log $work/nginx.log;
events {}
http {
  access_log off;
  server {
    listen 127.0.0.1:$1;
    location / {
      proxy_pass http://127.0.0.1:$2;
      proxy_http_version 1.1;
      proxy_set_header Upgrade \$http_upgrade;
      proxy_set_header Connection upgrade;
      proxy_set_header X-Forwarded-For \$proxy_add_x_forwarded_for;
      proxy_read_timeout $3;
    }
  }
}
CONF
  ip netns exec $server_side nginx -c "$work/nginx.conf" 2>>"$work/errors" &
  wait_until listens "$1"
}

listens() { ip netns exec $server_side ss -Hltn "sport = :$1" | grep -q .; }

# ---- captures ----------------------------------------------------------------------------------------------------

capture() { # capture PROGRAM OPTION...
  local command=(tcpdump -i $interface -Z root -U --immediate-mode -B 32768 -w "$work/$file" "${@:2}" tcp)
  [[ $1 == dumpcap ]] && command=(dumpcap -q -i $interface -w "$work/$file" -f "${2:-tcp}")
  ip netns exec $capture_side "${command[@]}" 2>"$work/capture" &
  capturing=$!
  wait_until grep -qE 'listening on|File:' "$work/capture"
  sleep 0.3
}

end_capture() {
  [[ $capturing ]] || return 0
  sleep 1
  kill -INT $capturing
  wait $capturing || true
  capturing=
  grep -qE '^0 packets dropped by kernel|dropped on interface .*/0 ' "$work/capture" || echo "$file: packets are missing" >&2
}

inject_secrets() { # puts what the clients wrote down into the capture
  end_capture
  mv "$work/$file" "$work/whole"
  editcap --inject-secrets "tls,$work/secrets" "$work/whole" "$work/$file"
}

without() { # without N...: takes these packets out of the capture
  end_capture
  mv "$work/$file" "$work/whole"
  editcap "$work/whole" "$work/$file" "$@"
}

# ---- the loop ----------------------------------------------------------------------------------------------------

sample() { # sample FILE: what the current function records
  file=$1 log=$work/logs/$1.jsonl
}

record() ( # record FUNCTION, in a subshell of its own
  waiting=() log_of_servers='' secrets='' capturing='' wire='' listen=0.0.0.0 file=''
  trap clean_up EXIT
  "$1"
  for pid in "${waiting[@]}"; do wait "$pid"; done
  end_capture
  "$python" "$tools/hide_machine.py" "$work/$file"
  install -m 644 "$work/$file" "$samples/$file"
  echo "$file: $(stat -c %s "$samples/$file") bytes"
)

clean_up() {
  local side
  exec 2>/dev/null  # bash would tell of everyone killed
  for side in wsa-client wsa-server; do
    [[ -e /run/netns/$side ]] || continue
    ip netns pids $side | xargs -r kill -9
    ip netns del $side
  done
  [[ ! $wire ]] || kill $wire
}

wait_until() { # wait_until COMMAND...: at most 10 seconds
  local n
  for n in {1..100}; do "$@" 2>/dev/null && return; sleep 0.1; done
  echo "$file: gave up waiting for: $*" >&2
  exit 1
}

install_libraries() {
  python3 -m venv "$libraries/venv"
  "$libraries/venv/bin/pip" install --quiet websockets==17.4 aiohttp==3.14.5 tornado==6.6.1 websocket-client==1.9.2
  npm install --silent --no-save --prefix "$libraries" ws@8.23.0
}

wanted() { # wanted FUNCTION WORD...
  local word
  [[ $# == 1 ]] && return
  for word in "${@:2}"; do [[ $1 == *"${word//-/_}"* ]] && return; done
  return 1
}

if [[ ${1:-} == --install ]]; then
  install_libraries
  shift
fi
[[ -x $python ]] || { echo "no libraries yet: run $0 --install" >&2; exit 1; }
for function in $(compgen -A function sample_); do
  if wanted "$function" "$@"; then record "$function"; fi
done
"$python" "$tools/truth.py" "$work/logs" "$samples/truth.json"
if [[ -s $work/errors ]]; then echo "what the applications complained about: $work/errors"; else rm -r "$work"; fi
