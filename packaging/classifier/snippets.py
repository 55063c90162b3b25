"""Code, diffs, traces, logs and tables by a small grammar of our own: what users paste below what they say."""

import random

NAMES = ("alpha", "rate", "node", "item", "price", "queue", "row", "user", "depth", "seen", "left", "page", "token")
VERBS = ("load", "store", "merge", "scan", "pick", "send", "open", "count", "apply", "drop", "emit", "fold")
OPERATORS = ("+", "-", "*", "%")


def expression(dice: random.Random) -> str:
    return f"{dice.choice(NAMES)} {dice.choice(OPERATORS)} {dice.choice((*NAMES, '1', '2', '10'))}"


def _python(dice: random.Random) -> str:
    name, one, two = dice.choice(VERBS), *dice.sample(NAMES, 2)
    return dice.choice(
        (
            f"def {name}_{one}({one}, {two}):\n    if not {one}:\n        return None\n    return {expression(dice)}\n",
            f"class {name.title()}{one.title()}:\n    def __init__(self, {two}):\n        self.{two} = {two}\n",
            f"for {one} in {two}s:\n    if {one} > {dice.randint(1, 9)}:\n        print({expression(dice)})\n",
            f"with open('{one}.txt') as f:\n    {two} = [int(x) for x in f]\n{one} = sum({two}) / len({two})\n",
            f"async def {name}({one}):\n    async with client.get({one}) as {two}:\n        return await {two}.json()\n",
        )
    )


def _script(dice: random.Random) -> str:
    name, one, two = dice.choice(VERBS), *dice.sample(NAMES, 2)
    return dice.choice(
        (
            f"function {name}({one}, {two}) {{\n  if (!{one}) return null;\n  return {expression(dice)};\n}}\n",
            f"const {one}s = {two}s.filter(x => x.{one} > {dice.randint(0, 9)}).map(x => x.{two});\n",
            f"export const {name} = async ({one}) => {{\n  const {two} = await fetch(`/{one}`);\n  return {two}.json();\n}};\n",
            f"const [{one}, set{one.title()}] = useState({dice.randint(0, 5)});\nuseEffect(() => {{ {name}({one}); }}, []);\n",
            f"interface {one.title()} {{\n  {two}: number;\n  name?: string;\n}}\n",
        )
    )


def _braces(dice: random.Random) -> str:
    name, one, two = dice.choice(VERBS), *dice.sample(NAMES, 2)
    return dice.choice(
        (
            f"public int {name}(int {one}, List<String> {two}) {{\n    return {two}.size() + {one};\n}}\n",
            f"func {name}({one} int) (int, error) {{\n\tif {one} < 0 {{\n\t\treturn 0, errNegative\n\t}}\n\treturn {one}, nil\n}}\n",
            f"fn {name}({one}: &str) -> Option<usize> {{\n    {one}.find('x').map(|{two}| {two} + 1)\n}}\n",
            f"int {name}(char *{one}) {{\n  int {two} = 0;\n  while (*{one}++) {two}++;\n  return {two};\n}}\n",
            f"template <class T> T {name}(const std::vector<T>& {one}) {{ return {one}.empty() ? T{{}} : {one}[0]; }}\n",
            f"def {name}({one})\n  {one}.map {{ |{two}| {two} * 2 }}\nend\n",
            f"${one} = $_GET['{two}'];\necho \"<p>${one}</p>\";\n",
        )
    )


def _other(dice: random.Random) -> str:
    one, two = dice.sample(NAMES, 2)
    return dice.choice(
        (
            f"SELECT {one}, count(*) FROM {two}s GROUP BY {one};\n",
            f".{one} {{ display: flex; margin: {dice.randint(1, 20)}px; }}\n",
            f'<div class="{one}">\n  <span>{two}</span>\n</div>\n',
            f'#!/bin/bash\nfor f in *.{one[:3]}; do\n  mv "$f" {two}/\ndone\n',
            f'{one}:\n  image: {two}:latest\n  ports: ["80{dice.randint(10, 99)}:80"]\n',
            f'resource "{one}" "{two}" {{\n  count = {dice.randint(1, 4)}\n}}\n',
        )
    )


def code(dice: random.Random) -> str:
    """A few lines of some language, fenced as often as not."""
    make = dice.choice((_python, _python, _script, _script, _braces, _braces, _other))
    text = "".join(make(dice) for _ in range(dice.choice((1, 1, 1, 2, 3))))
    return f"```{dice.choice(('', '', 'python', 'js', 'java', 'go'))}\n{text}```" if dice.random() < 0.5 else text


def oneliner(dice: random.Random) -> str:
    one, two = dice.sample(NAMES, 2)
    return dice.choice(
        (
            f"{one} = [{two} for {two} in {one}s if {two}]",
            f"const {one} = ({two}) => {two} ?? 0",
            f"{one} += {two} << 2;",
            f"if ({one} == {two}) return;",
            f"let {one} = {two}.iter().max();",
            f"def {one}({two}): return {expression(dice)}",
            f"{one} := <-{two}",
        )
    )


def diff(dice: random.Random) -> str:
    file = f"{dice.choice(NAMES)}/{dice.choice(NAMES)}.{dice.choice(('py', 'ts', 'go', 'rb', 'java', 'css'))}"
    one, two = dice.sample(NAMES, 2)
    body = (
        f"-{expression(dice)}\n+{expression(dice)}\n"
        if dice.random() < 0.5
        else f"-    {one} = {two}\n+    {one} = {two} or 0\n"
    )
    if dice.random() < 0.3:
        return body
    start = dice.randint(1, 200)
    return f"diff --git a/{file} b/{file}\n--- a/{file}\n+++ b/{file}\n@@ -{start},4 +{start},5 @@\n {one}\n{body}"


def trace(dice: random.Random) -> str:
    one, two, three = dice.sample(NAMES, 3)
    line = dice.randint(3, 400)
    return dice.choice(
        (
            f'Traceback (most recent call last):\n  File "{one}.py", line {line}, in <module>\n    {two}({three})\n'
            f"  File \"{two}.py\", line {line + 9}, in {two}\n    return {three}[0]\nTypeError: 'int' object is not subscriptable\n",
            f'Exception in thread "main" java.lang.IllegalStateException: {one}\n\tat com.shop.{two.title()}.{three}({two.title()}.java:{line})\n'
            f"\tat com.shop.Main.main(Main.java:12)\n",
            f"TypeError: Cannot read property '{one}' of null\n    at {two} ({three}.js:{line}:7)\n    at Object.<anonymous> (index.js:3:1)\n",
            f"{one}.c:{line}:5: error: '{two}' undeclared (first use in this function)\nmake: *** [all] Error 1\n",
            f"panic: {one}: {two} failed\n\ngoroutine 1 [running]:\nmain.{three}()\n\t/src/{three}.go:{line}\n",
            f"FAILED tests/test_{one}.py::test_{two} - AssertionError: assert {line} == {line + 1}\n",
        )
    )


def log(dice: random.Random) -> str:
    lines = [
        f"2025-0{dice.randint(1, 9)}-1{dice.randint(0, 9)} 0{dice.randint(0, 9)}:{dice.randint(10, 59)}:07 "
        f"{dice.choice(('INFO', 'WARN', 'ERROR'))} {dice.choice(NAMES)} {dice.choice(VERBS)} took {dice.randint(1, 900)} ms"
        for _ in range(dice.randint(2, 5))
    ]
    return "\n".join(lines)


def rows(dice: random.Random) -> str:
    one, two, three = dice.sample(NAMES, 3)
    lines = [f"{dice.choice(VERBS)},{dice.randint(1, 99)},{dice.randint(1, 999)}" for _ in range(dice.randint(2, 5))]
    if dice.random() < 0.5:
        return "\n".join([f"{one},{two},{three}", *lines])
    return "\n".join(
        [
            f"| {one} | {two} | {three} |",
            "|---|---|---|",
            *("| " + " | ".join(line.split(",")) + " |" for line in lines),
        ]
    )


def sum_of(dice: random.Random) -> str:
    return f"{dice.randint(2, 99)} {dice.choice(('+', '-', '*', '/', 'times', 'divided by'))} {dice.randint(2, 99)}"


def equation(dice: random.Random) -> str:
    return dice.choice(
        (
            f"{dice.randint(2, 9)}x + {dice.randint(2, 30)} = {dice.randint(31, 90)}",
            f"x^2 - {dice.randint(3, 9)}x + {dice.randint(1, 8)} = 0",
            f"{dice.randint(2, 5)}y - 4 = {dice.randint(5, 50)}",
            f"|x - {dice.randint(1, 5)}| < {dice.randint(2, 6)}",
        )
    )


def function(dice: random.Random) -> str:
    return dice.choice(
        (
            f"f(x) = x^{dice.randint(2, 5)} + {dice.randint(2, 9)}x",
            f"sin({dice.randint(2, 5)}x) cos(x)",
            f"e^({dice.randint(2, 4)}x) / x",
            f"sqrt(x^2 + {dice.randint(1, 9)})",
            f"ln(x) * x^{dice.randint(2, 4)}",
        )
    )


MADE = {
    "code": code, "oneliner": oneliner, "diff": diff, "trace": trace, "log": log, "rows": rows, "sum": sum_of,
    "equation": equation, "function": function,
}  # fmt: skip
"""The slots that are made rather than chosen."""
