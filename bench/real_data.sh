#!/usr/bin/env bash
# Trains on the public data sets in DATA_DIR with the schemas of examples/, evaluates on their test
# files and prints a table: plain and field-weighted FM, beside the figures of other tools' plain and
# field-aware FM. Options (model_options.json) were chosen on the valid files. Seed and one thread make a run repeat itself, so that the f16 and int8 files differ
# from the f32 file in nothing but their encoding.
#
#   bench/real_data.sh [data set …]      default: all
#
# DATA_DIR  where the data sets are (default: ../shared/data beside the repository)
# FM        the fm program (default: build/release/bin/fm)
# OUT_DIR   keeps the weight files (default: a temporary directory)
set -euo pipefail

repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
given=${DATA_DIR:+1} given=${given:-0}  # a folder that was named has to be there
DATA_DIR=${DATA_DIR:-$repository/../shared/data}
FM=${FM:-$repository/build/release/bin/fm}

if [[ ! -d $DATA_DIR ]]; then
  echo "real_data.sh: there is no $DATA_DIR; set DATA_DIR to the folder of the public data sets."
  echo "Nothing was measured."
  exit "$given"
fi
if [[ ! -x $FM ]]; then
  echo "real_data.sh: there is no $FM; ./run build makes it, or set FM" >&2
  exit 1
fi
if [[ -z ${OUT_DIR:-} ]]; then
  OUT_DIR=$(mktemp -d)
  trap 'rm -rf "$OUT_DIR"' EXIT
fi
mkdir -p "$OUT_DIR"

# options_of SET KIND
options_of() {
  python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))[sys.argv[2]][sys.argv[3]])' \
    "$repository/bench/model_options.json" "$1" "$2"
}
sets=("$@")
((${#sets[@]})) || sets=(criteo avazu mind ml-1m ml-100k frappe)

# train_and_evaluate SET KIND OPTIONS: in each quantization
train_and_evaluate() {
  local set=$1 kind=$2 suffix=tsv quantization file
  [[ $set == frappe ]] && suffix=libsvm
  for quantization in f32 f16 int8; do
    file=$OUT_DIR/$set-$kind-$quantization
    echo "training $set, $kind, $quantization" >&2
    # shellcheck disable=SC2086  # the options are words
    "$FM" train --schema "$repository/examples/$set.yaml" --out "$file.fmw" --name "$set" \
      --train "$DATA_DIR/$set/train.$suffix" --valid "$DATA_DIR/$set/valid.$suffix" \
      --epochs 60 --kind "$kind" $3 --quantization $quantization \
      --json > "$file.train.json" 2> "$file.log" || { cat "$file.log" >&2; exit 1; }
    "$FM" eval "$file.fmw" --data "$DATA_DIR/$set/test.$suffix" --json > "$file.test.json"
  done
}

models=()
for set in "${sets[@]}"; do
  if [[ ! -f $repository/examples/$set.yaml ]]; then
    echo "real_data.sh: unknown data set '$set'; there are: criteo avazu mind ml-1m ml-100k frappe" >&2
    exit 2
  fi
  for kind in fm fwfm; do
    train_and_evaluate "$set" "$kind" "$(options_of "$set" "$kind")"
  done
  models+=("$set-fm" "$set-fwfm")
done
python3 "$repository/bench/real_data_table.py" "$OUT_DIR" "${models[@]}"
