"""The command line that talks to lodestard over its Unix socket."""
