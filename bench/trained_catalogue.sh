#!/usr/bin/env bash
# The best K of a million items of a trained model. Trains with k = 64 on a public data set in DATA_DIR, makes a million items
# of its own by drawing the values of each item field independently (bench/blow_up_items.py), so that vectors come from trained
# ones, and measures with bench/trained_topk.cc. Keeps nothing.
#
# DATA_DIR  where the data sets are (default: ../shared/data beside the repository)
cd "$(dirname "${BASH_SOURCE[0]}")/.."
given=${DATA_DIR:+1} given=${given:-0}  # a folder that was named has to be there
source scripts/common.sh

usage() {
  cat <<'TEXT'
usage: bench/trained_catalogue.sh [--data ml-100k|mind] [--items N] [--json FILE]

  --data SET   ml-100k if not given
  --items N    1000000 if not given
  --json FILE  write the figures there too; a relative name is one in the repository
TEXT
}

data=ml-100k items=1000000 json=''
while [[ $# -gt 0 ]]; do
  case $1 in
    --data | --items | --json)
      [[ $# -ge 2 ]] || { usage >&2; exit 2; }
      printf -v "${1#--}" '%s' "$2"
      shift 2 ;;
    --help | -h) usage; exit 0 ;;
    *) usage >&2; exit 2 ;;
  esac
done

# As in bench/real_data.sh, but for k.
case $data in
  ml-100k) columns=movie_id,genres options=(--learning-rate 0.05 --l2-factors 0.1 --l2-linear 0.02) ;;
  mind) columns=news_id,category,subcategory options=(--learning-rate 0.05 --l2-factors 0.001) ;;
  *) usage >&2; exit 2 ;;
esac

folder=${DATA_DIR:-../shared/data}/$data
if [[ ! -d $folder ]]; then
  say "skipped: there is no $folder; set DATA_DIR to the folder of the public data sets. Nothing was measured"
  exit "$given"
fi
bin=${FMSERVE_BUILD:-$build_root/release}/bin
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# One thread and the seed make the weights repeat themselves.
"$bin/fm" train --schema "examples/$data.yaml" --out "$work/model.fmw" --name "$data" --train "$folder/train.tsv" \
  --valid "$folder/valid.tsv" --k 64 --epochs 60 "${options[@]}" --quantization f16 2> "$work/log" ||
  { cat "$work/log" >&2; exit 1; }
combinations=$(bench/blow_up_items.py --columns "$columns" --count "$items" "$folder/train.tsv" "$work/items.tsv")
say "$items items, $combinations of them different"
"$bin/fm" catalogue build --weights "$work/model.fmw" --data "$work/items.tsv" --id item --id-type integer \
  --out "$work/items.fmc" 2> "$work/log" || { cat "$work/log" >&2; exit 1; }
"$bin/trained_topk" --weights "$work/model.fmw" --catalogue "$work/items.fmc" --users "$folder/test.tsv" --user user_id \
  ${json:+--json "$json"}
