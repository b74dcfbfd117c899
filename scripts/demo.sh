#!/usr/bin/env bash
# ./run demo: the whole job, on this machine and without a network.
source scripts/common.sh
source scripts/serving.sh

usage() {
  cat <<'TEXT'
usage: ./run demo [--data DIR] [--rows N] [--rate N] [--s3] [--keep]

Trains a model on a part of a click log, publishes it, serves it and asks for predictions; then, under constant load,
swaps in a better version, offers a corrupted one and rolls back. Ends in one table; exit code 0 means that every step
did what it should and no request failed.

  --data DIR   real data: train.tsv, valid.tsv and test.tsv, described by examples/<name of DIR>.yaml
  --rows N     rows of the generated click log; 1000000 if not given
  --rate N     requests per second, of 200 candidates each; 300 if not given
  --s3         the store is in S3: a Ceph radosgw, started and stopped by the demo
  --keep       leave the server running, and say how to reach and stop it
TEXT
}

data='' rows=1000000 rate=300 keep='' s3=''
while [[ $# -gt 0 ]]; do
  case $1 in
    --data | --rows | --rate)
      [[ $# -ge 2 ]] || { usage >&2; exit 2; }
      printf -v "${1#--}" '%s' "$2"
      shift 2 ;;
    --keep) keep=yes; shift ;;
    --s3) s3=yes; shift ;;
    --help | -h) usage; exit 0 ;;
    *) usage >&2; exit 2 ;;
  esac
done

bin=$(realpath "${FMSERVE_BUILD:-$build_root/release}/bin")
fm=$bin/fm fmserve=$bin/fmserve
model=ctr
work=$(mktemp -d "${TMPDIR:-/tmp}/fmserve-demo.XXXXXX")
store=$work/store
server_pid='' load_pid='' kept=''

# A step that goes wrong ends the demo, by name.
step() { printf '\n==> %s\n' "$*"; }
fail() {
  printf 'demo: FAILED: %s\n' "$*" >&2
  [[ ! -s $work/server.log ]] || { echo 'last lines of the server:' >&2; tail -n 5 "$work/server.log" >&2; }
  exit 1
}

cleanup() {
  if [[ -n $load_pid ]] && kill "$load_pid" 2>/dev/null; then wait "$load_pid" || true; fi
  [[ -z $kept ]] || return 0
  [[ ! -d $work/radosgw ]] || python3 tests/e2e/s3/radosgw.py stop "$work/radosgw"
  if [[ -n $server_pid ]] && kill "$server_pid" 2>/dev/null; then wait "$server_pid" || true; fi
  rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

prepare_log() {
  if [[ -n $data ]]; then
    log=$(realpath "$data") l2=0.001
    schema=$PWD/examples/$(basename "$log").yaml
    [[ -f $schema ]] || fail "no schema for this data: $schema"
    [[ -f $log/train.tsv && -f $log/valid.tsv && -f $log/test.tsv ]] ||
      fail "$log must hold train.tsv, valid.tsv and test.tsv"
    step "click log: $log, described by examples/$(basename "$schema")"
  else
    log=$work/log schema=$work/log/schema.yaml l2=0.0001
    step "click log: $rows impressions from a hidden factorization machine"
    "$fm" generate --rows "$rows" --seed 7 --out "$log"
  fi
  local lines
  lines=$(wc -l <"$log/train.tsv")
  head -n $((1 + (lines - 1) / 5)) "$log/train.tsv" >"$work/part.tsv"
}

# train NAME ROWS: a weight file, and how good it is on the test rows.
train() {
  "$fm" train --schema "$schema" --train "$2" --valid "$log/valid.tsv" --k 8 --l2-factors "$l2" --seed 1 \
    --out "$work/$1.fmw" --json >"$work/$1.train.json" 2>"$work/$1.train.log" ||
    fail "training: $(tail -n 1 "$work/$1.train.log")"
  "$fm" eval "$work/$1.fmw" --data "$log/test.tsv" --json >"$work/$1.eval.json"
  printf '    %s rows, %s features, trained in %s s\n' \
    "$(field 'o["rows"]' <"$work/$1.train.json")" "$(field 'o["features"]' <"$work/$1.train.json")" \
    "$(field 'round(o["train_seconds"], 1)' <"$work/$1.train.json")"
}

# With --s3 the folder stays a second store with the same versions, for `fm load` to compare with.
start_s3() {
  install_packages s3
  step 'S3: starting a Ceph radosgw'
  python3 tests/e2e/s3/radosgw.py start "$work/radosgw" >"$work/radosgw.log" 2>&1 ||
    fail "radosgw does not start: $(tail -n 1 "$work/radosgw.log")"
  gateway() { field "o['$1']" <"$work/radosgw/radosgw.json"; }
  store=s3://models/demo
  AWS_ENDPOINT_URL=$(gateway endpoint) AWS_ACCESS_KEY_ID=$(gateway access_key) AWS_SECRET_ACCESS_KEY=$(gateway secret_key)
  export AWS_ENDPOINT_URL AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY
  into_s3 models
  echo "    $store at $AWS_ENDPOINT_URL"
}

# into_s3 BUCKET [FOLDER FILE…]: creates the bucket, or copies files as they are, as somebody might who does not use `fm publish`.
into_s3() { python3 tests/e2e/s3/direct.py "$AWS_ENDPOINT_URL" "$AWS_ACCESS_KEY_ID" "$AWS_SECRET_ACCESS_KEY" "$@"; }

# publish FILE
publish() {
  [[ -z $s3 ]] || "$fm" publish "$1" --store "$work/store" --model "$model" >/dev/null
  "$fm" publish "$1" --store "$store" --model "$model"
}

start_server() {
  local port http_port
  port=$(free_port) http_port=$(free_port)
  target=127.0.0.1:$port http=127.0.0.1:$http_port
  cat >"$work/fmserve.yaml" <<YAML
listen: ["$target"]
http_listen: "$http"
cache_dir: $work/cache
models:
  - name: $model
    store: $store
    poll_interval_ms: 250
YAML
  "$fmserve" --config "$work/fmserve.yaml" >"$work/server.log" 2>&1 &
  server_pid=$!
  wait_until 20 is_serving 1 || fail "the server does not serve version 1 after 20 s"
}

quality() {
  local name
  printf '%-9s  %9s  %8s  %8s  %11s\n' version 'train rows' logloss auc calibration
  for name in v1 v2; do
    printf '%-9s  %10s  %8s  %8s  %11s\n' "${name#v}" "$(field 'o["rows"]' <"$work/$name.train.json")" \
      "$(field '"%.5f" % o["logloss"]' <"$work/$name.eval.json")" \
      "$(field '"%.4f" % o["auc"]' <"$work/$name.eval.json")" \
      "$(field '"%.3f" % o["calibration"]' <"$work/$name.eval.json")"
  done
  if head -n 1 "$log/test.tsv" | grep -q $'\timpression_id\t'; then
    for name in v1 v2; do
      printf 'version %s orders the news of an impression with a mean AUC of ' "${name#v}"
      "$fm" predict "$work/$name.fmw" --data "$log/test.tsv" |
        python3 scripts/impression_auc.py "$log/test.tsv" click impression_id
    done
  fi
}

prepare_log
step 'version 1: trained on the first fifth of the log'
train v1 "$work/part.tsv"
step 'version 2: trained on all of it'
train v2 "$log/train.tsv"

[[ -z $s3 ]] || start_s3

step 'publishing version 1 and starting the server'
publish "$work/v1.fmw"
start_server
"$fm" status --target "$target"

step 'Predict: what should this user see?'
"$fm" request --target "$target" --model "$model" --schema "$schema" --data "$log/test.tsv" --row 4 --candidates 200 \
  --top 8

step "load: $rate requests of 200 candidates per second, until the end"
"$fm" load --target "$target" --model "$model" --schema "$schema" --data "$log/test.tsv" --rate "$rate" \
  --until-file "$work/enough" --records "$work/records.tsv" --verify-store "$work/store" --json >"$work/load.json" &
load_pid=$!
sleep 8

step 'hot swap: publishing version 2'
swap_begin=$(now)
publish "$work/v2.fmw"
wait_until 20 is_serving 2 || fail "version 2 does not serve 20 s after it was published"
echo '    version 2 serves'
sleep 2
swap_end=$(now)
sleep 5

step 'a corrupted version 3: one bit flipped, manifest in order'
mkdir -p "$work/staged/$model"
cp "$work/store/$model/CURRENT" "$work/staged/$model/"  # tells the next version's number
"$fm" publish "$work/v2.fmw" --store "$work/staged" --model "$model" --delta-from none >/dev/null
corrupted=$(python3 scripts/publish_corrupted.py "$work/staged" "$work/store" "$model")
[[ -z $s3 ]] || into_s3 models/demo "$work/store" "$model/$(printf '%020d.fmw' "$corrupted")" "$model/CURRENT"
wait_until 20 is_rejected "$corrupted" || fail "version $corrupted was not rejected within 20 s"
is_serving 2 || fail "version 2 no longer serves after a corrupted version was offered"
"$fm" versions --target "$target" --model "$model"
sleep 2

step 'rollback to version 1'
"$fm" rollback --target "$target" --model "$model"
is_serving 1 || fail 'version 1 does not serve after the rollback'
sleep 3

touch "$work/enough"
wait "$load_pid" || fail 'the load generator found wrong predictions, or no answers'
load_pid=''

step 'what the clients saw'
python3 scripts/latency_phases.py "$work/records.tsv" "before=:$swap_begin" "swap=$swap_begin:$swap_end" \
  "after=$swap_end:"
failed=$(field 'o["sent"] - o["ok"]' <"$work/load.json")
field '"%d requests sent, %d failed, %d answered in part, %d checked against the weight file of their version, %d wrong" % (
  o["sent"], o["sent"] - o["ok"], o["partial"], o["verified"], o["wrong"])' <"$work/load.json"

step 'how good the versions are, on the test rows'
quality
[[ $failed == 0 ]] || fail "$failed requests failed: $(field 'o["errors"]' <"$work/load.json")"
[[ $(field 'sorted(o["versions"])' <"$work/load.json") == "['1', '2']" ]] || fail 'another version than 1 and 2 answered'

if [[ -n $keep ]]; then
  step 'the server keeps running'
  cat <<TEXT
    gRPC     $target     try: $fm status --target $target
    HTTP     http://$http/metrics
    files    $work
    stop     kill $server_pid;${s3:+ python3 tests/e2e/s3/radosgw.py stop $work/radosgw;} rm -rf $work
TEXT
  disown "$server_pid"
  kept=yes
else
  step 'done: trained, served, swapped, refused and rolled back, without a failed request'
fi
