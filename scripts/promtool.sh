#!/bin/sh
# promtool: put Prometheus's `promtool` into .tools/, so that the tests run the alert rules instead of only reading them.
#
# It is taken out of Debian's package without installing it: no daemon, no root. Where that cannot be done the tests say so and go on,
# hence this never fails.
set -u
cd "$(dirname "$0")/.." || exit 0

say() { printf 'setup: %s\n' "$*"; }

if command -v promtool >/dev/null 2>&1 || [ -x .tools/promtool ]; then exit 0; fi
if ! command -v apt-get >/dev/null 2>&1 || ! command -v dpkg >/dev/null 2>&1; then
    say "promtool is not here (it comes with Prometheus): the alert rules are read by the tests, not run"
    exit 0
fi

work=$(mktemp -d) || exit 0
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
if (cd "$work" && apt-get download -q prometheus >/dev/null 2>&1 && dpkg -x prometheus_*.deb unpacked) && [ -x "$work/unpacked/usr/bin/promtool" ]; then
    mkdir -p .tools
    # the name appears only when all of the file is there
    mv "$work/unpacked/usr/bin/promtool" .tools/promtool.new && mv .tools/promtool.new .tools/promtool
    say "promtool is in .tools/: the tests run the alert rules"
else
    say "promtool could not be downloaded: the alert rules are read by the tests, not run"
fi
