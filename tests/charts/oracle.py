"""Answers questions about Helm: one JSON object a line in, one a line out.

Started by helm.rs with the folder of the packages as its argument; lives as long as its standard input.
"""

import json
import sys

sys.path.insert(0, sys.argv[1])

import helm_python as helm  # noqa: E402  (the path above comes first)


def render(question):
    with helm.Chart.load(question["chart"]) as chart:
        return chart.render(
            question["values"], name=question["name"], namespace=question["namespace"]
        )


def merge(question):
    with helm.Chart.load(question["chart"]) as chart:
        return chart.merge_values(question["values"])


ANSWERS = {
    "render": render,
    "merge": merge,
    "lint": lambda question: helm.lint(question["chart"], question["values"]),
    "set": lambda question: helm.parse_set_string(question["expression"]),
    "set-string": lambda question: helm.parse_set_string_values(question["expression"]),
    "version": lambda _: helm.helm_sdk_version(),
}

for line in sys.stdin:
    question = json.loads(line)
    try:
        answer = {"ok": ANSWERS[question["ask"]](question)}
    except helm.HelmError as error:
        answer = {"error": str(error)}
    print(json.dumps(answer), flush=True)
