"""Completion scripts for shells, made from the parser, so that they always fit it."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import NamedTuple

SHELLS = ("bash", "zsh", "fish")
#: Options whose value is a file.
FILES = frozenset({"--token-file", "--csv"})


class Word(NamedTuple):
    """A word to complete, and its help."""

    text: str
    help: str
    takes_value: bool = False


def script(parser: argparse.ArgumentParser, shell: str) -> str:
    """Return the completion script of ``parser`` for ``shell``, to be sourced."""
    verbs = _verbs(parser)
    options = list(_words(parser))
    made = {"bash": _bash, "zsh": _zsh, "fish": _fish}[shell](parser.prog, verbs, options)
    return "\n".join(made) + "\n"


_Verbs = dict[str, tuple[str, list[Word]]]


def _verbs(parser: argparse.ArgumentParser) -> _Verbs:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            helps = {choice.dest: choice.help or "" for choice in action._choices_actions}
            return {
                name: (helps.get(name, ""), list(_words(sub)))
                for name, sub in action.choices.items()
            }
    return {}


def _words(parser: argparse.ArgumentParser) -> Iterator[Word]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            continue
        help = (action.help or "").replace("%%", "%")
        if action.option_strings:
            yield Word(max(action.option_strings, key=len), help, action.nargs != 0)
        elif action.choices is not None:
            yield from (Word(str(choice), "") for choice in action.choices)


def _function(prog: str) -> str:
    return "_" + prog.replace("-", "_")


def _bash(prog: str, verbs: _Verbs, options: list[Word]) -> Iterator[str]:
    name = _function(prog)
    files = "|".join(sorted(FILES))
    valued = sorted(
        {w.text for _, words in verbs.values() for w in words if w.takes_value} - set(FILES)
    )
    valued = [text for text in valued if text.startswith("-")]
    yield f"# bash completion of {prog}: source <({prog} completion bash)"
    yield f"{name}() {{"
    yield "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}"
    yield "    local verb= word words="
    yield "    case $prev in"
    yield f'        {files}) COMPREPLY=($(compgen -f -- "$cur")); return ;;'
    yield f"        {'|'.join(valued)}) COMPREPLY=(); return ;;"
    yield "    esac"
    yield '    for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do'
    yield "        case $word in"
    yield f"            {'|'.join(verbs)}) verb=$word; break ;;"
    yield "        esac"
    yield "    done"
    yield "    case $verb in"
    for verb, (_, words) in verbs.items():
        yield f"        {verb}) words='{' '.join(word.text for word in words)}' ;;"
    top = [*verbs, *(word.text for word in options)]
    yield f"        *) words='{' '.join(top)}' ;;"
    yield "    esac"
    yield '    COMPREPLY=($(compgen -W "$words" -- "$cur"))'
    yield "}"
    yield f"complete -F {name} {prog}"


def _zsh(prog: str, verbs: _Verbs, options: list[Word]) -> Iterator[str]:
    name = _function(prog)
    yield f"#compdef {prog}"
    yield f"# zsh completion of {prog}: source <({prog} completion zsh), after compinit"
    yield f"{name}() {{"
    yield "    local context state line"
    yield "    local -a verbs"
    yield "    verbs=("
    for verb, (help, _) in verbs.items():
        yield f"        {_quoted(f'{verb}:{help}')}"
    yield "    )"
    yield "    _arguments -C \\"
    for word in options:
        yield f"        {_argument(word)} \\"
    yield "        '1: :->verb' '*:: :->rest'"
    yield "    case $state in"
    yield "        verb) _describe command verbs ;;"
    yield "        rest)"
    yield "            case $line[1] in"
    for verb, (_, words) in verbs.items():
        options_of = [_argument(word) for word in words if word.text.startswith("-")]
        choices = [word.text for word in words if not word.text.startswith("-")]
        if choices:
            options_of.append(_quoted(f"*: :({' '.join(choices)})"))
        yield f"                {verb}) _arguments {' '.join(options_of)} ;;"
    yield "            esac ;;"
    yield "    esac"
    yield "}"
    yield f"compdef {name} {prog}"


def _argument(word: Word) -> str:
    help = word.help.replace("[", "(").replace("]", ")").replace(":", "\\:")
    value = (":file:_files" if word.text in FILES else ":value: ") if word.takes_value else ""
    return _quoted(f"{word.text}[{help}]{value}")


def _fish(prog: str, verbs: _Verbs, options: list[Word]) -> Iterator[str]:
    yield f"# fish completion of {prog}: {prog} completion fish | source"
    yield f"complete -c {prog} -f"
    for word in options:
        yield f"complete -c {prog} {_fish_word(word)}"
    for verb, (help, _) in verbs.items():
        yield f"complete -c {prog} -n __fish_use_subcommand -a {verb} -d {_fish_quoted(help)}"
    for verb, (_, words) in verbs.items():
        for word in words:
            seen = f"-n '__fish_seen_subcommand_from {verb}'"
            yield f"complete -c {prog} {seen} {_fish_word(word)}"


def _fish_word(word: Word) -> str:
    if not word.text.startswith("-"):
        return f"-a {word.text}"
    value = (" -r -F" if word.text in FILES else " -x") if word.takes_value else ""
    return f"-l {word.text.lstrip('-')}{value} -d {_fish_quoted(word.help)}"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def _fish_quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
