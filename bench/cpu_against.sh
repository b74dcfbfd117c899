#!/usr/bin/env bash
# Server CPU per request of this build, beside that of another one.
#
# Both servers and an echo run at the same time, on the same weights and catalogue and over Unix sockets. Each kind of
# request is sent to both in turns, in random order, the same requests at the same rate. What counts is the ratio of the two
# turns next to each other, now over before, and of all rounds the median. A kind above 1.10 is measured again, by servers
# that were started again; three times in a row is a loss.
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/common.sh
source scripts/serving.sh
source bench/random_models.sh

usage() {
  cat <<'TEXT'
usage: bench/cpu_against.sh --against DIR [--rows N] [--rate N] [--seconds N] [--rounds N] [--only KIND]...

  --against DIR  folder of the other build, with bin/fmserve. Where it has bin/make_weights and bin/fm as well, that server
                 gets a weight file and a catalogue made by them, else those of this build, FMSERVE_BUILD
  --rows N       rows of the weight file, 64 bytes each; 300000 if not given
  --rate N       requests per second; 2000 if not given
  --seconds N    of each turn, nine in a round; 0.5 if not given
  --rounds N     11 if not given
  --only KIND    packed, friendly, known-items or top-100; all of them if not given

Exit code: 0 no loss, 1 a loss of over 10 % three times in a row, 2 could not measure. What the other server does not know
is left out by name. ./run regression builds the parent commit and calls this.
TEXT
}

against='' rows=300000 rate=2000 seconds=0.5 rounds=11
only=()
while [[ $# -gt 0 ]]; do
  case $1 in
    --against | --rows | --rate | --seconds | --rounds)
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
[[ -n $against ]] || { usage >&2; exit 2; }

# Exit code 1 means a loss, and nothing else.
fail() {
  printf 'could not measure: %s\n' "$*" >&2
  exit 2
}
set -E
trap 'fail "the command in line $LINENO of $0 failed"' ERR

bin=$(realpath "${FMSERVE_BUILD:-$build_root/release}/bin")
before_bin=$(realpath "$against/bin")
fm=$bin/fm model=ctr
for program in "$bin"/{fm,fmserve,make_weights,echo_server} "$before_bin/fmserve"; do
  [[ -x $program ]] || fail "$program is missing"
done

work=$(mktemp -d "${TMPDIR:-/tmp}/fmserve-cpu.XXXXXX")
cleanup() {
  end_started
  rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

# prepare BIN FOLDER: weights and catalogue in FOLDER/store.
prepare() {
  mkdir -p "$2"
  publish_random "$1" "$2" "$model" "$rows"
  publish_random_items "$1" "$2" "$model"
}

is_serving_or_ended() { ! kill -0 "$1" 2>/dev/null || is_serving 1; }

# start_server NAME BIN STORE: waits until it serves; leaves PID@TARGET in ${server[NAME]}.
declare -A server
start_server() {
  local target=unix:$work/$1.sock
  rm -rf "$work/$1.cache"
  serving_config "$3" "$work/$1.cache" "$target" "$model" >"$work/$1.yaml"
  start "$work/$1.log" "$2/fmserve" --config "$work/$1.yaml"
  wait_until 60 is_serving_or_ended "${started[-1]}" || true
  is_serving 1 || fail "the server '$1' does not serve: $(tail -n 1 "$work/$1.log")"
  wait_until 20 is_serving_catalogue 1 || true  # what needs one is then left out
  server[$1]=${started[-1]}@$target
}

start_echo() {
  local target=unix:$work/echo.sock
  start "$work/echo.log" "$bin/echo_server" --listen "$target" --candidates 200
  server[echo]=${started[-1]}@$target
}

prepare "$bin" "$work/now"
before=$work/now
if [[ -x $before_bin/make_weights && -x $before_bin/fm ]]; then
  before=$work/before
  prepare "$before_bin" "$before"
fi

for ((measurement = 1; ; ++measurement)); do
  say "measurement $measurement: $rounds rounds, turns of $seconds s at $rate requests per second"
  start_server before "$before_bin" "$before/store"
  start_server now "$bin" "$work/now/store"
  start_echo
  code=0
  python3 bench/cpu_against.py --fm "$fm" --data "$work/now/$model" --now "${server[now]}" --before "${server[before]}" \
    --echo "${server[echo]}" --rate "$rate" --seconds "$seconds" --rounds "$rounds" --history "$work/history.json" "${only[@]}" ||
    code=$?
  end_started
  case $code in
    0) exit 0 ;;
    3) ;;
    4) exit 1 ;;
    *) exit 2 ;;
  esac
done
