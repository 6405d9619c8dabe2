"""One run as a page that needs no network."""
