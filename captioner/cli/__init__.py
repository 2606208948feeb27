"""The command line's subcommands, one module each.

A subcommand module offers `add_flags(parser)` and `run(arguments) -> exit status`; its line in `captioner.__main__`
names it and gives its help. Modules are imported only when their subcommand is asked for.
"""
