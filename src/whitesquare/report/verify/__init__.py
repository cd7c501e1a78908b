"""The report of a verification: text, SARIF and JUnit."""
