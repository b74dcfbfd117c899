#!/usr/bin/env bash
# Whether a server wears out: thousands of swaps, one after the other, under load.
#
# Two weight files of about 50 MB are published in turn, each time as a new version that the server fetches whole, verifies,
# warms and swaps in; the next one is published meanwhile. All the time the server gets a steady load. Prints, of the first
# and of the last hundred swaps, how long one took (from the moment when it was published, and the one before served), the
# server's resident memory and its open files; bench/many_swaps.py drives it. A swap takes half a second, because fetching and
# verifying rest four times as long as they work: 10,000 take an hour or two.
#
# Fails when a request fails, when memory or time per swap of the last hundred is more than 5 % (of time: 25 %) above that of
# the first, or when there are more open files.
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/common.sh
source scripts/serving.sh

usage() {
  cat <<'TEXT'
usage: bench/many_swaps.sh [--swaps N] [--rows N] [--rate N] [--candidates N] [--dir DIR] [--json FILE]

  --swaps N        10000 if not given; at least 200
  --rows N         rows of a weight file, 128 bytes each; 400000 if not given
  --rate N         requests per second; 200 if not given
  --candidates N   per request; 200 if not given
  --dir DIR        where to keep files, about 12 times the weight file; a temporary folder if not given
  --json FILE      write every swap there too
TEXT
}

swaps=10000 rows=400000 rate=200 candidates=200 dir='' json=''
while [[ $# -gt 0 ]]; do
  case $1 in
    --swaps | --rows | --rate | --candidates | --dir | --json)
      [[ $# -ge 2 ]] || { usage >&2; exit 2; }
      printf -v "${1#--}" '%s' "$2"
      shift 2 ;;
    --help | -h) usage; exit 0 ;;
    *) usage >&2; exit 2 ;;
  esac
done

bin=$(realpath "${FMSERVE_BUILD:-$build_root/release}/bin")
fm=$bin/fm fmserve=$bin/fmserve model=ctr
work=$(mktemp -d "${dir:-${TMPDIR:-/tmp}}/fmserve-many-swaps.XXXXXX")
target=unix:$work/grpc.sock
server_pid='' load_pid=''

cleanup() {
  stop "$load_pid" "$server_pid"
  rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

say "two weight files of $rows rows"
"$bin/make_weights" --rows "$rows" --seed 1 --out "$work/a.fmw" --data "$work"
"$bin/make_weights" --rows "$rows" --seed 2 --out "$work/b.fmw"
printf '    %d MB each\n' $(($(stat -c %s "$work/a.fmw") / 1000000))
"$fm" publish "$work/a.fmw" --store "$work/store" --model "$model" >/dev/null
cat >"$work/fmserve.yaml" <<YAML
listen: ["$target"]
http_listen: ""
cache_dir: $work/cache
models:
  - name: $model
    store: $work/store
    poll_interval_ms: 20
    shadow_gate: {enabled: false}  # weights at random predict nothing alike
    budget_ms: 1000
YAML
run_server
must_serve 1

say "$swaps swaps at $rate requests of $candidates candidates per second"
"$fm" load --target "$target" --model "$model" --schema "$work/schema.yaml" --data "$work/rows.tsv" --candidates "$candidates" \
  --rate "$rate" --until-file "$work/enough" --json >"$work/load.json" &
load_pid=$!
python3 bench/many_swaps.py --fm "$fm" --work "$work" --model "$model" --server "$server_pid" --swaps "$swaps" \
  ${json:+--json "$json"} || worn=1
touch "$work/enough"
wait "$load_pid" || fail 'the load generator failed'
load_pid=''
field '"requests %d, failed %d %s, p99 %.1f ms" % (o["sent"], o["sent"] - o["ok"], o["errors"] or "", o["p99_us"] / 1e3)' \
  <"$work/load.json"
[[ $(field 'o["sent"] - o["ok"]' <"$work/load.json") == 0 ]] || fail 'requests failed'
[[ -z ${worn:-} ]] || fail 'the server wears out'
