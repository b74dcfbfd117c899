#!/usr/bin/env bash
# Whether a server wears out: thousands of swaps, one after the other, under load.
#
# Two weight files of about 50 MB are published in turn, each time as a new version that the server fetches whole, verifies,
# warms and swaps in; the next one is published meanwhile. All the time the server gets a steady load. Prints, of the first
# and of the last hundred swaps, how long one took (from the moment when it was published, and the one before served), the
# server's resident memory and its open files; bench/many_swaps.py drives it. A swap takes half a second to a second, because
# fetching and verifying rest four times as long as they work: 10,000 take an hour or two, less when several models of the
# server are swapped at a time.
#
# Fails when a request fails, when memory or time per swap of the last hundred is more than 5 % (of time: 25 %) above that of
# the first, or when there are more open files.
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/common.sh
source scripts/serving.sh

usage() {
  cat <<'TEXT'
usage: bench/many_swaps.sh [--swaps N] [--models N] [--rows N] [--rate N] [--candidates N] [--dir DIR] [--json FILE]

  --swaps N        10000 if not given; at least 200
  --models N       that are swapped at a time, each by versions of its own; 1 if not given
  --rows N         rows of a weight file, 128 bytes each; 400000 if not given
  --rate N         requests per second, of all models together; 200 if not given
  --candidates N   per request; 200 if not given
  --dir DIR        where to keep files, about 12 times the weight file for each model; a temporary folder if not given
  --json FILE      write every swap there too
TEXT
}

swaps=10000 models=1 rows=400000 rate=200 candidates=200 dir='' json=''
while [[ $# -gt 0 ]]; do
  case $1 in
    --swaps | --models | --rows | --rate | --candidates | --dir | --json)
      [[ $# -ge 2 ]] || { usage >&2; exit 2; }
      printf -v "${1#--}" '%s' "$2"
      shift 2 ;;
    --help | -h) usage; exit 0 ;;
    *) usage >&2; exit 2 ;;
  esac
done

bin=$(realpath "${FMSERVE_BUILD:-$build_root/release}/bin")
fm=$bin/fm fmserve=$bin/fmserve
work=$(mktemp -d "${dir:-${TMPDIR:-/tmp}}/fmserve-many-swaps.XXXXXX")
target=unix:$work/grpc.sock
server_pid='' load_pids=()

cleanup() {
  stop "${load_pids[@]}" "$server_pid"
  rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

say "two weight files of $rows rows"
"$bin/make_weights" --rows "$rows" --seed 1 --out "$work/a.fmw" --data "$work"
"$bin/make_weights" --rows "$rows" --seed 2 --out "$work/b.fmw"
printf '    %d MB each\n' $(($(stat -c %s "$work/a.fmw") / 1000000))
for ((i = 1; i <= models; i++)); do
  "$fm" publish "$work/a.fmw" --store "$work/store" --model "ctr$i" >/dev/null
done
cat >"$work/fmserve.yaml" <<YAML
listen: ["$target"]
http_listen: ""
cache_dir: $work/cache
models:
YAML
for ((i = 1; i <= models; i++)); do
  cat >>"$work/fmserve.yaml" <<YAML
  - name: ctr$i
    store: $work/store
    poll_interval_ms: 20
    shadow_gate: {enabled: false}  # weights at random predict nothing alike
    budget_ms: 1000
YAML
done
run_server
for ((i = 1; i <= models; i++)); do
  model=ctr$i
  must_serve 1
done

say "$swaps swaps of $models models at $rate requests of $candidates candidates per second"
for ((i = 1; i <= models; i++)); do
  "$fm" load --target "$target" --model "ctr$i" --schema "$work/schema.yaml" --data "$work/rows.tsv" \
    --candidates "$candidates" --rate $((rate / models)) --until-file "$work/enough" --json >"$work/load$i.json" &
  load_pids+=($!)
done
python3 bench/many_swaps.py --fm "$fm" --work "$work" --models "$models" --server "$server_pid" --swaps "$swaps" \
  ${json:+--json "$json"} || worn=1
touch "$work/enough"
wait "${load_pids[@]}" || fail 'a load generator failed'
load_pids=()
loads=$(for ((i = 1; i <= models; i++)); do cat "$work/load$i.json"; echo ,; done)
loads="[${loads%,}]"
field '"requests %d, failed %d, p99 at most %.1f ms" % (
    sum(l["sent"] for l in o), sum(l["sent"] - l["ok"] for l in o), max(l["p99_us"] for l in o) / 1e3)' <<<"$loads"
[[ $(field 'sum(l["sent"] - l["ok"] for l in o)' <<<"$loads") == 0 ]] || fail 'requests failed'
[[ -z ${worn:-} ]] || fail 'the server wears out'
