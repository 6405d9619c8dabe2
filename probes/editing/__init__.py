"""Changes to a run: the language of edits, and what carries them out."""
