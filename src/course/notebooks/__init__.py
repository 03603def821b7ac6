"""The notebooks: files and what they store, pairs in sync, digests of code, and the check."""
