#!/bin/sh
# Says in words what would else be an illegal instruction: the image is made for newer processors.
# The names are those of /proc/cpuinfo: lzcnt is called abm there, and osxsave shows in avx.
set -eu
if [ "${ANIMA_TARGET_CPU:-}" = "x86-64-v3" ] && [ -r /proc/cpuinfo ]; then
    for feature in avx avx2 bmi1 bmi2 fma f16c abm movbe; do
        if ! grep -qw "$feature" /proc/cpuinfo; then
            echo "anima: this image needs a processor of level x86-64-v3, and this one has no $feature." >&2
            echo "anima: build it for this machine: docker build --build-arg TARGET_CPU=native -f docker/Dockerfile ." >&2
            exit 1
        fi
    done
fi
exec "$@"
