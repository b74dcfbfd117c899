# Sourced by the scripts of bench/ that compare the processor time of servers: models of random weights, 20 context and 10
# item fields, and a server's configuration.
# shellcheck shell=bash

# publish_random BIN FOLDER MODEL ROWS: weights of about so many rows, made and published by the programs in BIN. In FOLDER:
# store/, MODEL.fmw, and MODEL/ with the rows that requests are made of.
publish_random() {
  mkdir -p "$2/$3"
  "$1/make_weights" --rows "$4" --k 16 --context-fields 20 --item-fields 10 --strings --out "$2/$3.fmw" --data "$2/$3"
  "$1/fm" publish "$2/$3.fmw" --store "$2/store" --model "$3" >/dev/null
}

# publish_random_items BIN FOLDER MODEL: a catalogue for these weights, of the items of the rows; the field f20 is their id.
publish_random_items() {
  cut -f 21-30 "$2/$3/rows.tsv" | awk -F '\t' '!seen[$1]++' >"$2/items.tsv"
  "$1/fm" catalogue build --weights "$2/$3.fmw" --schema "$2/$3/schema.yaml" --data "$2/items.tsv" --id f20 \
    --out "$2/$3.fmc" >"$2/$3.log" 2>&1 || fail "$(tail -n 1 "$2/$3.log")"
  "$1/fm" catalogue publish "$2/$3.fmc" --store "$2/store" --model "$3" >/dev/null
}

# serving_config STORE CACHE TARGET MODEL…: of a server that is late rather than that it leaves candidates out.
serving_config() {
  cat <<YAML
listen: ["$3"]
http_listen: ""
cache_dir: $2
models:
YAML
  printf "  - {name: %s, store: $1, budget_ms: 10000}\n" "${@:4}"
}
