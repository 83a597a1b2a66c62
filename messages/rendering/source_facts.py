"""What the source of a template says: the fields of a Message that it reads, and whether its work is linear.

Read from the syntax trees of a part and of everything that it extends, includes or imports.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Any

from jinja2 import TemplateError as JinjaError
from jinja2 import nodes
from jinja2.environment import Environment
from jinja2.filters import FILTERS as JINJA_FILTERS
from jinja2.meta import find_referenced_templates

# fmt: off
#: Filters of Jinja whose time and output grow no faster than their input, whatever their arguments.
_LINEAR_FILTERS = frozenset(
    ("abs", "capitalize", "count", "d", "default", "e", "escape", "first", "float", "int", "last", "length",
     "list", "lower", "reverse", "round", "safe", "sort", "string", "striptags", "title", "tojson", "trim",
     "truncate", "unique", "upper", "wordcount")
)
#: Filters that accept any text.
_TEXT_FILTERS = frozenset(
    ("capitalize", "count", "d", "default", "e", "escape", "length", "lower", "paragraphs", "string",
     "striptags", "title", "trim", "truncate", "upper")
)
# fmt: on
#: Operators that make much out of little: `"-" * message.count`, `"%9999999d" % 1`, `9 ** 9 ** 9`.
_MULTIPLYING = (nodes.Mul, nodes.Pow, nodes.Mod)

#: Names of the context, as the Message spells them.
_ROOTS = {"lead": "lead", "salesRep": "salesRep", "sales_rep": "salesRep", "agent": "agent", "text": "text"}


@dataclass(frozen=True, slots=True, eq=False)
class SourceFacts:
    """What is known of parts, with all the files that they use."""

    is_linear: bool = True  #: its work grows no faster than the Message, without limit by a number in it
    reads_everything: bool = False  #: `message` is used as a whole, or a file is named by an expression
    fields: frozenset[str] = (
        frozenset()
    )  #: fields of the Message that are read; `lead` and the like for objects
    attributes: frozenset[str] = frozenset()  #: every attribute name and key that is written anywhere
    any_text: bool = True  #: no use of `text` can fail, whatever the text
    files: frozenset[str] = frozenset()

    def __or__(self, other: "SourceFacts") -> "SourceFacts":
        return SourceFacts(
            self.is_linear and other.is_linear,
            self.reads_everything or other.reads_everything,
            self.fields | other.fields,
            self.attributes | other.attributes,
            self.any_text and other.any_text,
            self.files | other.files,
        )


#: What is assumed of a file that cannot be read or parsed, or is not known beforehand.
UNKNOWN = SourceFacts(is_linear=False, reads_everything=True, any_text=False)


def facts_of(environment: Environment, name: str) -> SourceFacts:
    """Read the part `name` and the files that it uses."""
    trees: dict[str, nodes.Template | None] = {}
    references: dict[str, frozenset[str | None]] = {}
    waiting = [name]
    while waiting:
        file = waiting.pop()
        if file not in trees:
            trees[file] = tree = _tree(environment, file)
            references[file] = frozenset(find_referenced_templates(tree)) if tree else frozenset()
            waiting += [reference for reference in references[file] if reference]
    facts = reduce(SourceFacts.__or__, (_facts(environment, tree, trees) for tree in trees.values()))
    if any(None in some for some in references.values()):
        facts |= UNKNOWN
    if _has_cycle(name, references, ()):
        facts |= SourceFacts(is_linear=False)
    return facts | SourceFacts(files=frozenset(trees))


def _tree(environment: Environment, file: str) -> nodes.Template | None:
    try:
        source = environment.loader.get_source(environment, file)[0]  # type: ignore[union-attr]
        return environment.parse(source, file)
    except (JinjaError, ValueError, OSError):
        return None


def _has_cycle(file: str, references: Mapping[str, frozenset[str | None]], above: tuple[str, ...]) -> bool:
    if file in above:
        return True
    below = [reference for reference in references.get(file, ()) if reference]
    return any(_has_cycle(reference, references, (*above, file)) for reference in below)


def _facts(
    environment: Environment, tree: nodes.Template | None, trees: Mapping[str, nodes.Template | None]
) -> SourceFacts:
    if tree is None:
        return UNKNOWN
    macros = {macro.name for one in trees.values() if one for macro in one.find_all(nodes.Macro)}
    whole, fields, any_text = _reads(tree)
    return SourceFacts(
        is_linear=not any(_is_excessive(environment, node, macros) for node in _below(tree)),
        reads_everything=whole,
        fields=fields,
        attributes=frozenset(_attributes(tree)),
        any_text=any_text,
    )


def _is_excessive(environment: Environment, node: nodes.Node, macros: set[str]) -> bool:
    """Whether the node may take more than linear time or memory."""
    if isinstance(node, nodes.For | nodes.Macro | nodes.Block):
        return _repeats_calls(node)
    if isinstance(node, nodes.Filter):
        own = node.name in environment.filters and node.name not in JINJA_FILTERS
        return not own and node.name not in _LINEAR_FILTERS
    if isinstance(node, _MULTIPLYING):
        # A number times a constant is fine, and so is a text, a few times.
        return not (isinstance(node, nodes.Mul) and any(map(_is_small_number, (node.left, node.right))))
    if isinstance(node, nodes.Call):
        return not (_is_macro_call(node, macros) or _is_self_call(node))
    return isinstance(node, nodes.NSRef)


def _repeats_calls(node: nodes.For | nodes.Macro | nodes.Block) -> bool:
    """Whether a loop holds another or a call; whether a macro or a block may call itself."""
    if isinstance(node, nodes.Block):
        return any(_is_self_call(one) for one in _below(node))
    if isinstance(node, nodes.Macro):
        return any(
            isinstance(one, nodes.Call | nodes.Include) and not _is_caller(one) for one in _below(node)
        )
    repeated = [*node.body, *([node.test] if node.test else [])]
    inside = [one for part in repeated for one in (part, *_below(part))]
    return node.recursive or any(isinstance(one, nodes.For | nodes.Call | nodes.Include) for one in inside)


def _is_small_number(node: nodes.Node) -> bool:
    most = 1000
    return isinstance(node, nodes.Const) and isinstance(node.value, int | float) and abs(node.value) <= most


def _is_caller(node: nodes.Node) -> bool:
    return isinstance(node, nodes.Call) and isinstance(node.node, nodes.Name) and node.node.name == "caller"


def _is_macro_call(node: nodes.Call, macros: set[str]) -> bool:
    """Whether it calls a macro, or what surrounds one: `button(…)`, `caller()`, `super()`."""
    called = node.node
    if isinstance(called, nodes.Getattr):
        return isinstance(called.node, nodes.Name) and called.attr in macros
    return isinstance(called, nodes.Name) and called.name in macros | {"caller", "super"}


def _is_self_call(node: nodes.Node) -> bool:
    return (
        isinstance(node, nodes.Call)
        and isinstance(node.node, nodes.Getattr)
        and isinstance(node.node.node, nodes.Name)
        and node.node.node.name == "self"
    )


def _reads(tree: nodes.Template) -> tuple[bool, frozenset[str], bool]:
    """The fields of the Message that are read, whether all of them are, and whether any text will do."""
    fields, whole, any_text = set[str](), False, True
    for parent in (tree, *_below(tree)):
        for node in parent.iter_child_nodes():
            if not isinstance(node, nodes.Name) or node.ctx != "load":
                continue
            if node.name == "message":
                field = _key(parent)
                whole |= field is None
                fields |= {field} if field else set()
                any_text &= field != "text"
            elif node.name in _ROOTS:
                fields.add(_ROOTS[node.name])
                any_text &= node.name != "text" or _takes_any_text(parent)
    return whole, frozenset(fields), any_text


def _takes_any_text(parent: nodes.Node) -> bool:
    if isinstance(parent, nodes.Filter):
        return parent.name in _TEXT_FILTERS
    return isinstance(parent, nodes.Output | nodes.If | nodes.CondExpr | nodes.Concat)


def _attributes(tree: nodes.Template) -> Iterator[str]:
    for node in _below(tree):
        if name := _key(node):
            yield name


def _key(node: nodes.Node) -> str | None:
    """The name that an attribute or an item is read by, if it is written out."""
    if isinstance(node, nodes.Getattr):
        return node.attr
    if isinstance(node, nodes.Getitem) and isinstance(node.arg, nodes.Const):
        value: Any = node.arg.value
        return value if isinstance(value, str) else None
    return None


def _below(node: nodes.Node) -> Iterator[nodes.Node]:
    for child in node.iter_child_nodes():
        yield child
        yield from _below(child)
