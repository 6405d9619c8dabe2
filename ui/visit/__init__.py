"""What a visitor has open: the address, the session, uploads and what is cached."""
