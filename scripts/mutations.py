"""Small faults for mutation testing: every way `mutations` knows to change one node of a syntax tree.

Left alone is what no test should pin: annotations, docstrings, messages of errors, logs and assertions, help texts.
"""

import ast
import copy
from collections.abc import Iterator
from itertools import takewhile
from typing import NamedTuple

OPERATORS = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult, ast.Mod: ast.Add,
    ast.Pow: ast.Mult, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd, ast.LShift: ast.RShift, ast.RShift: ast.LShift,
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In, ast.And: ast.Or, ast.Or: ast.And,
}  # fmt: skip
TEXT_FOR_PEOPLE = {"help", "metadata", "metavar", "description", "epilog", "prog", "msg"}
# `strict` and `device`: an assertion, and what a CPU cannot tell.
KEYWORDS_LEFT_ALONE = {*TEXT_FOR_PEOPLE, "strict", "device"}
COMMUTATIVE = {"min", "max", "minimum", "maximum", "transpose"}
NOT_MUTATED = {"annotation", "returns", "decorator_list", "type_params"}


class Mutation(NamedTuple):
    """One change: `holder.field`, or `holder.field[index]`, becomes `new`; `lines` reach from its statement's first."""

    line: int
    lines: range
    change: str
    holder: ast.AST
    field: str
    index: int | None
    new: ast.AST

    def apply(self) -> None:
        """Change the tree that the mutation was found in."""
        if self.index is None:
            setattr(self.holder, self.field, self.new)
        else:
            getattr(self.holder, self.field)[self.index] = self.new
        ast.fix_missing_locations(self.holder)


def mutations(node: ast.AST, statement: int = 1) -> Iterator[Mutation]:
    """Yield every mutation of what lies below `node`, in the statement that starts at a line; each of the same tree."""
    for field, value in ast.iter_fields(node):
        if field in NOT_MUTATED:
            continue
        children = list(enumerate(value)) if isinstance(value, list) else [(None, value)]
        for index, child in children:
            if not isinstance(child, ast.AST) or _is_for_people(child):
                continue
            line = getattr(child, "lineno", statement)
            first = line if isinstance(child, ast.stmt) else statement
            lines = range(first, getattr(child, "end_lineno", first) + 1)
            for new in _replacements(child):
                yield Mutation(line, lines, _change(child, new), node, field, index, ast.copy_location(new, child))
            if not isinstance(child, ast.Raise):  # whether it is raised matters, not its message
                yield from mutations(child, first)


def _change(old: ast.AST, new: ast.AST) -> str:
    """Both as source, cut to what differs and a little on either side."""
    texts = [" ".join(ast.unparse(node).split()) for node in (old, new)]
    if max(map(len, texts)) > 80:
        before = max(0, _common(*texts) - 30)
        after = max(0, _common(*(text[:before:-1] for text in texts)) - 30)
        texts = [f"{'...' * bool(before)}{text[before : len(text) - after]}{'...' * bool(after)}" for text in texts]
    return "  ->  ".join(texts)


def _common(one: str, other: str) -> int:
    """Characters at the start that two texts have in common."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))


def _is_for_people(node: ast.AST) -> bool:
    match node:
        case ast.Expr(value=ast.Constant()) | ast.JoinedStr() | ast.Assert():
            return True  # docstrings; texts with values in them
        case ast.Expr(value=ast.Call(func=ast.Attribute(value=ast.Name(id="logger" | "warnings")))):
            return True
        case ast.FunctionDef(name="__repr__" | "extra_repr"):
            return True
        case ast.keyword(arg=name):
            return name in KEYWORDS_LEFT_ALONE
        case ast.Assign(targets=[ast.Name(id="__all__" | "logger")]):
            return True
        case ast.If(test=ast.Name(id="TYPE_CHECKING")):
            return True
    return False


def _with(node: ast.AST, **fields) -> ast.AST:
    changed = copy.copy(node)
    for name, value in fields.items():
        setattr(changed, name, value)
    return changed


def _replacements(node: ast.AST) -> Iterator[ast.AST]:
    match node:
        case ast.BinOp(op=op) | ast.BoolOp(op=op) if type(op) in OPERATORS:
            yield _with(node, op=OPERATORS[type(op)]())
        case ast.AugAssign(op=op):
            yield ast.Pass()
            if type(op) in OPERATORS:
                yield _with(node, op=OPERATORS[type(op)]())
        case ast.Compare(ops=ops):
            for at, op in enumerate(ops):
                yield _with(node, ops=[*ops[:at], OPERATORS[type(op)](), *ops[at + 1 :]])
        case ast.UnaryOp(operand=operand):
            yield operand
        case ast.Constant(value=bool(value)):
            yield _with(node, value=not value)
        case ast.Constant(value=int(value)):
            yield _with(node, value=value + 1)
            yield _with(node, value=value - 1)
        case ast.Constant(value=float(value)):
            yield _with(node, value=value + 1)
            yield _with(node, value=value / 2 if value else -1.0)
        case ast.Constant(value=str(value)):
            yield _with(node, value=f"{value}X")
        case ast.Constant(value=bytes(value)):
            yield _with(node, value=value + b"X")
        case ast.Call():
            yield from _changed_calls(node)
        case ast.Expr(value=ast.Call()) | ast.Raise() | ast.Assign(targets=[ast.Attribute() | ast.Subscript()]):
            yield ast.Pass()
        case ast.Return(value=value) if value is not None and not isinstance(value, ast.Constant):
            yield ast.Return(value=ast.Constant(value=None))
        case ast.If(test=test) | ast.While(test=test) | ast.IfExp(test=test) if _can_be_negated(test):
            yield _with(node, test=ast.UnaryOp(op=ast.Not(), operand=test))
        case ast.Slice():
            for bound in ("lower", "upper", "step"):
                if getattr(node, bound) is not None:
                    yield _with(node, **{bound: None})
        case ast.comprehension(ifs=[_, *_]):
            yield _with(node, ifs=[])
        case ast.Continue():
            yield ast.Break()
        case ast.Break():
            yield ast.Continue()


def _can_be_negated(test: ast.AST) -> bool:
    """Whether the negation is another change than those of the test's own operators."""
    match test:
        case ast.Compare(ops=[ast.Eq() | ast.NotEq() | ast.Is() | ast.IsNot() | ast.In() | ast.NotIn()]):
            return False
        case ast.UnaryOp(op=ast.Not()):
            return False
    return True


def _changed_calls(call: ast.Call) -> Iterator[ast.AST]:
    """The call left out (its first argument stays, or what its method belongs to), arguments swapped or missing."""
    first = call.args[0] if call.args and not isinstance(call.args[0], ast.Starred) else None
    match call.func:
        case ast.Attribute(value=ast.Name() | ast.Attribute(value=ast.Name())):
            yield from () if first is None else (first,)
            if not call.args:
                yield call.func.value
        case ast.Attribute(value=receiver):
            yield receiver
        case _ if first is not None:
            yield first
    name = getattr(call.func, "attr", getattr(call.func, "id", None))
    if len(call.args) > 1 and name not in COMMUTATIVE and ast.dump(call.args[0]) != ast.dump(call.args[1]):
        yield _with(call, args=[call.args[1], call.args[0], *call.args[2:]])
    for at, keyword in enumerate(call.keywords):
        if keyword.arg is not None and keyword.arg not in KEYWORDS_LEFT_ALONE:
            yield _with(call, keywords=[*call.keywords[:at], *call.keywords[at + 1 :]])
