"""The maintainer's command line: run, check, sync, data and report."""
