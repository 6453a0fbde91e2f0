"""A language in, a model out that is right by construction, and a certificate that says how that was seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from lrnn.compiler.compiled import Compiled
from lrnn.compiler.design import design
from lrnn.compiler.draft import Exactness
from lrnn.compiler.read import Language, read
from lrnn.compiler.verify import Checks, check
from lrnn.compiler.wish import Structure, Wish
from lrnn.compiler.write import write
from lrnn.types import Eigenvalues


def compile(
    language: Language,
    structure: Structure | None = None,
    *,
    generators: str | Sequence[int] = "all",
    eigenvalues: Eigenvalues = (-1, 1),
    num_householders: int | None = None,
    exactness: Exactness | None = None,
    verify: Checks | bool = True,
    show: bool = False,
) -> Compiled:
    """A model that answers, after every letter of any word, as the language asks.

    Arguments:
        language: a regular expression, a :class:`lrnn.automata.DFA` (is the word so far in the language?), a
            :class:`lrnn.automata.Machine` (the label of its state), or a :class:`lrnn.automata.Group` (the product
            x_t ∘ … ∘ x_1).
        structure: of the state-transition matrix: ``householder``, ``complex_diagonal``, ``diagonal``,
            ``permutation_diagonal``, ``dense``; None is the first of them that can do it.
        generators: of a group, the elements that serve as letters, as :func:`lrnn.automata.generators` reads them, or
            their numbers.
        eigenvalues: range of the real eigenvalues of ``householder`` and ``diagonal``.
        num_householders: n_h, at most so many reflectors per letter.
        exactness: ``integer``: all states of the model are integers, and nothing is rounded at any length. ``margin``:
            orthogonal matrices, which need fewer reflectors and less width; states drift, and the certificate says how
            far answers carry. None is integer where one layer has it, then margin for a group, then integer in layers.
        verify: what the certificate rests on; True is :class:`lrnn.compiler.Checks`, False is none.
        show: a bar while it is verified.

    Raises:
        NotRealizable: the structure cannot do it, or the compiler knows no construction with it; the message says what
            in the language stands against it, and what to ask for instead.
        ValueError: a faulty regular expression, generators, or option.

    >>> even = compile("(aa)*", verify=Checks(max_words=100, lengths=(1000,)))
    >>> even.label("aaaa"), even.label("aaa")
    ('accept', 'reject')
    >>> even.certificate.errors, even.certificate.exactness
    (0, 'integer')
    """
    wish = Wish(structure=structure, eigenvalues=eigenvalues, num_householders=num_householders, exactness=exactness)
    target = read(language, generators)
    structure, draft = design(target, wish)
    model = write(draft)
    compiled = Compiled(model, target.machine, target.name, structure, draft.exactness, draft.method)
    if verify is False:
        return compiled
    checks = Checks() if verify is True else verify
    return replace(compiled, certificate=check(compiled, checks, show))
