"""``python -m lodestarctl`` and the ``lodestarctl`` script.

Law: nothing is imported before it is known what for: a prompt asks for ``statusline`` at every line that is typed.
"""

import sys


def main() -> None:
    """Run and exit."""
    words = sys.argv[1:]
    if words[:1] == ["statusline"] and not {"-h", "--help", "--json"} & set(words):
        from lodestarctl import statusline

        sys.exit(statusline.main(words[1:]))
    from lodestarctl import cli

    sys.exit(cli.main())


if __name__ == "__main__":
    main()
