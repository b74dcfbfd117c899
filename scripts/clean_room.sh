#!/usr/bin/env bash
# clean_room.sh COMMAND [argument…]: ./run COMMAND, for the last commit, on a Debian 12 that holds nothing but git.
#
# Mounts live in a namespace of their own and processes in another: when this script ends, however it ends, the kernel
# takes both away, and nothing of the host can be deleted through a forgotten mount.
source scripts/common.sh

room=$(realpath -m "${FMSERVE_CLEAN_ROOM:-$build_root/clean-room}")
release=bookworm

# Run again as root inside the namespaces.
if [[ ${FMSERVE_IN_NAMESPACE:-} != 1 ]]; then
  install_packages clean-room
  as_root env FMSERVE_IN_NAMESPACE=1 FMSERVE_CLEAN_ROOM="$room" PATH="$PATH:/usr/sbin:/sbin" \
    unshare --mount --pid --fork --kill-child scripts/clean_room.sh "$@"
  exit
fi

# make_system: the smallest Debian, that uses the package sources, keys and proxy of this machine.
make_system() {
  local mirror proxy path
  # shellcheck disable=SC2016  # apt-get expands it
  mirror=$(apt-get indextargets --format '$(REPO_URI)' "Codename: $release" 'Component: main' 'Created-By: Packages' |
    head -n 1)
  proxy=$(apt-config shell proxy Acquire::http::Proxy)
  eval "${proxy:+export http_proxy=${proxy#proxy=}}"

  say "making Debian $release in $room"
  rm -rf --one-file-system "$room"
  mkdir -p "$room"
  debootstrap --variant=minbase "$release" "$room" "${mirror:-http://deb.debian.org/debian}" >"$room.log" ||
    fail "debootstrap failed: see $room.log"
  if [[ -n $mirror ]]; then
    rm -f "$room/etc/apt/sources.list"
    cp -a /etc/apt/. "$room/etc/apt/"
    cp -an /usr/share/keyrings/. "$room/usr/share/keyrings/"
  fi
  for path in /etc/resolv.conf /etc/hosts; do
    cp -L "$path" "$room$path"
  done
  # Packages with daemons must not start them here.
  printf '#!/bin/sh\nexit 101\n' >"$room/usr/sbin/policy-rc.d"
  chmod +x "$room/usr/sbin/policy-rc.d"
}

mount_system() {
  mount -t proc proc "$room/proc"
  mount -t sysfs -o ro sysfs "$room/sys"
  mount --rbind /dev "$room/dev"
}

# inside COMMAND…: with nothing of our environment but the proxy.
inside() {
  local proxies
  mapfile -t proxies < <(env | grep -iE '^(https?|no)_proxy=' || true)
  chroot "$room" /usr/bin/env -i "${proxies[@]}" HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 \
    DEBIAN_FRONTEND=noninteractive "$@"
}

make_system
mount_system
say "installing git, and nothing else"
inside apt-get update -qq
inside apt-get install -qq -y --no-install-recommends git ca-certificates >/dev/null
say "cloning commit $(git rev-parse --short HEAD)"
git clone --quiet --no-local . "$room/root/fmserve"
inside sh -c 'cd /root/fmserve && exec ./run --yes "$@"' sh "$@"
