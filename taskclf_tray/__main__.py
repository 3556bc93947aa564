"""`python -m taskclf_tray` is the command `taskclf-tray`."""

from taskclf_tray.cli.main import main

raise SystemExit(main())
