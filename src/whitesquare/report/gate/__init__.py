"""The report of a gate: text, Markdown, SARIF and JUnit."""
