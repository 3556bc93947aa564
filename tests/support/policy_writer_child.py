"""Changes a policy file whenever a line comes in: as a whole, or first half of it in place, as a poor editor does.

Arguments: the policy file, and the files with the two policies to alternate between. Prints how often it wrote half.
"""

from __future__ import annotations

import random
import sys
import time
from pathlib import Path


def main() -> None:
    """Until standard input ends."""
    path, *others = map(Path, sys.argv[1:])
    texts = [other.read_text() for other in others]
    beside = path.with_suffix(".new")
    chance, which, halves = random.Random(7), 0, 0
    while sys.stdin.buffer.readline():
        which = 1 - which
        if chance.random() < 0.05:
            halves += 1
            with path.open("w") as file:
                file.write(texts[which][: chance.randrange(len(texts[which]))])
                file.flush()
                time.sleep(0.002)
        beside.write_text(texts[which])
        beside.replace(path)
    print(halves)


if __name__ == "__main__":
    main()
