"""The structure of the package: import circles, the order of its folders, argument counts and file lengths.

Imports inside functions count like all others.
"""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import grimp
import networkx as nx

import poeem

SOURCE = Path(poeem.__file__).parent
TESTS = Path(__file__).parent

# From the lowest folder to the highest. A folder (or module of the top level) imports from lower lines only.
ORDER = (
    ("metric", "spec", "option"),
    ("functional", "data", "page"),
    ("bundle",),
    ("layers", "engines"),
    ("losses", "towers"),
    ("evaluation",),
    ("baselines",),
    ("training",),
    ("explain", "bench", "integrations"),
    ("serve", "report", "plan"),
    ("cli",),
    ("__main__",),
)

MAX_ARGUMENTS = 10
MAX_LINES = 300


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
        path.relative_to(folder).as_posix()
        for folder in (SOURCE, TESTS)
        for path in folder.rglob("*.py")
        if len(path.read_text(encoding="utf-8").splitlines()) > MAX_LINES
    }


def source_files() -> list[Path]:
    return sorted(SOURCE.rglob("*.py"))


def test_every_folder_has_its_place_in_the_order():
    folders = {folder_of(module) for edge in import_graph().edges for module in edge}
    assert folders <= {name for names in ORDER for name in names}


def test_imports_go_down():
    upward = upward_imports()
    assert not upward, f"imports against the order of the folders: {upward}"


def test_no_import_circles():
    circles = modules_in_circles()
    assert not circles, f"modules that import one another: {sorted(circles)}"


def test_ten_arguments_at_most():
    found = functions_with_many_arguments()
    assert not found, (
        f"more than {MAX_ARGUMENTS} arguments: {sorted(found)}; put what is decided together into a dataclass"
    )


def test_three_hundred_lines_at_most():
    found = long_files()
    assert not found, f"more than {MAX_LINES} lines: {sorted(found)}; split the file by what its parts do"


def test_arguments_are_counted_in_methods_and_nested_functions():
    tree = ast.parse("class A:\n    def f(self, a, /, b, *c, d, **e):\n        def g(x): ...\n")
    assert list(argument_counts(tree)) == [("A.f", 3), ("A.f.g", 1)]
