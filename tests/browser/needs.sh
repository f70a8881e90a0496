#!/bin/sh
# Says what the tests of the page lack on this machine, and fails then.
if ! command -v npm >/dev/null; then
    echo "Node is missing (18.20 or newer): apt-get install nodejs npm"
    exit 1
fi
[ -n "$ANIMA_CHROMIUM" ] && exit 0
for name in chromium chromium-browser google-chrome; do
    command -v "$name" >/dev/null && exit 0
done
echo "Chromium is missing: apt-get install chromium, or name another in ANIMA_CHROMIUM"
exit 1
