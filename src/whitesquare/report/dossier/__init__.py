"""A dossier on a page for people, and its verification in words."""
