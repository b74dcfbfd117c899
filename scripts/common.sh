# Sourced by the scripts behind ./run, which start in the repository root.
# shellcheck shell=bash
set -euo pipefail

build_root=${FMSERVE_BUILD_ROOT:-build}

# A fresh clone finds in ccache what another checkout compiled.
export CCACHE_BASEDIR=$PWD CCACHE_NOHASHDIR=1 CCACHE_SLOPPINESS=pch_defines,time_macros

say() { printf '==> %s\n' "$*"; }

fail() {
  printf 'run: %s\n' "$*" >&2
  exit 1
}

as_root() {
  if [[ $(id -u) == 0 ]]; then "$@"; else sudo "$@"; fi
}

# install_packages GROUP…: what is missing of these groups of packages.txt.
install_packages() {
  local wanted missing=() package
  wanted=$(awk -v groups=" $* " 'index(groups, " " $1 " ") { for (i = 2; i <= NF; ++i) print $i }' scripts/packages.txt)
  for package in $wanted; do
    [[ $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) == installed ]] || missing+=("$package")
  done
  [[ ${#missing[@]} -gt 0 ]] || return 0

  if [[ -z ${FMSERVE_YES:-} && ${CI:-} != true ]]; then
    [[ -t 0 ]] || fail "missing packages: ${missing[*]}; run again with --yes to install them"
    read -r -p "Install ${missing[*]} with apt-get? [y/N] " answer
    [[ $answer == [yY]* ]] || fail "stopped: these packages are needed"
  fi
  say "installing ${#missing[@]} packages with apt-get: ${missing[*]}"
  as_root apt-get update -qq
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "${missing[@]}" >/dev/null
}

# configure PRESET: the release build, which compiles everything, takes warnings for errors. The sanitizers' does not: g++
# warns of what it inserted itself.
configure() {
  local werror=OFF
  [[ $1 != release ]] || werror=ON
  say "configuring $build_root/$1"
  cmake --preset "$1" -B "$build_root/$1" -DFMSERVE_WERROR=$werror --log-level=NOTICE >/dev/null
}

# build PRESET [TARGET…]: progress on a terminal, else silence unless something fails.
build() {
  local preset=$1 quiet=()
  shift
  configure "$preset"
  [[ -t 1 ]] || quiet=(--quiet)
  say "building $build_root/$preset${*:+: $*}"
  ninja -C "$build_root/$preset" "${quiet[@]}" "$@"
}

sources() { git ls-files --cached --others --exclude-standard -- '*.cc' '*.h'; }
