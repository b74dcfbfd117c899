#!/usr/bin/env bash
# Latency and memory while big weight files are swapped in.
#
# A server with a weight file of about 500 MB gets half of the highest rate that it can answer, while a new version of the
# same size is published every 20 s for 3 minutes. Prints failed requests, responses that are not, to the last bit, those of
# the version that they name, p99 inside and outside of the swaps, and the server's resident memory around each swap.
#
# A swap lasts from the moment when the manifest is written to 1 s after the first response of the new version: fetching,
# verifying, warming, the exchange, and unmapping the oldest; what comes later, giving the blocks of the oldest file back in
# small steps, counts as outside. `fm publish` itself (verifying and copying the file into the
# store, on another machine in real life) is a phase of its own, because it takes its share of this machine.
#
# Requests have a second: who is late is to be seen in p99, and who fails has a reason that is not the clock. (With the usual
# 20 ms, half of the highest rate is so much here that some are late with or without swaps; bench/swap_curve.sh has those
# 20 ms, and less load.)
#
# Half of the highest rate is only that while the machine keeps its speed, so a run in which the host of a virtual machine gave
# more than 2 % of the processors to others fails without a verdict.
#
# Fails when a request fails or is wrong, when p99 within swaps is above 1.5 times that outside, or when memory does not come
# back: the server may keep 5 % more after the last swap than after the second, from when on two versions are mapped.
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/common.sh
source scripts/serving.sh

usage() {
  cat <<'TEXT'
usage: bench/swap_under_load.sh [--minutes N] [--every SECONDS] [--rows N] [--candidates N] [--dir DIR]

  --minutes N      how long; 3 if not given
  --every SECONDS  time between two publications; 20 if not given
  --rows N         rows of a weight file, 128 bytes each; 4000000 if not given
  --candidates N   per request; 200 if not given
  --dir DIR        where to keep files, about 16 times the weight file; a temporary folder if not given
TEXT
}

minutes=3 every=20 rows=4000000 candidates=200 dir=''
while [[ $# -gt 0 ]]; do
  case $1 in
    --minutes | --every | --rows | --candidates | --dir)
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
server_pid='' load_pid='' log_pid=''

cleanup() {
  stop "$load_pid" "$server_pid" "$log_pid"
  rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

# resident: MB of the server: all, and those that are not pages of weight files.
resident() {
  awk '/^VmRSS/ { all = $2 } /^RssAnon/ { anonymous = $2 }
       END { printf "%.0f MB (%.0f MB anonymous)", all / 1024, anonymous / 1024 }' "/proc/$server_pid/status"
}
resident_kb() { awk '/^VmRSS/ { print $2 }' "/proc/$server_pid/status"; }
peak() { awk '/^VmHWM/ { printf "%.0f MB", $2 / 1024 }' "/proc/$server_pid/status"; }
# ms of processor time, of all processors, that the host of a virtual machine gave to others since the start.
stolen_ms() { awk '/^cpu / { print $9 * 10 }' /proc/stat; }
reset_peak() { echo 5 >"/proc/$server_pid/clear_refs"; }

# wait_for_version N: by the server's log. A client that starts, asks and exits would take its share of the processors
# within the swap.
wait_for_version() {
  local line
  while IFS= read -r -t 60 -u "$log" line; do
    [[ $line == *\"version_published\"*\"version\":$1,* ]] && return
  done
  return 1
}

load=("$fm" load --target "$target" --model "$model" --schema "$work/schema.yaml" --data "$work/rows.tsv"
  --candidates "$candidates" --json)

say "two weight files of $rows rows"
"$bin/make_weights" --rows "$rows" --seed 1 --out "$work/a.fmw" --data "$work"
"$bin/make_weights" --rows "$rows" --seed 2 --out "$work/b.fmw"
printf '    %d MB each\n' $(($(stat -c %s "$work/a.fmw") / 1000000))

"$fm" publish "$work/a.fmw" --store "$work/store" --model "$model"
cat >"$work/fmserve.yaml" <<YAML
listen: ["$target"]
http_listen: ""
cache_dir: $work/cache
models:
  - name: $model
    store: $work/store
    poll_interval_ms: 200
    shadow_gate: {enabled: false}  # weights at random predict nothing alike
    budget_ms: 1000
YAML
run_server
exec {log}< <(exec tail -n 0 -F "$work/server.log" 2>/dev/null)
log_pid=$!
must_serve 1

say 'highest rate: 10 s of 16 requests outstanding'
highest=$("${load[@]}" --closed-loop 16 --duration 10s | field 'o["qps"]')
rate=$(awk -v highest="$highest" 'BEGIN { printf "%.0f", highest / 2 }')
printf '    %.0f requests per second; half of it is %d\n' "$highest" "$rate"

say "$minutes minutes at $rate requests of $candidates candidates per second, a new version every $every s"
"${load[@]}" --rate "$rate" --until-file "$work/enough" --records "$work/records.tsv" --verify-store "$work/store" \
  >"$work/load.json" &
load_pid=$!
sleep "$every"
stolen_before_ms=$(stolen_ms)
publishing='' swaps='' version=1 settled_kb=() ratio=''
end=$((SECONDS + minutes * 60))
while ((SECONDS < end)); do
  version=$((version + 1))
  next=$((SECONDS + every))
  before=$(resident)
  reset_peak
  file=$work/a.fmw
  ((version % 2)) || file=$work/b.fmw
  begin=$(now)
  "$fm" publish "$file" --store "$work/store" --model "$model" --delta-from none >/dev/null
  published=$(now)
  wait_for_version "$version" || fail "version $version does not serve: $(tail -n 1 "$work/server.log")"
  served=$(now)
  sleep 1
  publishing+=${publishing:+,}$begin:$published
  swaps+=${swaps:+,}$published:$(now)
  is_serving "$version" || fail "version $version does not serve: $(tail -n 1 "$work/server.log")"
  # Settled when the loader has dropped what it had to.
  sleep 2
  printf '    version %2d serves %.1f s after its publication; resident %s before, %s at most, %s after\n' "$version" \
    "$(awk -v a="$published" -v b="$served" 'BEGIN { print b - a }')" "$before" "$(peak)" "$(resident)"
  settled_kb+=("$(resident_kb)")
  while ((SECONDS < next)); do sleep 0.1; done
done
touch "$work/enough"
wait "$load_pid" || fail 'the load generator found wrong predictions, or no answers'
load_pid=''

stolen=$(awk -v ms=$(($(stolen_ms) - stolen_before_ms)) -v minutes="$minutes" -v processors="$(nproc)" \
  'BEGIN { printf "%.1f", ms / (minutes * 600 * processors) }')
printf 'of the processors, %s %% went to others on the same host\n' "$stolen"

phases=("publishing=$publishing" "swap=$swaps" "quiet=:")
python3 scripts/latency_phases.py "$work/records.tsv" "${phases[@]}"
field '"requests %d, failed %d %s, partial %d, checked %d, of mixed or wrong versions %d" % (
  o["sent"], o["sent"] - o["ok"], o["errors"] or "", o["partial"], o["verified"], o["wrong"])' <"$work/load.json"
ratio=$(python3 scripts/latency_phases.py "$work/records.tsv" --json "${phases[@]}" |
  field '"%.2f" % (o["swap"]["p99_us"] / o["quiet"]["p99_us"])')
printf 'p99 within swaps over p99 outside: %s\n' "$ratio"
awk -v stolen="$stolen" 'BEGIN { exit !(stolen <= 2) }' ||
  fail "the host gave $stolen % of the processors to others, so this run says nothing; 2 % is the most: run it again"
[[ $(field 'o["sent"] - o["ok"] + o["wrong"]' <"$work/load.json") == 0 ]] || fail 'requests failed or were wrong'
awk -v ratio="$ratio" 'BEGIN { exit !(ratio <= 1.5) }' || fail 'swaps show in the p99'
awk -v first="${settled_kb[1]:-0}" -v last="${settled_kb[-1]}" 'BEGIN { exit !(first == 0 || last <= first * 1.05) }' ||
  fail "resident memory grew from swap to swap: ${settled_kb[*]} kB"
