#!/bin/sh
# Mount script of the tiny image. Fails if it is asked to, for tests.
set -eu
if [ -n "${MOUNT_SCRIPT_FAILS:-}" ]; then
  echo "$MOUNT_SCRIPT_FAILS" >&2
  exit 3
fi
mkdir -p /var/www
echo "$MONOROOT_NAMESPACE/$MONOROOT_NAME on $MONOROOT_OS:$MONOROOT_VERSION" >/var/www/index.html
echo "SITE_ROOT=/var/www" >>"$MONOROOT_ENV"
