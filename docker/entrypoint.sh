#!/bin/sh
# Says in words what would else be an illegal instruction: the image is made for newer processors.
set -eu
if [ "${ANIMA_TARGET_CPU:-}" = "x86-64-v3" ] && [ -r /proc/cpuinfo ]; then
    for feature in avx2 bmi2 fma f16c movbe; do
        if ! grep -qw "$feature" /proc/cpuinfo; then
            echo "anima: this image needs a processor of level x86-64-v3, and this one has no $feature." >&2
            echo "anima: build it for this machine: docker build --build-arg TARGET_CPU=native -f docker/Dockerfile ." >&2
            exit 1
        fi
    done
fi
exec "$@"
