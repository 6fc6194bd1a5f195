"""Prints the sysctls that tuned would write, `PATH VALUE` a line: tuned.py DIRECTORY, which holds the files of its package.

Everything is tuned's own but the last step: nothing is written. Any sysctl reads as 1.
"""

import sys

package = sys.argv[1]
sys.path.insert(0, package + "/usr/lib/python3/dist-packages")

import tuned.consts as consts
from tuned.exceptions import TunedException
from tuned.plugins import plugin_sysctl
from tuned.profiles.exceptions import InvalidProfileException
from tuned.profiles.factory import Factory
from tuned.profiles.loader import Loader
from tuned.profiles.locator import Locator
from tuned.profiles.merger import Merger
from tuned.profiles.variables import Variables
from tuned.utils.commands import commands
from tuned.utils.global_config import GlobalConfig


def write(path, value):
    print(path, value)


def write_of_path(self, option, value, ignore_missing=False):
    write(self._get_sysctl_path(option), value)


def write_of_module(option, value, ignore_missing=False):
    write(plugin_sysctl._get_sysctl_path(option), value)


# Later versions have methods where earlier ones have functions.
plugin_sysctl._read_sysctl = lambda option: "1"
plugin_sysctl._write_sysctl = write_of_module
plugin_sysctl.SysctlPlugin._read_sysctl = lambda self, option: "1"
plugin_sysctl.SysctlPlugin._write_sysctl = write_of_path


class Storage:
    def set(self, key, value):
        pass


class Instance:
    def __init__(self, unit):
        self.name = unit.name
        self._sysctl = unit.options
        self._sysctl_original = {}


def main():
    try:
        config = GlobalConfig()
        names, _ = commands().get_active_profile()
        names = (names or "").split()
        post_loaded = commands().get_post_loaded_profile()
        names += [post_loaded] if post_loaded else []
        variables = Variables()
        directories = getattr(consts, "CFG_DEF_PROFILE_DIRS", None) or consts.LOAD_DIRECTORIES
        locator = Locator(directories)
        if not names or any(name not in locator.get_known_names() for name in names):
            return
        profile = Loader(locator, Factory(), Merger(), config, variables).load(names)
    except (TunedException, InvalidProfileException):
        return
    units = [unit for unit in profile.units.values() if unit.enabled and unit.type == "sysctl"]
    for unit in sorted(units, key=lambda unit: int(getattr(unit, "priority", None) or 0)):
        plugin = object.__new__(plugin_sysctl.SysctlPlugin)
        plugin._cmd = commands()
        plugin._variables = variables
        plugin._global_cfg = config
        plugin._storage = Storage()
        plugin._storage_key = lambda name: name
        plugin._instance_apply_static(Instance(unit))


main()
