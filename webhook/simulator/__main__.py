"""Entry of `python -m webhook.simulator`."""

import sys

from webhook.simulator.command_line import main

if __name__ == "__main__":
    sys.exit(main())
