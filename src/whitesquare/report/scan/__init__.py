"""The report of a scan: page, text, SARIF and JUnit."""
