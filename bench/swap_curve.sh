#!/usr/bin/env bash
# Latency of a server, a quarter of a second at a time, while new versions of its weights are swapped in.
#
# bench/swap_curve.py, which drives the server, publishes several versions one after the other, each when the one before has
# been dealt with to the end, and lays them over each other. The versions were made beforehand, and publishing one is renaming
# its file, so that what a publisher takes of the machine does not show. The load is a share of the rate of a closed loop. swap_under_load.sh is the long form,
# with bigger files, more load and every response checked.
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/common.sh
source scripts/serving.sh

usage() {
  cat <<'TEXT'
usage: bench/swap_curve.sh [--rows N] [--swaps N] [--load SHARE] [--dir DIR] [--json FILE]

  --rows N      rows of a weight file, 128 bytes each; 1000000 if not given
  --swaps N     3 if not given
  --load SHARE  of the rate of a closed loop; 0.3 if not given
  --dir DIR     where to keep files, about 9 times the weight file; a temporary folder if not given
  --json FILE   write rows and series there too; a relative name is one in the repository
TEXT
}

rows=1000000 swaps=3 load=0.3 dir='' json=''
while [[ $# -gt 0 ]]; do
  case $1 in
    --rows | --swaps | --load | --dir | --json)
      [[ $# -ge 2 ]] || { usage >&2; exit 2; }
      printf -v "${1#--}" '%s' "$2"
      shift 2 ;;
    --help | -h) usage; exit 0 ;;
    *) usage >&2; exit 2 ;;
  esac
done

bin=$(realpath "${FMSERVE_BUILD:-$build_root/release}/bin")
fm=$bin/fm fmserve=$bin/fmserve model=ctr
work=$(mktemp -d "${dir:-${TMPDIR:-/tmp}}/fmserve-swap.XXXXXX")
target=unix:$work/grpc.sock
server_pid=''

cleanup() {
  touch "$work/enough"  # ends the load generator
  stop "$server_pid"
  rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

say "$((swaps + 2)) versions of $rows rows, k = 16"
"$bin/make_weights" --rows "$rows" --seed 1 --out "$work/odd.fmw" --data "$work"
"$bin/make_weights" --rows "$rows" --seed 2 --out "$work/even.fmw"
for ((version = 1; version <= swaps + 2; ++version)); do
  file=$work/odd.fmw
  ((version % 2)) || file=$work/even.fmw
  "$fm" publish "$file" --store "$work/staged" --model "$model" --delta-from none >/dev/null
  cp "$work/staged/$model/CURRENT" "$work/staged/$model/$version.json"
done
rm "$work/odd.fmw" "$work/even.fmw"
mkdir -p "$work/store/$model"
http=127.0.0.1:$(free_port)
cat >"$work/fmserve.yaml" <<YAML
listen: ["$target"]
http_listen: $http
cache_dir: $work/cache
models:
  - {name: $model, store: $work/store, poll_interval_ms: 200, cached_versions: 2, shadow_gate: {enabled: false}}
YAML
run_server

say "$swaps swaps"
python3 bench/swap_curve.py --fm "$fm" --work "$work" --target "$target" --server "$server_pid" \
  --metrics "http://$http/metrics" --swaps "$swaps" --load "$load" ${json:+--json "$json"}
