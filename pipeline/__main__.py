"""`python -m pipeline STAGE`."""

from pipeline.cli.main import main

raise SystemExit(main())
