#!/bin/sh
# Mount script of the odd images: a page that says what runs here. An image without a shell runs it too.
set -eu
mkdir -p /var/www
echo "$MONOROOT_NAMESPACE/$MONOROOT_NAME on $MONOROOT_OS:$MONOROOT_VERSION" >/var/www/index.html
