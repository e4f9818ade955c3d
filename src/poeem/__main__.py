"""``python -m poeem``."""

import sys

from poeem.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
