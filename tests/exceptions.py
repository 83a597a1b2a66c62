"""Which exceptions a library has: so that a test finds one that is new."""

import inspect
import pkgutil
from importlib import import_module
from types import ModuleType


def exceptions_of(package: ModuleType) -> set[type[Exception]]:
    """Every exception class that any module of `package` defines."""
    names = [module.name for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")]
    modules = [package, *(import_module(name) for name in names if not name.endswith("__main__"))]
    return {
        each
        for module in modules
        for _, each in inspect.getmembers(module, inspect.isclass)
        if issubclass(each, Exception) and each.__module__.startswith(package.__name__)
    }
