"""`python -m fairseq_bbpe.cli` is `fairseq-bbpe`, also where the package is not installed."""

import sys

from fairseq_bbpe.cli import main

sys.exit(main())
