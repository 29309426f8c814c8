"""`python -m lwm2m_fast` is the command line."""

import sys

from lwm2m_fast.cli import main

if __name__ == "__main__":
    sys.exit(main())
