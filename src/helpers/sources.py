"""Where data sets and weights come from: ``data/datasets.toml``, parsed and checked.

The hashes in that file are the only authority on what a downloaded or copied file must hold.
"""

from dataclasses import dataclass
from typing import Any, TypeVar

from helpers.places import TableError, read_table

TABLE = "data/datasets.toml"
Value = TypeVar("Value")


class DataError(RuntimeError):
    """Data can't be read, fetched or prepared; the message says in one sentence what to do."""


@dataclass(frozen=True)
class Archive:
    """One known form of an original file.

    Attributes:
        file: its name, both upstream and in a mirror.
        bytes: its size; 0 where upstream does not publish it.
        sha256: 64 hexadecimal digits, or empty where upstream publishes only an MD5.
        md5: 32 hexadecimal digits, for files without a published SHA-256.
        url: upstream's address; empty for a variant that only mirrors hold.
        differs: how a mirror's variant differs from upstream's file.
    """

    file: str
    bytes: int
    sha256: str
    md5: str
    url: str
    differs: str


@dataclass(frozen=True)
class Source:
    """Something to download: its known files, its license and what to cite.

    Attributes:
        name: key in ``data/datasets.toml``.
        title: its name in print.
        archives: every known form of its file; the first is upstream's.
        license: its terms, in words.
        citation: the publication to cite.
    """

    name: str
    title: str
    archives: tuple[Archive, ...]
    license: str
    citation: str

    @property
    def upstream(self) -> Archive:
        """The file that the makers serve."""
        return self.archives[0]


@dataclass(frozen=True)
class DataSource(Source):
    """A data set, and the functions that make its arrays.

    Attributes:
        sample_title: what to write over pictures of the built-in sample.
        classes: names of the integer labels, in order.
        prepare: ``module:function`` that turns the original file into arrays.
        sample: ``module:function`` that makes the built-in sample.
        own_folder: whether ``COURSE_DATA`` may name the user's own copy.
        card: path of the data card from the root of the repository.
    """

    sample_title: str
    classes: tuple[str, ...]
    prepare: str
    sample: str
    own_folder: bool
    card: str


class _Fields:
    """The keys of one TOML table, each taken once and checked; what is left over is a fault."""

    def __init__(self, table: Any, where: str) -> None:
        self.where = where
        if not isinstance(table, dict):
            raise self.fault(f"expected a table, found {table!r}")
        self.left = dict(table)

    def fault(self, said: str) -> DataError:
        return DataError(f"{TABLE}, {self.where}: {said}.")

    def take(self, key: str, kind: type[Value], default: Value | None = None) -> Value:
        if key not in self.left and default is not None:
            return default
        value = self.left.pop(key, None)
        if type(value) is not kind or (default is None and value == kind()):
            found = "missing" if value is None else repr(value)
            raise self.fault(f"{key} must be a {kind.__name__} and not empty, but is {found}")
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        values = self.take(key, list)
        if not all(isinstance(value, str) for value in values):
            raise self.fault(f"{key} must be a list of texts, but is {values!r}")
        return tuple(values)

    def reference(self, key: str) -> str:
        value = self.take(key, str)
        if value.count(":") != 1:
            raise self.fault(f'{key} must be "module:function", but is {value!r}')
        return value

    def digest(self, key: str, digits: int) -> str:
        value = self.take(key, str, "")
        if value and (len(value) != digits or set(value) - set("0123456789abcdef")):
            raise self.fault(f"{key} must be {digits} lower-case hexadecimal digits")
        return value

    def end(self) -> None:
        if self.left:
            raise self.fault(f"unknown key {', '.join(self.left)}; remove or correct it")


def _archive(table: Any, where: str) -> Archive:
    fields = _Fields(table, where)
    made = Archive(
        file=fields.take("file", str),
        bytes=fields.take("bytes", int, 0),
        sha256=fields.digest("sha256", 64),
        md5=fields.digest("md5", 32),
        url=fields.take("url", str, ""),
        differs=fields.take("differs", str, ""),
    )
    fields.end()
    if bool(made.sha256) == bool(made.md5):
        raise fields.fault("give either sha256 or, where upstream publishes only that, md5")
    if bool(made.url) == bool(made.differs):
        raise fields.fault("upstream's file has a url, a mirror's variant says how it differs")
    return made


def _source(name: str, table: Any) -> Source:
    fields = _Fields(table, f"[{name}]")
    kind = fields.take("kind", str)
    listed = fields.take("archive", list)
    archives = tuple(
        _archive(each, f"[[{name}.archive]] number {number}")
        for number, each in enumerate(listed, start=1)
    )
    if [bool(each.url) for each in archives] != [True] + [False] * (len(archives) - 1):
        raise fields.fault("the first archive, and only the first, must have a url")
    common: dict[str, Any] = {
        "name": name,
        "title": fields.take("title", str),
        "archives": archives,
        "license": fields.take("license", str),
        "citation": fields.take("citation", str),
    }
    match kind:
        case "weights":
            made = Source(**common)
        case "data":
            made = DataSource(
                **common,
                sample_title=fields.take("sample_title", str),
                classes=fields.texts("classes"),
                prepare=fields.reference("prepare"),
                sample=fields.reference("sample"),
                own_folder=fields.take("own_folder", bool, False),
                card=fields.take("card", str),
            )
            if not all(each.sha256 and each.bytes for each in archives):
                raise fields.fault("every archive of a data set needs bytes and sha256")
        case _:
            raise fields.fault(f'kind must be "data" or "weights", but is "{kind}"')
    fields.end()
    return made


def sources() -> dict[str, Source]:
    """Return everything that ``data/datasets.toml`` lists, by name.

    Raises:
        DataError: the file cannot be read, or a table in it is faulty; the sentence says which.
    """
    try:
        tables = read_table(TABLE)
    except TableError as error:
        raise DataError(str(error)) from error
    return {name: _source(name, table) for name, table in tables.items()}


def source(name: str) -> Source:
    """Return what ``data/datasets.toml`` says about one data set or one file of weights.

    Raises:
        DataError: there is no such name.

    >>> source("vgg16").upstream.file
    'vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5'
    """
    known = sources()
    if name not in known:
        data = [key for key, each in known.items() if isinstance(each, DataSource)]
        weights = [key for key in known if key not in data]
        raise DataError(
            f'There is no data set "{name}": the course has {", ".join(data)}, and the weights '
            f"{', '.join(weights)}."
        )
    return known[name]


def catalogue() -> dict[str, DataSource]:
    """Return the data sets of the course, by name.

    Raises:
        DataError: ``data/datasets.toml`` cannot be read or is faulty.

    >>> list(catalogue())
    ['mnist', 'cifar10', 'cats_vs_dogs', 'imdb']
    """
    return {name: each for name, each in sources().items() if isinstance(each, DataSource)}


def entry(name: str) -> DataSource:
    """Return what ``data/datasets.toml`` says about one data set.

    Raises:
        DataError: there is no such data set.

    >>> entry("mnist").classes[:3]
    ('0', '1', '2')
    """
    known = catalogue()
    if name not in known:
        raise DataError(f'There is no data set "{name}": the course has {", ".join(known)}.')
    return known[name]
