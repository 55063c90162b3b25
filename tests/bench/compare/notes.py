"""What one must know to read the figures, as the report's last words."""

NOTES = """\
- Each server is one process that does the work (nginx: one worker; LiteLLM: `--num_workers 1`, no database), because
  of two cores the loader and the upstream need the other one. The logs of nginx, Portkey and LiteLLM are as low as
  they go; Lodestar has its cache, its ledger, three budgets and its traces on, and logs warnings.
- nginx and the relay (trio and httptools, `tests/bench/relay.py`) only pass on what they get: they are measures, not
  rivals. *direct* is the upstream itself (`tests/bench/compare/upstream.c`).
- Loaders are processes of their own: wrk (each connection asks as fast as it is answered), h2load (a fixed rate on
  one connection), and `streams.c` for many streams, whose starts are spread over a second.
- Before a row is measured, the answer of each server in it is compared with what the upstream sent; a server whose
  answers fail has no figures in that row.
- In each round every server is loaded once, in one round there and in the next one back. Figures are medians over the
  rounds, spreads the least and the most; ratios are made within a round. A server that can't keep up has one round.
- A turn lasts so long that each connection gets ten answers, or ten seconds: slow servers have longer ones. What is
  under way at a turn's end doesn't count.
- *late* is from the upstream's sending an event to the client's having it.
- A refused upstream is remembered by each in its own manner: nginx and LiteLLM pass it over for a while, Portkey asks
  it each time.
- CPU is the user and system time of all processes of a server, for each answer or event.
- *at the most* is the largest resident memory of each process in the whole run; *an idle connection* is one of a
  thousand that have had an answer each and are kept open.
"""
