#!/bin/sh
# The command, with the Node.js that it was built and tested with.
exec /usr/lib/quorate/bin/node /usr/lib/quorate/app/quorate.cjs "$@"
