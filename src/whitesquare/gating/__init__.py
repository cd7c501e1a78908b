"""Whether a model may leave: policy and evidence in, verdict out; needs no NumPy.

::

    policy.toml --policy--> Policy ----+
                                       +--rules.decide (pure)--> Verdict --> vsa, report
    RUN folder --collect--> Evidence --+                            |
                                                                    +--release--> folder
"""
