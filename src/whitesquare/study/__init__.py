"""What repeats the line from poison to measure: an experiment, a bench, a drill."""
