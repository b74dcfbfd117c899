#!/usr/bin/env bash
# Latency of a server against load, and its processor time per request against load and against the number of candidates.
#
# The server gets one half of the processors and the load generator the other. Requests are packed, of 10 features a
# candidate with 20 of the context, over a Unix socket. bench/load_curves.py, which drives both, first looks for the rate of a
# closed loop, the highest that this server can answer; the others are shares of it, each an open loop.
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/common.sh
source scripts/serving.sh

usage() {
  cat <<'TEXT'
usage: bench/load_curves.sh [--rows N] [--seconds N] [--rounds N] [--dir DIR] [--json FILE]

  --rows N     rows of the weight file, 128 bytes each; 1000000 if not given
  --seconds N  of each measurement, about fifteen in a round; 1 if not given
  --rounds N   3 if not given
  --dir DIR    where to keep files, about 3 times the weight file; a temporary folder if not given
  --json FILE  write rows and series there too; a relative name is one in the repository
TEXT
}

rows=1000000 seconds=1 rounds=3 dir='' json=''
while [[ $# -gt 0 ]]; do
  case $1 in
    --rows | --seconds | --rounds | --dir | --json)
      [[ $# -ge 2 ]] || { usage >&2; exit 2; }
      printf -v "${1#--}" '%s' "$2"
      shift 2 ;;
    --help | -h) usage; exit 0 ;;
    *) usage >&2; exit 2 ;;
  esac
done

bin=$(realpath "${FMSERVE_BUILD:-$build_root/release}/bin")
fm=$bin/fm fmserve=$bin/fmserve model=ctr
work=$(mktemp -d "${dir:-${TMPDIR:-/tmp}}/fmserve-curves.XXXXXX")
target=unix:$work/grpc.sock
server_pid=''

cleanup() {
  stop "$server_pid"
  rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

say "a weight file of $rows rows, k = 16"
"$bin/make_weights" --rows "$rows" --k 16 --context-fields 20 --item-fields 10 --out "$work/model.fmw" --data "$work"
"$fm" publish "$work/model.fmw" --store "$work/store" --model "$model" >/dev/null
rm "$work/model.fmw"
cat >"$work/fmserve.yaml" <<YAML
listen: ["$target"]
http_listen: ""
cache_dir: $work/cache
models:
  - {name: $model, store: $work/store, budget_ms: 1000}
YAML
split_processors
run_server
must_serve 1

say "$rounds rounds; the server on processors $server_cpus, its clients on $client_cpus"
python3 bench/load_curves.py --fm "$fm" --work "$work" --target "$target" --server "$server_pid" \
  --client-processors "$client_cpus" --seconds "$seconds" --rounds "$rounds" ${json:+--json "$json"}
