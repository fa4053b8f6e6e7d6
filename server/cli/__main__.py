"""``python -m server.cli``: the same as the command ``ayes``."""

import sys

from server.cli.main import main

sys.exit(main())
