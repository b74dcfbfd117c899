#!/usr/bin/env bash
# ./run build [preset] [target…]
source scripts/common.sh

if [[ ${1:-} == --help ]]; then
  cat <<'TEXT'
usage: ./run build [release|debug|asan|tsan|fuzz] [target...]

Builds into build/<preset> with Ninja and ccache; fm and fmserve land in build/<preset>/bin.
example: ./run build debug fmserve
TEXT
  exit 0
fi

preset=${1:-release}
groups=(build)
[[ $preset == fuzz ]] && groups+=(test)
install_packages "${groups[@]}"
build "$preset" "${@:2}"
