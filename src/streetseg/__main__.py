"""`python -m streetseg` is the command `streetseg`."""

from streetseg.cli import main

raise SystemExit(main())
