# Sourced by scripts that run a server of their own: starting, asking, waiting. They set `fm` and `fmserve` (programs),
# `target` (of fm), `model` and `work` (folder with fmserve.yaml).
# shellcheck shell=bash disable=SC2154,SC2034

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
is_serving_catalogue() {
  [[ $("$fm" status --target "$target" --model "$model" --json | field 'o["models"][0]["catalogue"]["serving_version"]') == "$1" ]]
}
is_rejected() { [[ $(state_of "$1") == rejected ]]; }

# run_server: what it says goes to server.log. Sets server_pid. On processors server_cpus, if that is set.
run_server() {
  ${server_cpus:+taskset -c "$server_cpus"} "$fmserve" --config "$work/fmserve.yaml" >"$work/server.log" 2>&1 &
  server_pid=$!
}

# must_serve VERSION: waits for it; fails with the last words of the server.
must_serve() {
  wait_until 60 is_serving "$1" || fail "version $1 of $model does not serve: $(tail -n 1 "$work/server.log")"
}

# stop PID…: ends those of these children that run, and waits for them; an empty PID is none.
stop() {
  local pid
  for pid in "$@"; do
    if [[ -n $pid ]] && kill "$pid" 2>/dev/null; then wait "$pid" || true; fi
  done
}

# split_processors: one half for the server, server_cpus, and one for those who ask it, client_cpus, client_processors in number,
# so that a request does not get dearer because more are sent.
split_processors() {
  local processors half
  processors=$(nproc)
  ((processors >= 2)) || fail 'the server and its clients need a processor each'
  half=$((processors / 2))
  server_cpus=0-$((half - 1)) client_cpus=$half-$((processors - 1)) client_processors=$((processors - half))
}

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
