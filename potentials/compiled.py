"""Functions compiled by numba, cached on disk where possible.

numba writes its cache beside the source, in the user's cache folder, or in ``NUMBA_CACHE_DIR``, and raises an
error if it can write to none of them, as in a read-only installation without a home directory. Then a folder of
the user in the system's temporary folder is used; if that is impossible too, every process compiles again.
"""

from __future__ import annotations

import os
import stat
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from functools import cached_property, update_wrapper
from importlib import import_module
from pathlib import Path
from typing import Any

FOLDER = "NUMBA_CACHE_DIR"
"""Environment variable that numba reads; child processes find the folder by it."""

_SAID, _OWN = "NMER_SAID_NO_CACHE", "NMER_OWN_NUMBA_CACHE"
"""Environment variables: whether the lack of a folder was reported; the folder used instead of numba's."""

REMARK = (
    "note: compiled code cannot be kept, so every command takes up to a minute longer; set NUMBA_CACHE_DIR to a "
    "folder that only you can write to"
)


def njit(*, cache: bool = False, **options: Any) -> Any:
    """Return a decorator like numba's; with `cache`, compiled code is cached on disk where possible.

    numba is imported only when the function is first called.

    Parameters
    ----------
    cache
        Whether to cache the compiled code.
    options
        Options of `numba.njit`.
    """
    return lambda function: Compiled(function, cache, options)


class Compiled:
    """A function that is compiled when it is first called.

    Parameters
    ----------
    function
        The function.
    cache
        Whether to cache the compiled code.
    options
        Options of `numba.njit`.
    """

    def __init__(self, function: Callable[..., Any], cache: bool, options: dict[str, Any]) -> None:
        update_wrapper(self, function)
        self._function, self._keep, self._options = function, cache, options

    def __call__(self, *values: Any) -> Any:
        """Call the compiled function."""
        return self.dispatcher(*values)

    @cached_property
    def dispatcher(self) -> Any:
        """The function as numba compiled it."""
        import numba

        compiled = numba.njit(**self._options)(self._function)
        while self._keep:
            try:
                compiled.enable_caching()
            except RuntimeError:  # numba can write to none of its folders
                if _other_folder():
                    continue
            else:
                compiled._cache._cache_file._source_stamp = _stamps(self._function)
                compiled._cache = _Lenient(compiled._cache)
            break
        self.__dict__["dispatcher"] = compiled  # set first: functions that it calls may call it
        _compile_called(self._function)
        return compiled


class FromNumba:
    """A function that compiled functions call by name, of numba or of a module that imports numba.

    The module is imported when a function that calls it is compiled.
    """

    def __init__(self, name: str, module: str = "numba") -> None:
        self._name, self._module = name, module

    @property
    def dispatcher(self) -> Any:
        """The function."""
        return getattr(import_module(self._module), self._name)


carray: Any = FromNumba("carray")


def _stamps(function: Callable[..., Any]) -> tuple[tuple[str, float, int], ...]:
    """Return name, time and size of the files of a function and of all that it calls.

    numba compares the function's own file only, and would use old code of a function called from another file.
    """
    seen: dict[int, Callable[..., Any]] = {}
    waiting = [function]
    while waiting:
        one = waiting.pop()
        if id(one) in seen:
            continue
        seen[id(one)] = one
        for name in one.__code__.co_names:
            called = one.__globals__.get(name)
            if isinstance(called, FromNumba):
                called = called.dispatcher
            for attribute in ("_function", "py_func", "_defn"):  # of `Compiled`, of numba's, of an intrinsic
                if hasattr(called, attribute):
                    waiting.append(getattr(called, attribute))
                    break
    files = sorted({one.__code__.co_filename for one in seen.values()})
    return tuple((Path(file).name, (found := os.stat(file)).st_mtime, found.st_size) for file in files)


def _compile_called(function: Callable[..., Any]) -> None:
    """Replace the `Compiled` functions that a function calls by name with numba's."""
    names = function.__globals__
    for name in function.__code__.co_names:
        if isinstance(names.get(name), (Compiled, FromNumba)):
            names[name] = names[name].dispatcher


def cfunc(signature: str, *, cache: bool = False) -> Any:
    """Return a decorator as numba's for a function that C calls; `cache` is that of `njit`.

    The function is compiled when its ``address`` is first read.
    """
    return lambda function: Callback(function, signature, cache)


class Callback:
    """A function for C that is compiled when its address is first read.

    Parameters
    ----------
    function
        The function.
    signature
        Its types, as numba writes them.
    cache
        Whether what is compiled is kept.
    """

    def __init__(self, function: Callable[..., Any], signature: str, cache: bool) -> None:
        self._function, self._signature, self._keep = function, signature, cache

    @cached_property
    def _compiled(self) -> Any:
        """The function as numba compiles it; kept, because its address is valid for as long as it exists."""
        import numba

        _compile_called(self._function)
        while self._keep:
            try:
                return numba.cfunc(self._signature, cache=True)(self._function)
            except Exception:  # no folder, or a damaged file; an error of the function is raised again below
                if not _other_folder():
                    break
        return numba.cfunc(self._signature)(self._function)

    @property
    def address(self) -> int:
        """The address of the compiled function."""
        return int(self._compiled.address)


def cache_folder() -> Path | None:
    """Return the folder of compiled code; None if there is none, so that every process compiles again."""
    from numba.core.caching import FunctionCache

    try:
        return Path(FunctionCache(own_folder).cache_path)
    except RuntimeError:  # numba can write to none of its folders
        return own_folder()


def _other_folder() -> bool:
    """Make numba use the folder of `own_folder`; return False if it does already, or there is none."""
    import numba

    if os.environ.get(_SAID) or os.environ.get(_OWN) == numba.config.CACHE_DIR:
        return False
    folder = own_folder()
    if folder is None:
        os.environ[_SAID] = "1"  # reported once, child processes included
        print(REMARK, file=sys.stderr)
        return False
    os.environ[FOLDER] = os.environ[_OWN] = numba.config.CACHE_DIR = str(folder)
    return True


def own_folder() -> Path | None:
    """Return a folder in the system's temporary folder that only this user can write to; None if there is none.

    Cached code is executed unchecked, so a folder that another user could write to is not used.
    """
    user = os.getuid() if hasattr(os, "getuid") else 0
    try:
        folder = Path(tempfile.gettempdir()) / f"nmer-numba-{user}"
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
        tempfile.TemporaryFile(dir=folder).close()
    except OSError:
        return None
    mine = stat.S_ISDIR(found.st_mode) and (not hasattr(os, "getuid") or found.st_uid == user)
    return folder if mine and not found.st_mode & 0o077 else None


class _Lenient:
    """numba's cache of a function; if it is damaged or the disk is full, the function is compiled instead."""

    def __init__(self, cache: Any) -> None:
        self._cache = cache

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cache, name)

    def load_overload(self, *values: Any) -> Any:
        """Return the cached code; None if there is none or it cannot be read."""
        try:
            return self._cache.load_overload(*values)
        except Exception:  # a damaged file can fail in any way; it is removed
            with suppress(Exception):
                self._cache.flush()
            return None

    def save_overload(self, *values: Any) -> None:
        """Save compiled code if there is room."""
        with suppress(Exception):
            self._cache.save_overload(*values)


class AtAddress(FromNumba):
    """A C function that compiled functions call by its address: ``function(address, values)``, values as a tuple.

    Parameters
    ----------
    signature
        Types of what it returns and takes, as numba writes them.
    """

    def __init__(self, signature: str) -> None:
        self._signature = signature

    @property
    def dispatcher(self) -> Any:
        """The function for numba, which is imported here."""
        from numba.core.cgutils import ir
        from numba.core.sigutils import normalize_signature
        from numba.core.types import intp, none
        from numba.extending import intrinsic

        takes, gives = normalize_signature(self._signature)

        def call(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            kinds = [context.get_value_type(kind) for kind in takes]
            result = ir.VoidType() if gives == none else context.get_value_type(gives)
            function = builder.inttoptr(values[0], ir.FunctionType(result, kinds).as_pointer())
            given = zip(signature.args[1].types, takes, strict=True)
            found = builder.call(
                function,
                [
                    context.cast(builder, builder.extract_value(values[1], n), one, other)
                    for n, (one, other) in enumerate(given)
                ],
            )
            return context.get_dummy_value() if gives == none else found

        def function(context: Any, address: Any, values: Any) -> Any:
            return gives(intp, values), call

        return intrinsic(function)


class Pointer(FromNumba):
    """A function of compiled code that returns an address, a whole number, as a pointer, which `carray` takes."""

    def __init__(self) -> None:
        super().__init__("pointer")

    @property
    def dispatcher(self) -> Any:
        """The function for numba, which is imported here."""
        from numba.core.types import intp, voidptr
        from numba.extending import intrinsic

        def convert(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            return builder.inttoptr(values[0], context.get_value_type(voidptr))

        def function(context: Any, address: Any) -> Any:
            return voidptr(intp), convert

        return intrinsic(function)


pointer: Any = Pointer()
