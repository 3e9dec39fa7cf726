#!/bin/sh
# The tiny image's service. A process with PID 1 ignores SIGTERM unless it handles it, and httpd does not.
trap 'kill $!; exit 0' TERM INT
httpd -f -p "${PORT:-8080}" -h /var/www &
echo "Serving on port ${PORT:-8080}"
wait $!
