"""The commands: one file each, with ``run(session) -> exit status``. Imported when asked for."""
