"""The book: a static site from the stored notebooks, the ledger of claims and the kept runs.

``context`` reads everything once, ``ledger`` judges the claims, ``pages`` writes what follows from
them through the templates beside it, ``build`` runs Sphinx, ``sphinx_ext`` is what the book adds to
Sphinx, and ``paper`` prints the site. ``readme`` keeps the generated parts of the README.
"""
