#!/usr/bin/env bash
# What is left of the server at three times the load that it can carry.
#
# The server gets one half of the processors and the load generator the other, so that requests do not get dearer because
# more are sent. bench/overload.py, which drives both, looks for the highest goodput: answers per second that are complete
# and within the budget, counted from when the request was due. Then it offers half of that, for some seconds three times it,
# and half again. Requests have the budget as their gRPC deadline, and are not sent again when they are refused.
#
# A round in which the host of a virtual machine gave more than 2 % of the processors to others is made again. Exits with 3
# when no round counts, with 2 when the generator's processors are too few to offer three times the load.
#
# Fails when the goodput at three times the load is below 90 % of the maximum, when the p99 of answered requests is above the
# budget, or when it takes more than 1 s after the load has fallen until 99 % of the requests are answered in time again.
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/common.sh
source scripts/serving.sh

usage() {
  cat <<'TEXT'
usage: bench/overload.sh [--candidates N] [--form packed|features] [--rows N] [--seconds N] [--rounds N]
                         [--connections N] [--budget-ms N] [--config LINE] [--dir DIR] [--json FILE]

  --candidates N   per request, of 10 features each, with 20 of the context; 1000 if not given
  --form FORM      features if not given
  --rows N         rows of the weight file, 128 bytes each; 1000000 if not given
  --seconds N      of overload in a round; 6 if not given
  --rounds N       5 if not given
  --connections N  8 if not given
  --budget-ms N    20 if not given
  --config LINE    one more line of the server's configuration, such as 'overload: {adaptive: false}'
  --dir DIR        where to keep files, about 3 times the weight file; a temporary folder if not given
  --json FILE      write the figures there too; a relative name is one in the repository
TEXT
}

candidates=1000 form=features rows=1000000 seconds=6 rounds=5 connections=8 budget_ms=20 config='' dir='' json=''
while [[ $# -gt 0 ]]; do
  case $1 in
    --candidates | --form | --rows | --seconds | --rounds | --connections | --budget-ms | --config | --dir | --json)
      [[ $# -ge 2 ]] || { usage >&2; exit 2; }
      name=${1#--}
      printf -v "${name//-/_}" '%s' "$2"
      shift 2 ;;
    --help | -h) usage; exit 0 ;;
    *) usage >&2; exit 2 ;;
  esac
done

bin=$(realpath "${FMSERVE_BUILD:-$build_root/release}/bin")
fm=$bin/fm fmserve=$bin/fmserve model=ctr
work=$(mktemp -d "${dir:-${TMPDIR:-/tmp}}/fmserve-overload.XXXXXX")
target=unix:$work/grpc.sock
server_pid=''

cleanup() {
  stop "$server_pid"
  rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

split_processors

say "a weight file of $rows rows, k = 16, f32"
"$bin/make_weights" --rows "$rows" --k 16 --context-fields 20 --item-fields 10 --strings --out "$work/model.fmw" \
  --data "$work"
"$fm" publish "$work/model.fmw" --store "$work/store" --model "$model" >/dev/null
rm "$work/model.fmw"
cat >"$work/fmserve.yaml" <<YAML
listen: ["$target"]
http_listen: ""
cache_dir: $work/cache
models:
  - {name: $model, store: $work/store, budget_ms: $budget_ms}
$config
YAML
run_server
must_serve 1

say "$rounds rounds of about $((seconds * 3 + 6)) s: $candidates candidates, $form, processors $server_cpus and $client_cpus"
python3 bench/overload.py --fm "$fm" --work "$work" --target "$target" --server "$server_pid" \
  --generator "taskset -c $client_cpus" --generator-processors "$client_processors" --form "$form" \
  --candidates "$candidates" --connections "$connections" --budget-ms "$budget_ms" --seconds "$seconds" --rounds "$rounds" \
  ${json:+--json "$json"}
