"""The maintainer's command line: run, check, sync, data and report."""

import sys

# nbformat imports jsonschema, which imports this parser of addresses if it can, and that takes
# longer than all other imports together. Nothing here checks the form of an address.
sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]
