"""What no table of the code tells: what the programs read from their environment, their files, their signals.

A test holds the names against the code.
"""

CTL_ENVIRONMENT = (
    ("LODESTAR_SOCKET", "The control socket, before all other places."),
    ("XDG_RUNTIME_DIR", "Where a user's own daemon has its control socket."),
    ("XDG_STATE_HOME", "Where that socket is instead, without XDG_RUNTIME_DIR; otherwise ~/.local/state."),
    ("HOME", "Where that is."),
    ("XDG_CONFIG_HOME", "Where setup puts a user's own configuration; otherwise ~/.config."),
    ("OLLAMA_HOST", "Where setup looks for this machine's own Ollama server."),
    ("NO_COLOR", "Anything: no colours."),
    ("TERM", "Where it is dumb: no colours, no progress line, no dashboard."),
    ("COLUMNS", "The terminal's width, where it can't be asked."),
)
DAEMON_ENVIRONMENT = (
    ("XDG_CONFIG_HOME", "Where a user's own configuration is; otherwise ~/.config."),
    ("XDG_STATE_HOME", "Where a user's own databases are; otherwise ~/.local/state."),
    ("XDG_RUNTIME_DIR", "Where a user's own control socket is."),
    ("HOME", "What ~/ in the configuration stands for."),
    ("STATE_DIRECTORY", "Where systemd says that the databases are (StateDirectory=)."),
    ("CREDENTIALS_DIRECTORY", "Where systemd has put the credentials that the configuration names."),
    ("NOTIFY_SOCKET", "Whom systemd wants to be told that lodestard is ready, reloads or stops."),
    ("WATCHDOG_USEC", "How often systemd wants to hear of it."),
    ("WATCHDOG_PID", "Of which process."),
    ("LISTEN_FDS", "How many sockets systemd hands over."),
    ("LISTEN_PID", "To which process."),
    ("LISTEN_FDNAMES", "What they are for: proxy, proxy-tls or control."),
    ("JOURNAL_STREAM", "Whether standard error is the journal: then records have their fields."),
    ("LODESTAR_OWN_SOCKETS", "Set by lodestard for itself when it begins anew."),
)
DAEMON_SIGNALS = (
    ("SIGTERM", "Takes no new connections, finishes answers under way for up to server.drain_s, and exits."),
    ("SIGINT", "The same. A second one of either stops at once."),
    ("SIGURG", "The SIGTERM that follows is a restart's: answers have server.restart_drain_s."),
    ("SIGHUP", "Reads the configuration anew: it is taken in whole or, where it has faults, not at all."),
)
FILES = (
    ("/etc/lodestard/lodestard.toml", "The system's configuration."),
    ("/etc/lodestard/conf.d/*.toml", "What is laid over it, in the order of the names."),
    ("/etc/lodestard/conf.d/90-lodestarctl.toml", "What lodestarctl has changed."),
    ("~/.config/lodestard/lodestard.toml", "The configuration of a user's own daemon."),
    ("/var/lib/lodestard", "The system's databases: ledger.db is the money, cache.db may be deleted."),
    ("~/.local/state/lodestard", "Those of a user's own daemon."),
    ("/run/lodestard.sock", "The system's control socket."),
    ("/run/lodestard/statusline.json", "Today's figures for lodestarctl statusline."),
    ("/usr/share/doc/lodestard", "More to read."),
)
CTL_FILES = tuple(fact for fact in FILES if "lodestard.toml" not in fact[0] and "conf.d/*" not in fact[0])
DAEMON_EXITS = (
    ("EXIT_OK", "It was told to stop; or what --check, --doctor or --verify-ledger looked at is right."),
    ("EXIT_FAILURE", "It could not start or go on; or the ledger does not add up, or --doctor has found an error."),
    ("EXIT_USAGE", "The command line can't be understood."),
    (
        "EXIT_CONFIG",
        "The configuration has faults, or systemd's Python package is missing; systemd tries no second time.",
    ),
    ("EXIT_INTERRUPTED", "It was interrupted."),
)
