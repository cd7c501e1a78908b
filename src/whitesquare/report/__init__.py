"""Reports: each kind of result has a folder here, and renders what was computed elsewhere.

::

    result --tables, charts, pictures--> page (HTML) | text (terminal) | sarif | junit | markdown
"""
