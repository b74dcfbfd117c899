# Sourced by scripts that run a server of their own: starting, asking, waiting. They set `fm` and `fmserve` (programs),
# `target` (of fm) and `model`.
# shellcheck shell=bash disable=SC2154

# free_port: a loopback port that nobody listens on now.
free_port() {
  python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# field EXPRESSION < JSON: a Python expression over the object `o`.
field() {
  python3 -c 'import json, sys; o = json.load(sys.stdin); print(eval(sys.argv[1]))' "$1"
}

# serving: the version that serves now; 0 while none does or nobody answers.
serving() {
  { "$fm" status --target "$target" --model "$model" --timeout 2s --json 2>/dev/null || echo '{"models": []}'; } |
    field '(o["models"] or [{"serving_version": 0}])[0]["serving_version"]'
}

# state_of VERSION: "serving", "rejected" …; "unknown" when the server has not heard of it.
state_of() {
  "$fm" versions --target "$target" --model "$model" --json |
    field "next((v['state'] for v in o['versions'] if v['version'] == $1), 'unknown')"
}

# wait_until SECONDS COMMAND…: until the command succeeds; fails when the time is over.
wait_until() {
  local end=$((SECONDS + $1))
  shift
  until "$@"; do
    ((SECONDS < end)) || return 1
    sleep 0.5
  done
}

is_serving() { [[ $(serving) == "$1" ]]; }
is_rejected() { [[ $(state_of "$1") == rejected ]]; }

now() { date +%s.%N; }

# start LOG COMMAND…: runs the command until end_started; ${started[-1]} is its process.
started=()
start() {
  "${@:2}" >"$1" 2>&1 &
  started+=($!)
}
end_started() {
  local pid
  for pid in "${started[@]}"; do kill "$pid" 2>/dev/null || true; done
  for pid in "${started[@]}"; do wait "$pid" || true; done
  started=()
}
