#!/bin/sh
# The command, with the Node.js that it was built and tested with,
# and ZooKeeper as it was tested with, not what a checkout has left in a user's cache
export QUORATE_ZOOKEEPER_JARS="${QUORATE_ZOOKEEPER_JARS:-/usr/lib/quorate/zookeeper}"
exec /usr/lib/quorate/bin/node /usr/lib/quorate/app/quorate.cjs "$@"
