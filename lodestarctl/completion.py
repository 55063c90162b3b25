"""Shell completions, generated from the table of commands. Pure.

Law: static text; pressing Tab never starts a program. Names of models and hosts are those that the daemon knew when
the script was made, so it is best made by each shell when it starts.
"""

from collections.abc import Iterable
from typing import NamedTuple

from lodestarctl.table import COMMANDS, GLOBAL_OPTIONS, Command, Option, group_members, is_command


class Names(NamedTuple):
    """What the daemon's models, hosts and aliases are called: letters, digits and ``. _ - : /`` only."""

    models: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()


NO_NAMES = Names()


def write_completion(shell: str, names: Names = NO_NAMES) -> str:
    """The script for ``bash``, ``zsh`` or ``fish``."""
    return {"bash": _bash, "zsh": _zsh, "fish": _fish}[shell](names)


def choices_of(option: Option, names: Names) -> tuple[str, ...]:
    """What may stand there, where that is known."""
    known = {"model": names.models, "host": names.hosts, "alias": names.aliases}
    return known.get(option.kind, option.choices)


def first_words() -> list[str]:
    """What may stand first, in the table's order."""
    return list(dict.fromkeys(command.name.split()[0] for command in COMMANDS))


def groups() -> list[str]:
    """First words that have second ones."""
    return list(dict.fromkeys(command.name.split()[0] for command in COMMANDS if " " in command.name))


def flags_of(options: Iterable[Option]) -> list[str]:
    return [flag for option in options if not option.positional for flag in option.flags]


def words_of(command: Command, names: Names) -> list[str]:
    """What may follow a command's name: its options and the choices of its positionals."""
    choices = [choice for option in command.options if option.positional for choice in choices_of(option, names)]
    return [*choices, *flags_of(command.options), *flags_of(GLOBAL_OPTIONS)]


def _words_after(group: str, names: Names) -> list[str]:
    """What may follow a group's name: its commands, and the options of the one that bears its name alone."""
    own = [word for command in COMMANDS if command.name == group for word in words_of(command, names)]
    return [*group_members(group), *own]


def _takes_file(command: Command) -> bool:
    return any(option.kind == "file" and option.positional for option in command.options)


# bash


def _bash(names: Names) -> str:
    longest_first = sorted(COMMANDS, key=lambda command: command.name.count(" "), reverse=True)
    cases = "\n".join(_bash_case(command, names) for command in longest_first)
    subs = "\n".join(f'    {group}) words="{" ".join(_words_after(group, names))}" ;;' for group in groups())
    values = "\n".join([*(_bash_values(option, names) for option in _choosing(names)), *_bash_free(names)])
    return f"""# bash completion for lodestarctl
_lodestarctl() {{
  local cur prev word command="" words="" free="" index at=$COMP_CWORD
  cur="${{COMP_WORDS[at]}}"
  while ((at > 1)) && [[ ${{COMP_WORDS[at]}} == : || ${{COMP_WORDS[at-1]}} == : ]]; do
    ((at--)); cur="${{COMP_WORDS[at]}}$cur"  # a colon ends a word for bash, but not in a model's name
  done
  prev="${{COMP_WORDS[at-1]}}"
  for ((index = 1; index < at; index++)); do
    word="${{COMP_WORDS[index]}}"
    case "${{COMP_WORDS[index-1]}}" in --socket|--config) continue ;; esac
    [[ $word == -* ]] || command="${{command:+$command }}$word"
  done
  case "$prev" in
    {"|".join(_file_flags())}) COMPREPLY=($(compgen -f -- "$cur")); return ;;
{values}
  esac
  [[ $free ]] || case "$command" in
    "") words="{" ".join([*first_words(), *flags_of(GLOBAL_OPTIONS), "--version", "--help"])}" ;;
{subs}
{cases}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$cur"))
  [[ $at == "$COMP_CWORD" ]] || COMPREPLY=("${{COMPREPLY[@]#"${{cur%"${{cur##*:}}"}}"}}")
}}
complete -F _lodestarctl lodestarctl
"""


def _choosing(names: Names) -> list[Option]:
    """Options that take one of a few values."""
    options = [option for command in COMMANDS for option in command.options if not option.positional]
    return [option for option in options if choices_of(option, names)]


def _bash_free(names: Names) -> list[str]:
    """Options that take what nobody can know: nothing is offered there."""
    options = [option for command in COMMANDS for option in command.options]
    taken = {*flags_of(_choosing(names)), *_file_flags(), *flags_of(each for each in options if each.kind == "flag")}
    free = [flag for flag in dict.fromkeys(flags_of(options)) if flag not in taken]
    return [f"    {'|'.join(free)}) COMPREPLY=(); return ;;"]


def _file_flags() -> list[str]:
    """Options that take a file."""
    options = [*GLOBAL_OPTIONS, *(option for command in COMMANDS for option in command.options)]
    return list(dict.fromkeys(flags_of(option for option in options if option.kind == "file")))


def _bash_values(option: Option, names: Names) -> str:
    choices = " ".join(choices_of(option, names))
    return f'    {"|".join(option.flags)}) words="{choices}"; free=yes ;;'


def _bash_case(command: Command, names: Names) -> str:
    files = ' COMPREPLY=($(compgen -f -- "$cur")); [[ $cur == -* ]] || return;' if _takes_file(command) else ""
    return f'    "{command.name}"*) words="{" ".join(words_of(command, names))}";{files} ;;'


# zsh


def _zsh(names: Names) -> str:
    first = "\n".join(f"    {_zsh_pair(word, _summary(word))}" for word in first_words())
    cases = "\n".join(
        [*(_zsh_group(group, names) for group in groups()), *(_zsh_single(each, names) for each in _singles())]
    )
    return f"""#compdef lodestarctl
_lodestarctl() {{
  local -a commands
  commands=(
{first}
  )
  _arguments -C {_zsh_options(GLOBAL_OPTIONS, names)} '1: :->command' '*:: :->rest'
  case $state in
    command) _describe command commands ;;
    rest)
      case $words[1] in
{cases}
      esac ;;
  esac
}}
compdef _lodestarctl lodestarctl
"""


def _singles() -> list[Command]:
    return [command for command in COMMANDS if " " not in command.name and not group_members(command.name)]


def _summary(word: str) -> str:
    of_group = group_members(word)
    if of_group and not is_command(word):
        return ", ".join(of_group)
    return next(command.summary for command in COMMANDS if command.name == word)


def _zsh_quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def _zsh_pair(word: str, summary: str) -> str:
    return _zsh_quoted(f"{word}:{summary.replace(':', chr(92) + ':')}")


def _zsh_single(command: Command, names: Names) -> str:
    return f"        {_zsh_case(command.name, command, names)}"


def _zsh_case(word: str, command: Command, names: Names) -> str:
    return f"{word}) _arguments {_zsh_options((*command.options, *GLOBAL_OPTIONS), names)} ;;"


def _zsh_group(group: str, names: Names) -> str:
    members = [command for command in COMMANDS if command.name.startswith(f"{group} ")]
    pairs = " ".join(_zsh_pair(command.name.split()[1], command.summary) for command in members)
    cases = "\n".join(f"            {_zsh_case(command.name.split()[1], command, names)}" for command in members)
    own = next((command for command in COMMANDS if command.name == group), None)
    options = f"_arguments {_zsh_options((*own.options, *GLOBAL_OPTIONS), names)}" if own is not None else ":"
    return f"""        {group})
          if (( CURRENT == 2 )) && [[ $PREFIX != -* ]]; then
            local -a members
            members=({pairs})
            _describe command members
          elif [[ $words[2] == -* ]]; then
            {options}
          else
            shift words; (( CURRENT-- ))
            case $words[1] in
{cases}
            esac
          fi ;;"""


def _zsh_options(options: Iterable[Option], names: Names) -> str:
    return " ".join(spec for option in options for spec in _zsh_specs(option, names))


def _zsh_specs(option: Option, names: Names) -> list[str]:
    choices = " ".join(choices_of(option, names)).replace(":", "\\:")
    values = f"({choices})" if choices else "_files" if option.kind == "file" else " "
    if option.positional:
        return [_zsh_quoted(f"*:{option.flags[0]}:{values}")]
    summary = option.help.replace("[", "(").replace("]", ")").replace(":", "\\:")
    tail = "" if option.kind == "flag" else f":value:{values}"
    return [_zsh_quoted(f"{flag}[{summary}]{tail}") for flag in option.flags]


# fish


def _fish(names: Names) -> str:
    lines = ["# fish completion for lodestarctl", "complete -c lodestarctl -f"]
    lines += [_fish_option(option, "", names) for option in GLOBAL_OPTIONS]
    lines += [_fish_word("__fish_use_subcommand", word, _summary(word)) for word in first_words()]
    for command in COMMANDS:
        lines += _fish_command(command, names)
    return "\n".join(lines) + "\n"


def _fish_command(command: Command, names: Names) -> list[str]:
    first, _, second = command.name.partition(" ")
    seen = f"__fish_seen_subcommand_from {first}"
    lines = []
    if second:
        others = " ".join(group_members(first))
        lines.append(_fish_word(f"{seen}; and not __fish_seen_subcommand_from {others}", second, command.summary))
        seen += f"; and __fish_seen_subcommand_from {second}"
    elif members := group_members(first):
        seen += f"; and not __fish_seen_subcommand_from {' '.join(members)}"
    return lines + [_fish_option(option, seen, names) for option in command.options]


def _fish_quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _fish_word(condition: str, word: str, summary: str) -> str:
    return f"complete -c lodestarctl -n {_fish_quoted(condition)} -a {word} -d {_fish_quoted(summary)}"


def _fish_option(option: Option, condition: str, names: Names) -> str:
    parts = ["complete -c lodestarctl"]
    if condition:
        parts.append(f"-n {_fish_quoted(condition)}")
    if option.positional:
        parts.append("-F" if option.kind == "file" else f"-a {_fish_quoted(' '.join(choices_of(option, names)))}")
    else:
        parts += [f"-l {flag[2:]}" if flag.startswith("--") else f"-s {flag[1:]}" for flag in option.flags]
        parts += _fish_value(option, names)
    return " ".join([*parts, f"-d {_fish_quoted(option.help)}"])


def _fish_value(option: Option, names: Names) -> list[str]:
    if option.kind == "flag":
        return []
    if option.kind == "file":
        return ["-r -F"]
    choices = choices_of(option, names)
    return [f"-x -a {_fish_quoted(' '.join(choices))}"] if choices else ["-x"]
