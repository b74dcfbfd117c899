#!/usr/bin/env bash
# Server CPU per request, beside what gRPC alone takes for it.
#
# A server with two models, one of many rows (its rows come from memory) and one of few (from cache), and echo_server, which
# answers every request unread with a response of the same length, get the same requests at the same rate, in turn: 200
# candidates of 10 features with 20 of the context, once packed and once in the friendly form with names and strings; and 200
# items of a catalogue, named by their ids.
# bench/wire_cost.py, which drives them, takes the servers' processor time, system time included. Prints microseconds per
# request and the ratios within each round: median, lowest and highest.
#
# Fails when, for the model of many rows, a packed request takes more than 4 times what echoing it takes, or a friendly one
# more than 4 times what a packed one takes, or known items more than 1.5 times what echoing them takes.
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/common.sh
source scripts/serving.sh
source bench/random_models.sh

usage() {
  cat <<'TEXT'
usage: bench/wire_cost.sh [--rows N] [--rate N] [--seconds N] [--rounds N] [--tcp] [--dir DIR] [--json FILE]

  --rows N     rows of the large weight file, 128 bytes each; 10000000 if not given. The small one has 10000
  --rate N     requests per second; 1000 if not given
  --seconds N  of each measurement, eight in a round; 3 if not given
  --rounds N   7 if not given
  --tcp        over loopback TCP instead of Unix sockets
  --dir DIR    where to keep files, about 3 times the weight file; a temporary folder if not given
  --json FILE  write the figures there too; a relative name is one in the repository
TEXT
}

rows=10000000 rate=1000 seconds=3 rounds=7 tcp='' dir='' json=''
while [[ $# -gt 0 ]]; do
  case $1 in
    --rows | --rate | --seconds | --rounds | --dir | --json)
      [[ $# -ge 2 ]] || { usage >&2; exit 2; }
      printf -v "${1#--}" '%s' "$2"
      shift 2 ;;
    --tcp) tcp=1; shift ;;
    --help | -h) usage; exit 0 ;;
    *) usage >&2; exit 2 ;;
  esac
done

bin=$(realpath "${FMSERVE_BUILD:-$build_root/release}/bin")
fm=$bin/fm fmserve=$bin/fmserve model=large
work=$(mktemp -d "${dir:-${TMPDIR:-/tmp}}/fmserve-wire.XXXXXX")
target=unix:$work/grpc.sock echo_target=unix:$work/echo.sock
if [[ -n $tcp ]]; then
  target=127.0.0.1:$(free_port)
  echo_target=127.0.0.1:$(free_port)
fi

cleanup() {
  end_started
  rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

say "weight files of $rows and 10000 rows, k = 16, f32"
publish_random "$bin" "$work" large "$rows"
publish_random "$bin" "$work" small 10000
publish_random_items "$bin" "$work" large
rm "$work"/*.fmw

serving_config "$work/store" "$work/cache" "$target" large small >"$work/fmserve.yaml"
start "$work/server.log" "$fmserve" --config "$work/fmserve.yaml"
server_pid=${started[-1]}
start "$work/echo.log" "$bin/echo_server" --listen "$echo_target" --candidates 200
echo_pid=${started[-1]}
for model in small large; do
  must_serve 1
done
wait_until 60 is_serving_catalogue 1 || fail "the catalogue does not serve: $(tail -n 1 "$work/server.log")"

say "$rounds rounds of 8 times $seconds s at $rate requests per second"
python3 bench/wire_cost.py --fm "$fm" --work "$work" --server "$server_pid@$target" --echo "$echo_pid@$echo_target" \
  --rate "$rate" --seconds "$seconds" --rounds "$rounds" ${json:+--json "$json"}
