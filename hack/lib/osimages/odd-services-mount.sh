#!/bin/sh
# Mount script of the images with a supervisor: a page that says what runs here, and a service that serves it, unless the
# customer has services.
set -eu
mkdir -p /var/www
echo "$MONOROOT_NAMESPACE/$MONOROOT_NAME on $MONOROOT_OS:$MONOROOT_VERSION" >/var/www/index.html
if [ -z "$(ls /data/service 2>/dev/null)" ]; then
  mkdir -p /data/service/web
  cat >/data/service/web/run <<'END'
#!/bin/sh
exec 2>&1
exec /usr/sbin/mini_httpd -D -h 0.0.0.0 -p 8080 -d /var/www -u www-data
END
  chmod 755 /data/service/web/run
fi
