#!/bin/sh
# The service of a tiny image that was built with --broken.
echo '/etc/tiny.conf: line 3: unknown directive "lissen"' >&2
exit 1
