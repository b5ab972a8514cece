"""`python -m qsmflow` is `qsmflow`."""

import sys

from qsmflow.cli.main import main

sys.exit(main())
