"""Results where a team keeps its runs: figures, settings and files of one verb, as one run of a tracker."""
