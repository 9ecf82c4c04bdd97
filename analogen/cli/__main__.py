"""`python -m analogen.cli`: the `analogen` program, for launchers of modules such as accelerate's."""

import sys

from analogen.cli import main

sys.exit(main())
