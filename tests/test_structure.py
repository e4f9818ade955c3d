"""The structure of the package: import circles, the order of its folders, argument counts and file lengths.

Imports inside functions count like all others. The ``NOT_YET_...`` lists hold what breaks a rule today; an entry that
breaks it no longer must be removed.
"""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import grimp
import networkx as nx
import pytest

import poeem

SOURCE = Path(poeem.__file__).parent

# From the lowest folder to the highest. A folder (or module of the top level) imports from lower lines only.
ORDER = (
    ("metric", "spec", "option"),
    ("functional", "data"),
    ("bundle",),
    ("layers", "engines"),
    ("losses", "towers"),
    ("evaluation",),
    ("baselines",),
    ("training",),
    ("explain", "bench"),
    ("cli",),
    ("__main__",),
)

MAX_ARGUMENTS = 10
MAX_LINES = 300

# Pairs of folders, "from -> to", whose imports go up.
NOT_YET_ORDER: set[str] = set()
# Files that import one another in a circle.
NOT_YET_CIRCLES: set[str] = set()
# Functions with more than ten arguments, as "file:function".
NOT_YET_ARGUMENTS: set[str] = set()
# Files of more than 300 lines.
NOT_YET_LINES: set[str] = set()


@cache
def import_graph() -> nx.DiGraph:
    """The imports between modules of the package; the package itself, which re-exports names, is left out."""
    imports = grimp.build_graph("poeem", cache_dir=None)
    graph = nx.DiGraph()
    for module in imports.modules:
        for imported in imports.find_modules_directly_imported_by(module):
            if "poeem" not in (module, imported):
                graph.add_edge(module, imported)
    return graph


def folder_of(module: str) -> str:
    return module.split(".")[1]


def upward_imports() -> dict[str, tuple[str, str]]:
    """An example of each pair of folders whose imports break `ORDER`."""
    place = {name: height for height, names in enumerate(ORDER) for name in names}
    return {
        f"{folder_of(module)} -> {folder_of(imported)}": (module, imported)
        for module, imported in import_graph().edges
        if folder_of(module) != folder_of(imported) and place[folder_of(module)] <= place[folder_of(imported)]
    }


def modules_in_circles() -> set[str]:
    return {
        module for circle in nx.strongly_connected_components(import_graph()) if len(circle) > 1 for module in circle
    }


def functions_with_many_arguments() -> set[str]:
    return {
        f"{path.relative_to(SOURCE).as_posix()}:{name}"
        for path in source_files()
        for name, count in argument_counts(ast.parse(path.read_text(encoding="utf-8")))
        if count > MAX_ARGUMENTS
    }


def argument_counts(tree: ast.AST, inside: str = "") -> Iterator[tuple[str, int]]:
    """Functions and methods with their number of arguments, ``self`` and ``cls`` not counted."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            listed = node.args
            names = [argument.arg for argument in listed.posonlyargs + listed.args + listed.kwonlyargs]
            yield f"{inside}{node.name}", len([name for name in names if name not in ("self", "cls")])
        named = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        yield from argument_counts(node, f"{inside}{node.name}." if named else inside)


def long_files() -> set[str]:
    return {
        path.relative_to(SOURCE).as_posix()
        for path in source_files()
        if len(path.read_text(encoding="utf-8").splitlines()) > MAX_LINES
    }


def source_files() -> list[Path]:
    return sorted(SOURCE.rglob("*.py"))


def test_every_folder_has_its_place_in_the_order():
    folders = {folder_of(module) for edge in import_graph().edges for module in edge}
    assert folders <= {name for names in ORDER for name in names}


def test_imports_go_down():
    upward = upward_imports()
    new = {pair: example for pair, example in upward.items() if pair not in NOT_YET_ORDER}
    assert not new, f"imports against the order of the folders: {new}"


def test_no_import_circles():
    new = modules_in_circles() - NOT_YET_CIRCLES
    assert not new, f"modules that import one another: {sorted(new)}"


def test_ten_arguments_at_most():
    new = functions_with_many_arguments() - NOT_YET_ARGUMENTS
    assert not new, f"more than {MAX_ARGUMENTS} arguments: {sorted(new)}; put what is decided together into a dataclass"


def test_three_hundred_lines_at_most():
    new = long_files() - NOT_YET_LINES
    assert not new, f"more than {MAX_LINES} lines: {sorted(new)}; split the file by what its parts do"


@pytest.mark.parametrize(
    ("listed", "found"),
    [
        (NOT_YET_ORDER, lambda: set(upward_imports())),
        (NOT_YET_CIRCLES, modules_in_circles),
        (NOT_YET_ARGUMENTS, functions_with_many_arguments),
        (NOT_YET_LINES, long_files),
    ],
    ids=["order", "circles", "arguments", "lines"],
)
def test_the_lists_hold_nothing_that_keeps_the_rule_already(listed, found):
    done = listed - found()
    assert not done, f"these keep the rule now, remove them from the list: {sorted(done)}"


def test_arguments_are_counted_in_methods_and_nested_functions():
    tree = ast.parse("class A:\n    def f(self, a, /, b, *c, d, **e):\n        def g(x): ...\n")
    assert list(argument_counts(tree)) == [("A.f", 3), ("A.f.g", 1)]
