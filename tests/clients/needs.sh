#!/bin/sh
# Says what the tests with real clients lack on this machine, and fails then.
if ! python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; then
    echo "Python 3.10 or newer is missing: apt-get install python3 python3-venv"
    exit 1
fi
if ! python3 -c 'import ensurepip, venv' 2>/dev/null; then
    echo "Python's environments are missing: apt-get install python3-venv"
    exit 1
fi
if ! command -v npm >/dev/null; then
    echo "Node is missing: apt-get install nodejs npm"
    exit 1
fi
