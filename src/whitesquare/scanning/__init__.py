"""The scan: detectors, ranks, class alarms, confirmed triggers, findings."""
