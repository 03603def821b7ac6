"""Run notebooks headlessly: plan a batch, execute it, and store every attempt."""
