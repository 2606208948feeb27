#!/bin/sh
# The browser tests need Chromium; as root on Debian we can install it, elsewhere say how.
set -eu
[ -x /usr/bin/chromium ] && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium
else
    echo "Chromium is not at /usr/bin/chromium: install it (Debian: sudo apt-get install chromium), then run again." >&2
    exit 1
fi
