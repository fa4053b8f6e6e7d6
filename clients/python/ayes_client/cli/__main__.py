"""``python -m ayes_client.cli``."""

import sys

from ayes_client.cli import main

sys.exit(main())
