"""The instruments, one module a command."""
