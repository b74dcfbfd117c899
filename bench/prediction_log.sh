#!/usr/bin/env bash
# Server CPU per request with a prediction log, beside that without one.
#
# Three servers run at the same time, on the same weights and catalogue and over Unix sockets: one without a log, one that logs
# every request and one that logs 1 % of them. Each kind of request is sent to all three in turns, in random order, the same
# requests at the same rate. What counts is the processor time of the whole process, the log's writer included: the ratio of the
# turns next to each other, log over none, and of all rounds the median. bench/prediction_log.py drives them.
#
# Fails when logging every request adds more than 3 %, or 1 % of them more than 0.2 %.
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/common.sh
source scripts/serving.sh
source bench/random_models.sh

usage() {
  cat <<'TEXT'
usage: bench/prediction_log.sh [--rows N] [--rate N] [--seconds N] [--rounds N] [--compression FAST|SMALL] [--dir DIR] [--only KIND]...
                               [--json FILE]

  --rows N       rows of the weight file, 64 bytes each; 1000000 if not given
  --rate N       requests per second; 1000 if not given
  --seconds N    of each turn, twelve in a round; 1 if not given
  --rounds N     11 if not given
  --compression  of the log; FAST if not given
  --dir DIR      where to keep files; a temporary folder if not given
  --only KIND    packed, friendly, known-items or top-100; all of them if not given
  --json FILE    write the figures there too; a relative name is one in the repository
TEXT
}

rows=1000000 rate=1000 seconds=1 rounds=11 compression=FAST dir='' json=''
only=()
while [[ $# -gt 0 ]]; do
  case $1 in
    --rows | --rate | --seconds | --rounds | --compression | --dir | --json)
      [[ $# -ge 2 ]] || { usage >&2; exit 2; }
      printf -v "${1#--}" '%s' "$2"
      shift 2 ;;
    --only)
      [[ $# -ge 2 ]] || { usage >&2; exit 2; }
      only+=(--only "$2")
      shift 2 ;;
    --help | -h) usage; exit 0 ;;
    *) usage >&2; exit 2 ;;
  esac
done

bin=$(realpath "${FMSERVE_BUILD:-$build_root/release}/bin")
fm=$bin/fm model=ctr
work=$(mktemp -d "${dir:-${TMPDIR:-/tmp}}/fmserve-log.XXXXXX")
cleanup() {
  end_started
  rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

publish_random "$bin" "$work" "$model" "$rows"
publish_random_items "$bin" "$work" "$model"

# start_server NAME [PERCENT]: leaves PID@TARGET in ${server[NAME]}.
declare -A server
start_server() {
  target=unix:$work/$1.sock
  serving_config "$work/store" "$work/$1.cache" "$target" "$model" >"$work/$1.yaml"
  if [[ $# -eq 2 ]]; then
    sed -i "s|budget_ms: 10000}|budget_ms: 10000, prediction_log: {folder: $work/$1.log, sample_percent: $2, \
compression: $compression, max_total_mib: 1024}}|" "$work/$1.yaml"
  fi
  start "$work/$1.txt" "$bin/fmserve" --config "$work/$1.yaml"
  wait_until 60 is_serving 1 || fail "the server '$1' does not serve: $(tail -n 1 "$work/$1.txt")"
  wait_until 60 is_serving_catalogue 1 || fail "its catalogue does not serve: $(tail -n 1 "$work/$1.txt")"
  server[$1]=${started[-1]}@$target
}

start_server none
start_server every 100
start_server percent 1

say "$rounds rounds, turns of $seconds s at $rate requests per second"
python3 bench/prediction_log.py --fm "$fm" --data "$work/$model" --none "${server[none]}" --every "${server[every]}" \
  --percent "${server[percent]}" --every-log "$work/every.log" --rate "$rate" --seconds "$seconds" --rounds "$rounds" \
  ${json:+--json "$json"} "${only[@]}"
