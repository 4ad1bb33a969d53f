"""The table of docs: every kind of hostile input, all of it."""

import sys

from hostile.common import kinds, tally

SEED = 0


def main(names: list[str]) -> int:
    """Prints a row a kind; the exit status tells whether any input did harm."""
    print("| kind | inputs | read | refused | seconds |")
    print("| --- | --- | --- | --- | --- |")
    harmed = 0
    for name, module in kinds().items():
        if names and name not in names:
            continue
        done = tally(module, module.cases(SEED, module.COUNT))
        row = (done.inputs, done.read, done.refused, round(done.seconds))
        print(f"| {module.TITLE} |", *(f"{x:,} |" for x in row), flush=True)
        harmed += len(done.harm)
        for says in done.harm[:3]:
            print(says, file=sys.stderr)
    return min(harmed, 1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
