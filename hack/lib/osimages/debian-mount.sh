#!/bin/sh
# Mount script of the demo's Debian images: runs at each start of a container, before nginx.
# Serves the customer's pages if there are any in /data/www, else a page that says what runs here.
set -eu

escape() { printf '%s' "$1" | sed 's/&/\&amp;/g;s/</\&lt;/g;s/>/\&gt;/g'; }

if [ -d /data/www ]; then
  site=/data/www
else
  site=/var/www/html
  title=$(escape "${SITE_TITLE:-$MONOROOT_NAME}")
  mkdir -p "$site"
  cat >"$site/index.html" <<END
<!doctype html>
<title>$title</title>
<h1>$title</h1>
<p>$(escape "$MONOROOT_NAMESPACE/$MONOROOT_NAME") ($(escape "$MONOROOT_ENVIRONMENT")) on $MONOROOT_OS:$MONOROOT_VERSION</p>
END
fi
echo "root $site;" >/etc/nginx/site.conf
echo "$MONOROOT_OS:$MONOROOT_VERSION" >/etc/motd

echo "SITE_ROOT=$site" >>"$MONOROOT_ENV"
echo "Serving $site"
