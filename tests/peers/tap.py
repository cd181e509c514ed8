"""What the tests against peers share: TAP on standard output.  Not a test itself."""
import sys

tests = failures = 0


def ok(good, name, why=""):
    """One assertion; why is shown when it fails."""
    global tests, failures
    tests += 1
    failures += not good
    print(f"{'ok' if good else 'not ok'} {tests} - {name}")
    if why and not good:
        print(f"# {why}")
    sys.stdout.flush()


def skip_all(what):
    """End with status 0 because something is not installed."""
    print(f"1..0 # SKIP {what} is not installed")
    sys.exit(0)


def done():
    """The plan, and the status."""
    print(f"1..{tests}")
    sys.exit(failures > 0)
