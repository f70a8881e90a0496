"""Runs what is to be tried, one after the other, and counts."""

import traceback


class Cases:
    """The cases of one client."""

    def __init__(self, client, version):
        self.client, self.version = client, version
        self.passed, self.failures = 0, []

    def case(self, name, attempt, *arguments):
        try:
            attempt(*arguments)
            self.passed += 1
        except Exception as error:  # noqa: BLE001 - whatever goes wrong is what is to be told
            line = traceback.extract_tb(error.__traceback__)[-1]
            self.failures.append(f"{self.client}: {name}: {type(error).__name__}: {error} ({line.filename}:{line.lineno})")

    def count(self, name, passed, failures):
        """Takes over what a client in another language, or with a report of its own, has counted."""
        self.passed += passed
        self.failures.extend(f"{self.client}: {name}: {failure}" for failure in failures)


def equal(left, right):
    assert left == right, f"{left!r} is not {right!r}"


def within(part, whole):
    assert part in whole, f"{part!r} is not in {whole!r}"


def raises(kind, attempt, **expected):
    """The error of `attempt`, which has to be of exactly this kind and have these attributes."""
    try:
        attempt()
    except kind as error:
        equal(type(error), kind)
        for name, value in expected.items():
            equal(getattr(error, name), value)
        return error
    raise AssertionError(f"no {kind.__name__}")
