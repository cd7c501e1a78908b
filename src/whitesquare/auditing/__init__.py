"""What an auditor is told of a run: statements, the files that they rest on, and their verification; needs no NumPy.

::

    RUN folder --gather--> AuditEvidence --compose--> Dossier --> dossier.json, report/dossier (page)
                                                        |
                          dossier.sigstore.json --verify+--> what changed, what is missing
"""
